"""What the operator asks for by the control socket, and the supervisor's answers."""

from collections.abc import Callable
from typing import Protocol

from mt5crs_shared.events import Restart
from mt5crs_supervisor.operator import reporting
from mt5crs_supervisor.operator.control import (
    ControlServer,
    Done,
    Refused,
    Reply,
    Request,
    RestartRequest,
    StatusRequest,
    StopRequest,
)
from mt5crs_supervisor.operator.reporting import Reported
from mt5crs_supervisor.operator.status_report import StatusReport


class Asked(Reported, Protocol):
    """What is done at the operator's word."""

    def request_stop(self, why: str) -> None:
        """Stop everything, in order."""


class Operator:
    """Answers requests.

    Args:
        supervisor: Who is asked.
        server: Where.
        monotonic: The monotonic clock, seconds.
    """

    def __init__(
        self, supervisor: Asked, server: ControlServer, monotonic: Callable[[], float]
    ) -> None:
        self._supervisor = supervisor
        self._server = server
        self._monotonic = monotonic

    def serve(self) -> None:
        """Answer what waits."""
        for client, request in self._server.requests():
            self._server.answer(client, self._answer(request))

    def _answer(self, request: Request) -> Reply | StatusReport:
        match request:
            case StatusRequest():
                return reporting.report(self._supervisor, self._monotonic())
            case StopRequest():
                self._supervisor.request_stop("asked by the operator")
                return Done("stopping")
            case RestartRequest(name=name):
                return self._restart(name)

    def _restart(self, name: str) -> Done | Refused:
        children = [*self._supervisor.services, *self._supervisor.strategies]
        by_name = {child.name: child for child in children}
        child = by_name.get(name)
        if child is None:
            return Refused(f"there is no child called {name}", tuple(by_name))
        if self._supervisor.stopping:
            return Refused("the supervisor is stopping")
        self._supervisor.events.notify(Restart(name, "asked by the operator"))
        child.restart(self._monotonic())
        return Done(f"{name} is being restarted")
