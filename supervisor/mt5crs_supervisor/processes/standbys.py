"""Processes that stand by, each for one child: made beforehand, warm, and told when to begin."""

import contextlib
import dataclasses
import math
import signal
import socket
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

import msgspec

from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process.standby import LONGEST, WARM_WITHIN, Warm, decode_warm, stamps
from mt5crs_supervisor.processes.handle import Handle

RETRY_AFTER = 30.0
"""Seconds until another one is made where the last could not get warm, or was killed again."""

LOOK_EVERY = 1.5
"""Seconds between two looks whether one that is warm lives."""

LATE_AFTER = WARM_WITHIN + 5.0
"""Seconds after which one that is neither warm nor gone is ended: it would have done so itself."""

LATE = f"its process was not warm after {LATE_AFTER:g} s: perhaps it was stopped"
ENDED = "its process ended before it was warm"
ENDED_WARM = "its process was killed again, while it was warm"


class StandingBy(NamedTuple):
    """What stands by for a child, as `status` has it.

    Attributes:
        pid: The process, warm; None: none does.
        fault: Why none can; empty: one does, will soon, or none is wanted.
    """

    pid: int | None = None
    fault: str = ""


@dataclasses.dataclass(slots=True)
class Standby:
    """One that was made.

    Attributes:
        handle: Its process.
        line: Where it says that it is warm, and is told what to run.
        warm: What it said; None: nothing yet.
    """

    handle: Handle
    line: socket.socket
    warm: Warm | None = None

    def hear(self) -> None:
        """Read what it has said, if anything."""
        if self.warm is not None:
            return
        try:
            self.warm = decode_warm(self.line.recv(LONGEST, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return
        except (OSError, msgspec.MsgspecError):
            self.warm = Warm({}, ENDED)

    def begin(self, spec: ChildSpec) -> bool:
        """Have it run this; False: it cannot, or what it has read is another by now.

        To be called where a disk may be waited for.
        """
        if self.warm is None or self.warm.fault or stamps(self.warm.files) != self.warm.files:
            return False
        try:
            load = self.handle.load()
            if load.stopped:
                return False  # it would hear nothing
            self.handle.warm_cpu = load.cpu
            self.line.send(msgspec.msgpack.encode(spec), socket.MSG_DONTWAIT)
        except OSError:
            return False
        self.line.close()
        return True

    def end(self) -> None:
        """It is not needed any more."""
        self.line.close()
        self.handle.kill(signal.SIGKILL)
        self.handle.close()


@dataclasses.dataclass(slots=True)
class _Post:
    """What stands by for one child, and how it went with those before.

    Attributes:
        made: It; None: nothing does.
        seen_at: Monotonic time at which it was seen first, seconds; None: not yet.
        look_at: Monotonic time of the next look at it, seconds.
        retry_at: Monotonic time before which none is made.
        ended_at: Monotonic time at which the last one was found ended, or unfit.
        fault: Why none stands by just now; empty: one does, or will soon.
        told: The last one that people were told.
    """

    made: "Future[Standby] | None" = None
    seen_at: float | None = None
    look_at: float = 0.0
    retry_at: float = 0.0
    ended_at: float = -math.inf
    fault: str = ""
    told: str = ""


class Standbys:
    """One for each child that wants one; one at a time gets warm.

    Args:
        make: Makes one, without waiting for it.
    """

    def __init__(self, make: Callable[[ChildSpec], "Future[Standby]"]) -> None:
        self._make = make
        self._posts: defaultdict[str, _Post] = defaultdict(_Post)
        self._warming = ""

    def keep(self, spec: ChildSpec, now: float) -> str:
        """See that one stands by for a child.

        Args:
            spec: The child's, of no epoch.
            now: Monotonic time, seconds.

        Returns:
            Why none can, where that is news; empty: one does, or will.
        """
        name = spec.name
        post = self._posts[name]
        if post.made is None:
            # Where its strategy runs, it is looked at itself by then, and people are told.
            if self._warming and self._is_late(self._warming, now, LATE_AFTER + LOOK_EVERY):
                self.drop(self._warming)
            if not self._warming and now >= post.retry_at:
                self._warming, post.made = name, self._make(spec)
            return ""
        if not post.made.done() or now < post.look_at:
            return ""
        fault = _fault_of(post.made)
        if fault is None and self._is_late(name, now):
            fault = LATE
        if fault is None:
            post.look_at = now + LOOK_EVERY if self._is_warm(name) else 0.0
            return ""
        self.drop(name)
        again = now - post.ended_at < RETRY_AFTER
        post.ended_at = now
        if not fault and not again:
            return ""  # Somebody has killed it: another one at once, unless it happens again.
        fault = fault or ENDED_WARM
        post.retry_at, post.fault = now + RETRY_AFTER, fault
        before, post.told = post.told, fault
        return fault if fault != before else ""

    def take(self, name: str) -> Standby | None:
        """What stands by for a child, which is to begin now; None: nothing is warm."""
        standby = self._standby(name)
        if standby is None:
            return None
        standby.hear()
        if standby.warm is None:
            return None  # It gets warm for the next time.
        self._forget(name)
        return standby

    def pid(self, name: str) -> int | None:
        """The process that stands by for a child, warm; None: none does."""
        standby = self._standby(name)
        if standby is None or standby.warm is None or standby.warm.fault:
            return None
        return standby.handle.pid

    def of(self, name: str) -> StandingBy:
        """What stands by for a child."""
        return StandingBy(self.pid(name), self._posts[name].fault)

    def drop(self, name: str) -> None:
        """End what stands by for a child, if anything does."""
        if name not in self._posts:
            return
        future = self._forget(name)
        if future is not None:
            # One that is being made is ended when it is there.
            future.add_done_callback(_end)

    def close(self) -> None:
        """End them all."""
        for name in self._posts:
            self.drop(name)

    def _forget(self, name: str) -> "Future[Standby] | None":
        if self._warming == name:
            self._warming = ""
        post = self._posts[name]
        made, post.made, post.look_at, post.seen_at = post.made, None, 0.0, None
        post.fault = ""
        return made

    def _is_warm(self, name: str) -> bool:
        """Whether one is warm; then the next one may get so."""
        warm = self.pid(name) is not None
        if warm:
            self._posts[name].fault = ""
            if self._warming == name:
                self._warming = ""
        return warm

    def _is_late(self, name: str, now: float, after: float = LATE_AFTER) -> bool:
        """Whether one that was made should be warm, or gone, by now."""
        post = self._posts[name]
        if post.made is None or not post.made.done() or self.pid(name) is not None:
            return False
        if post.seen_at is None:
            post.seen_at = now
        return now - post.seen_at > after

    def _standby(self, name: str) -> Standby | None:
        future = self._posts[name].made
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
    return "" if standby.warm is not None else ENDED


def _end(future: "Future[Standby]") -> None:
    with contextlib.suppress(Exception):
        future.result().end()
