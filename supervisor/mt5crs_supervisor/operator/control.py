"""The control API: one JSON request, one JSON reply, on an ipc socket of the user's own."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
import zmq

from mt5crs_shared.control.asking import NotRunning, StatusRequest, ask_control
from mt5crs_shared.control.status_report import StatusReport
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.sockets.opening import MEDIUM, bind_own, open_socket

logger = logging.getLogger(__name__)

WAITING = 100
"""Requests of one client that wait."""

AT_ONCE = 20
"""Requests answered before the supervisor looks at its children again."""


class StopRequest(msgspec.Struct, frozen=True, tag="stop"):
    """Stop everything, in order, and end. Answered at once with `Done`."""


class ChildRequest(msgspec.Struct, frozen=True, tag="child"):
    """Start, stop or restart children; none of them where one cannot be.

    Attributes:
        action: RESTART gives a fresh process and a clean record.
        names: Whom; a service can be restarted only.
        who: For whom it is asked, where that is not who runs the command.
    """

    action: Literal["start", "stop", "restart"]
    names: tuple[str, ...]
    who: str = ""


class ReloadRequest(msgspec.Struct, frozen=True, tag="reload"):
    """Run what the configuration file says now; answered with `Planned`.

    Attributes:
        digest: Of the configuration that was checked; another one by now is refused.
        models: By strategy, BLAKE2b-256 of its model's file, hexadecimal.
        dry_run: Only say what would change.
        keep: Strategies that are to be stopped may leave a position open.
        who: As in `ChildRequest`.
    """

    digest: str
    models: dict[str, str]
    dry_run: bool = False
    keep: bool = False
    who: str = ""


class ConfigWatched(msgspec.Struct, frozen=True, tag="config_watched"):
    """The configuration's files are watched: what changes is taken up. Answered with `Done`.

    Attributes:
        pid: The process that does it; null: none does.
        problem: Why the newest change was not taken up; empty: it was, or there was none.
        judged: `StatusReport.config_changed` of the file that has this problem.
    """

    pid: int | None = None
    problem: str = ""
    judged: str | None = None


class FieldChange(msgspec.Struct, frozen=True):
    """One field.

    Attributes:
        path: ``risk_config.max_position_size``.
        before: As it runs, JSON.
        after: As the file says, JSON.
    """

    path: str
    before: str
    after: str


class ChangedStrategy(msgspec.Struct, frozen=True):
    """A strategy that is to run otherwise.

    Attributes:
        name: Its name.
        fields: What differs.
        replaced: It gets a fresh process; False: its process goes on.
    """

    name: str
    fields: tuple[FieldChange, ...]
    replaced: bool


class ConfigDifference(msgspec.Struct, frozen=True):
    """From what runs to what the file says.

    Attributes:
        added: Strategies that are started.
        removed: Strategies that are stopped: disabled, or no longer in the file.
        held: Those of them that have an open position.
        changed: Strategies that run otherwise.
        untouched: Strategies that notice nothing.
        globals: Fields of ``global`` and of ``symbols.yaml`` that differ.
        services: Services that get a fresh process, or their first.
        ended: Services that are stopped: nobody needs them any more.
        refused: Why it cannot be done while everything runs; empty: it can.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    held: tuple[str, ...]
    changed: tuple[ChangedStrategy, ...]
    untouched: tuple[str, ...]
    globals: tuple[FieldChange, ...]
    services: tuple[str, ...]
    ended: tuple[str, ...]
    refused: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many things differ."""
        return len((*self.added, *self.removed, *self.changed, *self.globals))


class Planned(msgspec.Struct, frozen=True, tag="planned"):
    """What differs; without `dry_run` and `difference.refused` it is under way."""

    difference: ConfigDifference


class Done(msgspec.Struct, frozen=True, tag="done"):
    """It is done, or under way."""

    detail: str = ""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """It was not done.

    Attributes:
        reason: For people.
        known: The names that would have been right.
    """

    reason: str
    known: tuple[str, ...] = ()


Asking = StopRequest | ChildRequest | ReloadRequest | ConfigWatched
Request = StatusRequest | Asking
Reply = Done | Refused | Planned


class ControlServer:
    """The supervisor's end.

    Args:
        context: The supervisor's ZMQ context.
        paths: Where the socket is.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", paths: VarPaths) -> None:
        self.socket = open_socket(context, zmq.ROUTER, MEDIUM)
        self.socket.setsockopt(zmq.LINGER, 200)
        self.socket.setsockopt(zmq.RCVHWM, WAITING)
        bind_own(self.socket, paths.endpoint("control"))
        self._decode = msgspec.json.Decoder(Request).decode

    def requests(self) -> Iterator[tuple[bytes, Request]]:
        """What is asked, and whom to answer."""
        for _ in range(AT_ONCE):
            try:
                frames = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            try:
                request = self._decode(frames[-1])
            except Exception as error:
                # Whatever it is that cannot be read: it is that request's fault alone.
                self.answer(frames[0], Refused(f"the request cannot be read: {error}"))
                continue
            yield frames[0], request

    def answer(self, client: bytes, reply: Reply | StatusReport) -> None:
        """Send a reply; a client that has gone does not matter."""
        try:
            self.socket.send_multipart([client, b"", msgspec.json.encode(reply)], zmq.DONTWAIT)
        except zmq.ZMQError as error:
            logger.info("a reply was not sent: %s", error)

    def close(self) -> None:
        """Give the socket back."""
        self.socket.close()


class ControlClient:
    """The command line's end.

    Args:
        var_dir: The ``var`` folder of the installation.
        timeout: Seconds to wait for a reply.
    """

    def __init__(self, var_dir: Path, timeout: float = 5.0) -> None:
        self._paths = VarPaths(var_dir)
        self._timeout = timeout

    def status(self) -> StatusReport:
        """Ask how everybody is.

        Raises:
            NotRunning: There is no supervisor.
            ControlTimeout: It did not answer in time.
        """
        return msgspec.json.decode(self._ask(StatusRequest()), type=StatusReport)

    def request(self, request: Asking) -> Reply:
        """Ask for something to be done.

        Raises:
            NotRunning: There is no supervisor.
            ControlTimeout: It did not answer in time.
        """
        reply: Reply = msgspec.json.decode(self._ask(request), type=Reply)
        return reply

    def _ask(self, request: Request) -> bytes:
        if not self._paths.socket_file("control").exists():
            self._check_alive()
        return ask_control(
            self._paths, msgspec.json.encode(request), self._timeout, self._check_alive
        )

    def _check_alive(self) -> None:
        """A killed supervisor leaves its socket's file behind, to which nobody will answer.

        One that begins again after an error of its own has none for a moment.
        """
        # Imported when there is doubt: it costs a tenth of the time that `status` may take.
        from mt5crs_supervisor.operator import orphans
        from mt5crs_supervisor.processes.instance_lock import holder

        if holder(self._paths) is None:
            living = orphans.described(self._paths)
            what = f"no supervisor is running on {self._paths.var}"
            raise NotRunning(f"{what}; {living or '`start` begins one'}")
