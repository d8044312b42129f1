"""What is answered to a scrape: made anew at most once a second, however many scrape."""

import logging
import threading
import time
from collections.abc import Callable, Iterable

import msgspec
import zmq
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from mt5crs_shared.control.status_report import StatusReport
from mt5crs_shared.errors import Mt5crsError
from mt5crs_supervisor.operator.exporter.counters import SteadyCounters
from mt5crs_supervisor.operator.exporter.families import families, recovery_family
from mt5crs_supervisor.operator.exporter.recoveries import RecoveryTimes

logger = logging.getLogger(__name__)

FRESH = 1.0
"""Seconds for which figures are those of now: ten who scrape ask the supervisor as often as one."""


class StatusCollector(Collector):
    """Asks for the status when somebody scrapes, and makes figures of it; from any thread.

    Args:
        ask: Asks the supervisor; raises where it does not answer.
        recoveries: What deaths have cost.
        installation: What people call this system.
        monotonic: The monotonic clock, seconds.
    """

    def __init__(
        self,
        ask: Callable[[], StatusReport],
        recoveries: RecoveryTimes,
        installation: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._recoveries = recoveries
        self._installation = installation
        self._monotonic = monotonic
        self._counters = SteadyCounters()
        self._lock = threading.Lock()
        self._made: list[Metric] = []
        self._made_at: float | None = None
        self._answered = True

    def collect(self) -> Iterable[Metric]:
        """The figures of now. Of a supervisor that does not answer, only that it does not."""
        with self._lock:
            if self._made_at is None or self._monotonic() - self._made_at >= FRESH:
                self._made = self._make()
                self._made_at = self._monotonic()
            return self._made

    def _make(self) -> list[Metric]:
        recovered = recovery_family(self._recoveries.read())
        return [*families(self._report(), self._counters, self._installation), recovered]

    def _report(self) -> StatusReport | None:
        try:
            report = self._ask()
        except (Mt5crsError, msgspec.MsgspecError, zmq.ZMQError, OSError) as error:
            if self._answered:
                logger.warning("no figures: %s", error)
            self._answered = False
            return None
        self._answered = True
        return report
