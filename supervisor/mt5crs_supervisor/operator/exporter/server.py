"""The exporter as a child of the supervisor: its loop only beats, threads serve what is scraped."""

import logging
import threading
import time

import zmq
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import start_wsgi_server

from mt5crs_shared.configuration.structs import decode_config
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.process.supervision import ChildProcess, ChildReport
from mt5crs_supervisor.operator.control import ControlClient
from mt5crs_supervisor.operator.exporter.collecting import StatusCollector
from mt5crs_supervisor.operator.exporter.recoveries import RecoveryTimes

logger = logging.getLogger(__name__)

ANSWER_WITHIN = 2.0
"""Seconds that the supervisor has to answer."""

LISTEN_AGAIN = 5.0
"""Seconds until a port that somebody else has is tried again."""

TURN = 1.0


class ExporterError(Mt5crsError):
    """There is nowhere to serve figures. The exporter ends; nobody else notices."""


class ScrapePort:
    """The port that figures are served on; one that cannot be had is tried again and again.

    Args:
        address: ``host:port``.
        registry: What is served.

    Attributes:
        trouble: Why nobody can scrape; empty: everybody can.
    """

    def __init__(self, address: str, registry: CollectorRegistry) -> None:
        self.trouble = ""
        self._address = address
        self._registry = registry

    def open(self) -> None:
        """Listen, from a thread of its own: a name may take long to be looked up."""
        threading.Thread(target=self._listen, name="listening", daemon=True).start()

    def _listen(self) -> None:
        host, _, port = self._address.rpartition(":")
        while True:
            try:
                start_wsgi_server(int(port), host.strip("[]"), self._registry)
            except OSError as error:
                self.trouble = f"cannot listen on {self._address}: {error.strerror or error}"
                time.sleep(LISTEN_AGAIN)
            else:
                self.trouble = ""
                logger.info("figures are served on %s", self._address)
                return


def run_exporter(spec: ChildSpec, preloaded: bool) -> None:
    """Entry point of the exporter's process.

    Raises:
        ExporterError: The configuration names no address.
    """
    config = decode_config(spec.payload)
    address = config.globals.metrics
    if address is None:
        raise ExporterError("the configuration has no global.metrics")
    paths = VarPaths.of(spec)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    child = ChildProcess(spec, config.globals.supervisor, context, preloaded)
    client = ControlClient(paths.var, timeout=ANSWER_WITHIN)
    recoveries = RecoveryTimes(paths.events, paths.recoveries)
    registry = CollectorRegistry()
    registry.register(StatusCollector(client.status, recoveries, paths.title))
    port = ScrapePort(address, registry)
    port.open()
    child.ready()
    while not child.stopping:
        child.poll(TURN)
        child.service(lambda: ChildReport("running", port.trouble))
    child.close()
