"""The bridge: whether orders would reach the account that is meant."""

import pkgutil
from collections.abc import Callable, Iterator
from typing import Protocol

from mt5crs_shared.configuration.structs import Config
from mt5crs_supervisor.commands.doctor.finding import Finding, fault, fine

COMMAND = "mt5crs_services.gateway.brokers.bridge.dialects.probe:probe_bridge"
"""Who asks; by name only, since the supervisor imports no service."""


class Probed(Protocol):
    """What was found; see `mt5crs_services.gateway.brokers.bridge.dialects.probe.BridgeProbe`."""

    @property
    def url(self) -> str:
        """Where."""

    @property
    def fault(self) -> str:
        """What is wrong; empty: nothing."""

    @property
    def advice(self) -> str:
        """What to do about it."""

    @property
    def said(self) -> str:
        """What is right."""


def look_at_bridge(config: Config, running: bool) -> Iterator[Finding]:
    """Ask what cannot trade, where orders are sent, or would be (`execution: {shadow: true}`).

    Args:
        config: The configuration.
        running: A system runs on it: the gateway of a live account asks already, and `status` says
            what is wrong.
    """
    settings = config.globals
    asks = settings.execution.shadow if settings.paper_trading else not running
    if not asks:
        return
    ask: Callable[[Config], Probed] = pkgutil.resolve_name(COMMAND)
    found = ask(config)
    if found.fault:
        yield fault("bridge", f"{found.url}: {found.fault}", found.advice)
    else:
        yield fine("bridge", f"{found.url}: {found.said}")
