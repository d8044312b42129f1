"""One child's life: one method per event, every deadline from the clock that is handed in."""

import logging
import signal
from typing import Protocol

import msgspec

from mt5crs_shared.configuration.structs import LimitsConfig, SupervisorConfig
from mt5crs_shared.control.states import State
from mt5crs_shared.events import (
    AnyEvent,
    BootTimeout,
    Died,
    Hung,
    NoProcess,
    NotKilled,
    Quarantined,
    Recovered,
    Recycling,
    Running,
    Spared,
    StateChanged,
    Stopped,
    TooLarge,
)
from mt5crs_shared.messages import Beat, Failed, FirstTick
from mt5crs_supervisor.children import causes, health
from mt5crs_supervisor.children.lifecycle import ALIVE, LifecycleEvent, following
from mt5crs_supervisor.children.plans import Plan
from mt5crs_supervisor.children.restart_policy import Cause, RestartDecision, RestartPolicy, Verdict
from mt5crs_supervisor.children.spawn import Death, Spawn, Times
from mt5crs_supervisor.processes.handle import ExitStatus, Handle

logger = logging.getLogger(__name__)

KILLS: dict[Cause, type[Hung | BootTimeout | TooLarge]] = {
    Cause.HANG: Hung,
    Cause.BOOT: BootTimeout,
    Cause.MEMORY: TooLarge,
}
"""What the trader is told when the supervisor kills a child, by the cause."""

UP_PHASES = frozenset({"running", "waiting", "holding"})
"""Phases of a child that has caught up."""


_WITHOUT_PROCESS = (State.BACKOFF, State.QUARANTINED)
_ENDING = (State.KILLING, State.STOPPING)


class Parent(Protocol):
    """What a child asks of its supervisor."""

    def spawn(self, child: "Child") -> int:
        """Start a process under the next epoch, which is returned."""

    def recycle(self, child: "Child") -> None:
        """Ask its process to end at the next good moment."""

    def notify(self, event: AnyEvent) -> None:
        """Keep what happened, and tell it."""


class DeathRecords(Protocol):
    """Who keeps what is known of a death."""

    def on_death(self, child: "Child", now: float, own_doing: bool) -> float:
        """Keep what its process has left; seconds that its respawn should wait.

        `own_doing`: by what it did itself, as far as that can be told; a kill -9 is not.
        """

    def write_report(self, child: "Child", death: Death) -> None:
        """Its fate is decided: write down all that is known of the death."""

    def on_recovered(self, child: "Child") -> None:
        """Its replacement has processed a tick."""


class Child:
    """A child as the supervisor sees it.

    Args:
        plan: What to run.
        policy: When it comes back.
        settings: Heartbeats and time-outs.
        parent: The supervisor's hands.
        deaths: Who writes deaths down.
        limits: What its process may use.
    """

    def __init__(
        self,
        plan: Plan,
        policy: RestartPolicy,
        settings: SupervisorConfig,
        parent: Parent,
        deaths: DeathRecords,
        limits: LimitsConfig | None = None,
    ) -> None:
        self.plan = plan
        self.state = State.STOPPED
        self.spawn = Spawn()
        self.restarts = 0
        self.last_error = ""
        self.retry_at: float | None = None
        self.policy = policy
        self._settings = settings
        self._parent = parent
        self._deaths = deaths
        self._limits = limits
        self._start_again = False

    @property
    def name(self) -> str:
        """The plan's name."""
        return self.plan.name

    @property
    def pid(self) -> int | None:
        """Its process; None where there is none."""
        return self.spawn.handle.pid if self.spawn.handle is not None else None

    @property
    def degraded(self) -> str:
        """Why a child that has booted cannot do its work fully; empty: it can."""
        beat = self.spawn.beat
        return beat.degraded if beat and self.state in (State.RECOVERING, State.RUNNING) else ""

    def start(self, now: float) -> None:
        """The operator, or the supervisor's start, wants it to run."""
        if self.state is State.STOPPING:
            self._start_again = True
            return
        if self.state in ALIVE:
            return
        if self.state is State.QUARANTINED:
            self.policy.forget()
        self.last_error = ""
        self._move(LifecycleEvent.START)
        # Wanted by somebody, it recovers from nothing: an earlier death is no longer measured.
        self._spawn(now, died=None)

    def adopt(self, handle: Handle, epoch: int, now: float) -> None:
        """Take over a process that an earlier supervisor started."""
        self._move(LifecycleEvent.START)
        self._move(LifecycleEvent.READY)
        self.spawn = Spawn(epoch, Times(spawned=now, ready=now), handle=handle, beat_at=now)

    def stop(self, now: float) -> None:
        """The operator, or the supervisor's end, wants it to stop: SIGTERM, later SIGKILL."""
        self._start_again = False
        before = self.state
        self._move(LifecycleEvent.STOP)
        if before not in ALIVE or before is State.STOPPING:
            self.retry_at = None
            return
        self.spawn.stop(now + self._settings.stop_timeout)

    def restart(self, now: float) -> None:
        """The operator wants a fresh process, and a clean record for it."""
        self.policy.forget()
        if self.state in ALIVE:
            self.stop(now)
            self._start_again = True
        else:
            self.start(now)

    def become(self, plan: Plan, policy: RestartPolicy, limits: LimitsConfig | None) -> None:
        """What is wanted from its next process on, and how it is watched from now on."""
        self.plan, self.policy, self._limits = plan, policy, limits

    def on_spawned(self, handle: Handle, now: float) -> None:
        """The launcher has made its process; its start is judged from here, not while it queued."""
        self.spawn.begin(handle, now)
        logger.info("spawned", extra={"child": self.name, "child_pid": handle.pid})
        if self.state is State.STOPPING:
            handle.kill(signal.SIGTERM)

    def on_spawn_failed(self, error: BaseException, now: float) -> None:
        """The launcher could not make a process: nothing of its own has run yet."""
        self.spawn.pending = False
        self.last_error = f"could not be spawned: {error!r}; {causes.MACHINE}"
        if self.state is State.STOPPING:
            self._come_to_rest(now)
            return
        decision = self.policy.on_death(Cause.MACHINE, None, now)
        if decision.news:
            self._parent.notify(NoProcess(self.name, self.last_error))
        self._follow(decision, Cause.MACHINE, now)

    def on_ready(self, now: float, model_hash: str = "") -> None:
        """The process has booted, and runs this model."""
        self.spawn.on_ready(now, model_hash)
        self._move(LifecycleEvent.READY)

    def on_beat(self, beat: Beat, now: float) -> None:
        """A heartbeat was read."""
        self.spawn.hear(beat, now)
        if self.spawn.spare():
            self._move(LifecycleEvent.SPARED)
            self._parent.notify(Spared(self.name))
        if beat.phase in UP_PHASES and self.state in (State.STARTING, State.RECOVERING):
            self._move(LifecycleEvent.RECOVERED)
            self._parent.notify(Running(self.name, beat.pid, beat.epoch))
            if self.plan.kind != "strategy" and self.spawn.on_first_tick(now):
                self._deaths.on_recovered(self)
        # One that is asked to end is not well by that.
        if self.state is not State.STOPPING:
            recovering = self.state is State.RECOVERING
            for kind, why in self.spawn.degraded(self.degraded, now, recovering):
                self._parent.notify(kind(self.name, why))
        if self._limits is not None and self.state not in _ENDING:
            self._check_memory(self._limits, beat.usage.rss, now)

    def on_pause(self, now: float) -> None:
        """The supervisor itself stood still: everybody gets the whole of the time-outs again."""
        self.spawn.on_pause(now)

    def on_first_tick(self, message: FirstTick) -> None:
        """The process has taken its first tick."""
        if self.spawn.on_first_tick(message.at):
            self._parent.notify(Recovered(self.name, self.spawn.recovery or 0.0))
            self._deaths.on_recovered(self)

    def on_failed(self, message: Failed) -> None:
        """The process says why it is about to exit."""
        self.spawn.failed = message
        self.last_error = message.reason

    def on_exit(self, status: ExitStatus, now: float, oom: bool = False) -> None:
        """Its process is gone; `oom` says that the kernel has killed for want of memory."""
        spawn, pid = self.spawn, self.pid or 0
        spawn.end()
        if self.state is State.STOPPING:
            self._parent.notify(Stopped(self.name, str(status)))
            self._come_to_rest(now)
        elif spawn.recycling and spawn.failed is None and status.code in (0, None):
            # The exit code of an adopted process is not known.
            self._move(LifecycleEvent.DIED)
            self.restarts += 1
            spawn.times.died = self.retry_at = now
            self.on_time(now)
        else:
            self._die(status, pid, now, oom)

    def on_time(self, now: float) -> None:
        """Look at every deadline. All beats that were sent have been read."""
        if self.state in _WITHOUT_PROCESS:
            if self.retry_at is not None and now >= self.retry_at:
                self._move(LifecycleEvent.RETRY)
                self._spawn(now, self.spawn.times.died)
        elif self.state in _ENDING:
            if self.spawn.kill_when_due(now):
                self.last_error = causes.survived(self.pid or 0)
                self._parent.notify(NotKilled(self.name, self.last_error))
        elif self.spawn.handle is not None:
            verdict = health.verdict_on(self.spawn, self.spawn.handle.load, now, self._settings)
            if verdict is not None:
                self._sentence(verdict, now)

    def next_deadline(self, now: float) -> float:
        """Seconds until `on_time` has something to do that cannot wait for the usual turn."""
        due = _earliest(self.retry_at, self.spawn.due)
        return max(due - now, 0.0) if due is not None else 3600.0

    def _check_memory(self, limits: LimitsConfig, rss: int, now: float) -> None:
        verdict = health.of_memory(rss, limits)
        if verdict is not None:
            self._sentence(verdict, now)
        elif not self.spawn.recycling and (fault := health.too_large(rss, limits)):
            self.spawn.recycling = True
            self._parent.notify(Recycling(self.name, fault))
            self._parent.recycle(self)

    def _sentence(self, verdict: Verdict, now: float) -> None:
        """Have it write its stacks, and kill it a moment later; see `on_time`."""
        self._move(LifecycleEvent.SENTENCED)
        self._parent.notify(KILLS[verdict.cause](self.name, verdict.why))
        self.spawn.put_down(verdict, now)

    def _come_to_rest(self, now: float) -> None:
        """It has stopped as it was asked to; it goes on where it is wanted again."""
        self._move(LifecycleEvent.DIED)
        if self._start_again:
            self._start_again = False
            self.start(now)

    def _spawn(self, now: float, died: float | None) -> None:
        self.retry_at = None
        self.spawn = Spawn(times=Times(spawned=now, died=died), pending=True)
        self.spawn.epoch = self._parent.spawn(self)

    def _die(self, status: ExitStatus, pid: int, now: float, oom: bool) -> None:
        spawn = self.spawn
        cause = causes.of_death(spawn, status, oom)
        self.last_error = causes.explain_death(spawn, status, cause)
        died = causes.death(spawn, status, cause, self.last_error, pid, now)
        spawn.times.died = now
        decision = self.policy.on_death(cause, spawn.healthy_for(now), now)
        if decision.news:
            self._parent.notify(Died(self.name, self.last_error))
        stagger = self._deaths.on_death(self, now, causes.is_own_doing(cause, status))
        decided = self._follow(decision, cause, now, stagger)
        if decision.news:
            self._deaths.write_report(self, msgspec.structs.replace(died, decision=decided))

    def _follow(
        self, decision: RestartDecision, cause: Cause, now: float, stagger: float = 0.0
    ) -> str:
        """Respawn or give up; what was decided, for people."""
        if decision.delay is None:
            self._move(LifecycleEvent.GAVE_UP)
            self.last_error = causes.given_up(cause, decision.reason, self.last_error)
            self.retry_at = self.policy.retry_at(now, cause)
            self._parent.notify(Quarantined(self.name, decision.reason))
            return f"quarantine: {decision.reason}"
        self._move(LifecycleEvent.DIED)
        self.restarts += 1
        self.retry_at = now + max(decision.delay, stagger)
        # A first death is answered in the same turn of the loop.
        self.on_time(now)
        return f"respawn after {max(decision.delay, stagger):.2f} s: {decision.reason}"

    def _move(self, event: LifecycleEvent) -> None:
        before, self.state = self.state, following(self.state, event)
        if before is not self.state:
            self._parent.notify(StateChanged(self.name, before, self.state))


def _earliest(one: float | None, other: float | None) -> float | None:
    """The earlier of two moments that may be none; hundreds ask at every turn of the loop."""
    if one is None:
        return other
    return one if other is None or one < other else other
