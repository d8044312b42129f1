"""Processes that stand by, each for one child: made beforehand, warm, and told when to begin."""

import contextlib
import dataclasses
import logging
import signal
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection

import msgspec

from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process.standby import Warm, decode_warm, stamps
from mt5crs_supervisor.processes.handle import Handle

logger = logging.getLogger(__name__)

RETRY_AFTER = 30.0
"""Seconds until another one is made where the last could not get warm."""


@dataclasses.dataclass(slots=True)
class Standby:
    """One that was made.

    Attributes:
        handle: Its process.
        line: Where it says that it is warm, and is told what to run.
        warm: What it said; None: nothing yet.
    """

    handle: Handle
    line: Connection
    warm: Warm | None = None

    def hear(self) -> None:
        """Read what it has said."""
        if self.warm is not None:
            return
        try:
            if self.line.poll():
                self.warm = decode_warm(self.line.recv_bytes())
        except (EOFError, OSError, msgspec.MsgspecError):
            self.warm = Warm({}, "its process ended before it was warm")

    def begin(self, spec: ChildSpec) -> bool:
        """Have it run this; False: it cannot, or what it has read is another by now."""
        self.hear()
        if self.warm is None or self.warm.fault or stamps(self.warm.files) != self.warm.files:
            return False
        try:
            self.line.send_bytes(msgspec.msgpack.encode(spec))
        except OSError:
            return False
        self.line.close()
        return True

    def end(self) -> None:
        """It is not needed any more."""
        self.line.close()
        self.handle.kill(signal.SIGKILL)
        self.handle.close()


class Standbys:
    """One for each child that wants one.

    Args:
        make: Makes one, without waiting for it.
    """

    def __init__(self, make: Callable[[ChildSpec], "Future[Standby]"]) -> None:
        self._make = make
        self._made: dict[str, Future[Standby]] = {}
        self._retry_at: dict[str, float] = {}
        self._told: dict[str, str] = {}

    def keep(self, spec: ChildSpec, now: float) -> str:
        """See that one stands by for a child.

        Args:
            spec: The child's, of no epoch.
            now: Monotonic time, seconds.

        Returns:
            Why none can, where that is news; empty: one does, or will.
        """
        name = spec.name
        future = self._made.get(name)
        if future is None:
            if now >= self._retry_at.get(name, now):
                self._made[name] = self._make(spec)
            return ""
        if not future.done():
            return ""
        fault = _fault_of(future)
        if fault is None:
            return ""
        self.drop(name)
        if not fault:
            self._made[name] = self._make(spec)
            return ""
        self._retry_at[name] = now + RETRY_AFTER
        before, self._told[name] = self._told.get(name), fault
        return fault if fault != before else ""

    def take(self, spec: ChildSpec) -> Handle | None:
        """The process that stood by for a child, which runs this now; None: none was ready."""
        standby = self._standby(spec.name)
        if standby is None or (standby.warm is None and not standby.line.poll()):
            return None  # It gets warm for the next time.
        del self._made[spec.name]
        if standby.begin(spec):
            return standby.handle
        standby.end()
        return None

    def pid(self, name: str) -> int | None:
        """The process that stands by for a child, warm; None: none does."""
        standby = self._standby(name)
        if standby is None or standby.warm is None or standby.warm.fault:
            return None
        return standby.handle.pid

    def drop(self, name: str) -> None:
        """End what stands by for a child, if anything does."""
        future = self._made.pop(name, None)
        if future is not None:
            # One that is being made is ended when it is there.
            future.add_done_callback(_end)

    def close(self) -> None:
        """End them all."""
        for name in list(self._made):
            self.drop(name)

    def _standby(self, name: str) -> Standby | None:
        future = self._made.get(name)
        if future is None or not future.done() or future.cancelled() or future.exception():
            return None
        return future.result()


def _fault_of(future: "Future[Standby]") -> str | None:
    """What is wrong with one that was made; empty: it was warm, and is gone; None: nothing."""
    error = future.exception()
    if error is not None:
        return f"no process could be made: {error!r}"
    standby = future.result()
    standby.hear()
    if standby.warm is not None and standby.warm.fault:
        return standby.warm.fault
    if standby.handle.exit_status() is None:
        return None
    return "" if standby.warm is not None else "its process ended before it was warm"


def _end(future: "Future[Standby]") -> None:
    with contextlib.suppress(Exception):
        future.result().end()
