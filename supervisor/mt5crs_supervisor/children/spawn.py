"""One process of a child, from the request for it to its end; and what is known of a death."""

import dataclasses
import signal
from collections import deque
from collections.abc import Iterator

import msgspec

from mt5crs_shared.events import Degraded, Well
from mt5crs_shared.messages import Beat, Failed, Hello
from mt5crs_supervisor.children.restart_policy import Cause, Verdict
from mt5crs_supervisor.processes.handle import Handle

KEPT_BEATS = 20
"""Beats remembered, for rates and for the black box."""

STACKS_WITHIN = 0.25
"""Seconds that a process gets to write its stacks before it is killed: it takes a few ms, but on
busy cores one that hangs in a loop may wait a tenth of a second for its turn."""

DEGRADED_FOR = 2.0
"""Seconds after which people are told that a child cannot do its work fully; at every start, and
after each death of a neighbour, all are like that for a moment."""

RECOVERING_FOR = 30.0
"""The same of one that has only just begun: at a start, each waits for the others for a while."""

SURVIVED = 5.0
"""Seconds after SIGKILL at which a process that is still there is told of."""


class Times(msgspec.Struct):
    """Monotonic times of one spawn, in seconds; None: not yet.

    Attributes:
        spawned: The launcher was asked for it.
        ready: It had booted.
        first_tick: It had processed a tick; a service: it worked.
        died: The end before it, by a death or a recycling, which it recovers from; None: somebody
            wanted it.
    """

    spawned: float | None = None
    ready: float | None = None
    first_tick: float | None = None
    died: float | None = None


@dataclasses.dataclass(slots=True)
class Spawn:
    """One process of a child. A new one begins with a new value, so nothing is ever reset.

    Attributes:
        epoch: Its number; 0: there never was one.
        times: When it did what.
        pending: The launcher was asked for it and has not answered.
        handle: The process; None before it is there, and after its end.
        judged_from: Monotonic time from which its start is judged, seconds.
        preloaded: Whether the forkserver had imported what it needs; None: it has not said.
        model_hash: Of the model that it runs.
        beat: Its last heartbeat.
        beat_at: Monotonic time at which that was read, seconds.
        metrics_at: The same of the beat that its counters are of.
        beats: The last heartbeats, with those times.
        recovery: Seconds from the death before it to its first tick.
        trouble: What people were told is wrong with it.
        trouble_at: Monotonic time since which something is, seconds.
        failed: What it said of why it is about to exit.
        recycling: It was asked to end at the next good moment.
        sentence: Why it is killed.
        kill_at: Monotonic time at which it is killed, seconds.
        killed_at: Monotonic time at which it was, seconds.
        survived: It was told that killing it has not helped.
        stuck_at: The line of a trader's file in which it was killed, or crashed; empty: none.
    """

    epoch: int = 0
    times: Times = dataclasses.field(default_factory=Times)
    pending: bool = False
    handle: Handle | None = None
    judged_from: float = 0.0
    preloaded: bool | None = None
    model_hash: str = ""
    beat: Beat | None = None
    beat_at: float = 0.0
    metrics_at: float = 0.0
    beats: deque[tuple[Beat, float]] = dataclasses.field(
        default_factory=lambda: deque(maxlen=KEPT_BEATS)
    )
    recovery: float | None = None
    trouble: str = ""
    trouble_at: float | None = None
    failed: Failed | None = None
    recycling: bool = False
    sentence: Verdict | None = None
    kill_at: float | None = None
    killed_at: float | None = None
    survived: bool = False
    stuck_at: str = ""

    @property
    def due(self) -> float | None:
        """Monotonic time at which it is to be killed; None: not, or it is not there yet."""
        return self.kill_at if self.handle is not None else None

    def begin(self, handle: Handle, now: float) -> None:
        """Its process is there."""
        self.pending, self.handle, self.judged_from = False, handle, now

    def on_hello(self, hello: Hello) -> None:
        """It has opened its sockets."""
        self.preloaded, self.model_hash = hello.preloaded, hello.model_hash

    def on_ready(self, now: float, model_hash: str) -> None:
        """It has booted."""
        self.model_hash = model_hash
        self.times.ready = self.beat_at = now

    def healthy_for(self, now: float) -> float | None:
        """Seconds since it was ready; None: it never was."""
        return now - self.times.ready if self.times.ready is not None else None

    def on_pause(self, now: float) -> None:
        """It could not be heard until now."""
        self.beat_at = self.judged_from = now
        if self.sentence is not None and self.kill_at is not None:
            self.kill_at = now + STACKS_WITHIN

    def hear(self, beat: Beat, now: float) -> None:
        """Remember a heartbeat."""
        if beat.metrics is not None:
            self.metrics_at = now
        self.beat, self.beat_at = beat.after(self.beat), now
        self.beats.append((self.beat, now))

    def degraded(
        self, why: str, now: float, recovering: bool
    ) -> Iterator[tuple[type[Degraded | Well], str]]:
        """What people are to be told of it, where that has changed.

        Args:
            why: What is wrong just now; empty: nothing.
            now: Monotonic time, seconds.
            recovering: It has only just begun, and may have to wait for others.
        """
        if not why:
            was, self.trouble, self.trouble_at = self.trouble, "", None
            if was:
                yield Well, was
            return
        if self.trouble_at is None:
            self.trouble_at = now
        patience = RECOVERING_FOR if recovering else DEGRADED_FOR
        if not self.trouble and now - self.trouble_at >= patience:
            self.trouble = why
            yield Degraded, why

    def on_first_tick(self, at: float) -> bool:
        """It has processed a tick, or, as a service, works; whether it is back from a death."""
        self.times.first_tick = at
        if self.times.died is None or self.recovery is not None:
            return False
        self.recovery = at - self.times.died
        return True

    def stop(self, kill_at: float) -> None:
        """Ask it to end; at that time it is killed."""
        self.sentence, self.kill_at = None, kill_at
        self._signal(signal.SIGTERM)

    def put_down(self, verdict: Verdict, now: float) -> None:
        """Have it write its stacks; it is killed a moment later."""
        self.sentence, self.kill_at = verdict, now + STACKS_WITHIN
        self._signal(signal.SIGUSR1)

    def spare(self) -> bool:
        """Take the sentence back, where it was for silence and is still to be done."""
        if self.sentence is None or self.sentence.cause is not Cause.HANG or self.kill_at is None:
            return False
        self.sentence = self.kill_at = None
        return True

    def kill_when_due(self, now: float) -> bool:
        """Kill it at its time; whether that is known by now not to have helped, told once."""
        if self.handle is None:
            return False
        if self.kill_at is not None and now >= self.kill_at:
            self.kill_at, self.killed_at = None, now
            self.handle.kill(signal.SIGKILL)
        if self.survived or self.killed_at is None or now - self.killed_at <= SURVIVED:
            return False
        self.survived = True
        return True

    def end(self) -> None:
        """Its process is gone."""
        if self.handle is not None:
            self.handle.close()
        self.handle = self.kill_at = None

    def _signal(self, signum: int) -> None:
        if self.handle is not None:
            self.handle.kill(signum)


class Death(msgspec.Struct, frozen=True):
    """All that the supervisor's memory has of a death.

    Attributes:
        cause: How it ended.
        detail: One sentence.
        exit: How the process ended.
        pid: Its process.
        epoch: Its spawn.
        at: Monotonic time of the detection.
        killed_at: Monotonic time at which the supervisor killed it.
        times: Of the spawn that died.
        beats: Its last beats, with the monotonic times at which they were read.
        trace: Traceback that it reported.
        model_hash: Of the model that it ran.
        decision: What the restart policy decided.
    """

    cause: Cause
    detail: str
    exit: str
    pid: int
    epoch: int
    at: float
    killed_at: float | None
    times: Times
    beats: tuple[tuple[Beat, float], ...]
    trace: str
    model_hash: str
    decision: str
