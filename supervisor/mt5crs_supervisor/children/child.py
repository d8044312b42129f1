"""One child's life: one method per event, every deadline from the clock that is handed in."""

import logging
import signal
from collections import deque

import msgspec

from mt5crs_shared.configuration.structs import LimitsConfig, SupervisorConfig
from mt5crs_shared.messages import Beat, Failed, FirstTick, Hello
from mt5crs_shared.process.machine_trouble import EXIT_CODE
from mt5crs_supervisor.children import health
from mt5crs_supervisor.children.actions import Actions
from mt5crs_supervisor.children.health import Verdict
from mt5crs_supervisor.children.lifecycle import ALIVE, Event, State, following
from mt5crs_supervisor.children.records import Death, Plan, Times
from mt5crs_supervisor.children.restart_policy import Cause, Decision, RestartPolicy
from mt5crs_supervisor.processes.launcher import ExitStatus, Handle

logger = logging.getLogger(__name__)

KEPT_BEATS = 20
"""Beats remembered, for rates and for the black box."""

STACKS_WITHIN = 0.1
"""Seconds that a process gets to write its stacks before it is killed."""

KILLS = {Cause.HANG: "hung", Cause.BOOT: "start_timeout", Cause.MEMORY: "memory"}
"""What the trader is told when the supervisor kills a child, by the cause."""

MACHINE = "not its own fault, tried again until it has passed"
"""What is said of trouble of the machine: no space, no descriptors, no process, no memory."""

UP_PHASES = frozenset({"running", "waiting", "holding"})
"""Phases of a child that has caught up."""


class Child:
    """A child as the supervisor sees it.

    Args:
        plan: What to run.
        policy: When it comes back.
        settings: Heartbeats and time-outs.
        actions: The supervisor's hands.
        limits: What its process may use.
    """

    def __init__(
        self,
        plan: Plan,
        policy: RestartPolicy,
        settings: SupervisorConfig,
        actions: Actions,
        limits: LimitsConfig | None = None,
    ) -> None:
        self.plan = plan
        self.state = State.STOPPED
        self.epoch = 0
        self.handle: Handle | None = None
        self.beat: Beat | None = None
        self.beats: deque[tuple[Beat, float]] = deque(maxlen=KEPT_BEATS)
        self.beat_at = 0.0
        self.preloaded: bool | None = None
        self.model_hash = ""
        self.restarts = 0
        self.last_error = ""
        self.recovery: float | None = None
        self.times = Times()
        self._policy = policy
        self._settings = settings
        self._actions = actions
        self._limits = limits
        self._recycling = False
        self._killed_at: float | None = None
        self._retry_at: float | None = None
        self._kill_at: float | None = None
        self._killed_for: Cause | None = None
        self._killed_why = ""
        self._judged_from = 0.0
        self.failed: Failed | None = None
        self._start_again = False
        self._spawn_pending = False

    @property
    def name(self) -> str:
        """The plan's name."""
        return self.plan.name

    @property
    def pid(self) -> int | None:
        """Its process; None where there is none."""
        return self.handle.pid if self.handle is not None else None

    @property
    def retry_at(self) -> float | None:
        """Monotonic time of the next respawn, where one is due."""
        return self._retry_at

    @property
    def spawn_pending(self) -> bool:
        """The launcher was asked for a process and has not answered."""
        return self._spawn_pending

    @property
    def _sentenced(self) -> bool:
        """It writes its stacks, and is killed in a moment."""
        dying = self._killed_for is not None and self._kill_at is not None
        return dying and self.state is not State.STOPPING

    @property
    def degraded(self) -> str:
        """Why a running child cannot do its work fully; empty: it can."""
        return self.beat.degraded if self.beat is not None and self.state is State.RUNNING else ""

    def start(self, now: float) -> None:
        """The operator, or the supervisor's start, wants it to run."""
        if self.state is State.STOPPING:
            self._start_again = True
            return
        if self.state in ALIVE:
            return
        if self.state is State.QUARANTINED:
            self._policy.forget()
        # Wanted by somebody, it recovers from nothing: an earlier death is no longer measured.
        self.times.died = None
        self.last_error = ""
        self._move(Event.START)
        self._spawn(now)

    def adopt(self, handle: Handle, epoch: int, now: float) -> None:
        """Take over a process that an earlier supervisor started."""
        self._move(Event.START)
        self._move(Event.READY)
        self.handle, self.epoch = handle, epoch
        self.times = Times(spawned=now, ready=now)
        self.beat_at = now

    def stop(self, now: float) -> None:
        """The operator, or the supervisor's end, wants it to stop: SIGTERM, later SIGKILL."""
        self._start_again = False
        before = self.state
        self._move(Event.STOP)
        if before not in ALIVE or before is State.STOPPING:
            self._retry_at = None
            return
        self._kill_at = now + self._settings.stop_timeout
        if self.handle is not None:
            self.handle.kill(signal.SIGTERM)

    def restart(self, now: float) -> None:
        """The operator wants a fresh process, and a clean record for it."""
        self._policy.forget()
        if self.state in ALIVE:
            self.stop(now)
            self._start_again = True
        else:
            self.start(now)

    def forgive(self) -> None:
        """Its last death was not its own fault."""
        self._policy.forgive_last()

    def on_spawned(self, handle: Handle, now: float) -> None:
        """The launcher has made its process; its start is judged from here, not while it queued."""
        self._spawn_pending = False
        self._judged_from = now
        self.handle = handle
        logger.info("spawned", extra={"child": self.name, "child_pid": handle.pid})
        if self.state is State.STOPPING:
            handle.kill(signal.SIGTERM)

    def on_spawn_failed(self, error: BaseException, now: float) -> None:
        """The launcher could not make a process: nothing of its own has run yet."""
        self._spawn_pending = False
        self.last_error = f"could not be spawned: {error!r}; {MACHINE}"
        if self.state is State.STOPPING:
            self._come_to_rest(now)
            return
        decision = self._policy.on_death(Cause.MACHINE, None, now)
        if decision.news:
            self._actions.tell(self, "no_process", self.last_error)
        self._follow(decision, Cause.MACHINE, now)

    def on_hello(self, hello: Hello) -> None:
        """The process has opened its sockets."""
        self.preloaded = hello.preloaded
        self.model_hash = hello.model_hash

    def on_ready(self, now: float, model_hash: str = "") -> None:
        """The process has booted, and runs this model."""
        self.model_hash = model_hash
        self.times.ready = now
        self.beat_at = now
        self._move(Event.READY)

    def on_beat(self, beat: Beat, now: float) -> None:
        """A heartbeat was read."""
        self.beat, self.beat_at = beat, now
        self.beats.append((beat, now))
        if self._sentenced and self._killed_for is Cause.HANG:
            self._killed_for = self._kill_at = None
            self._actions.tell(self, "spared", "a beat came while it was about to be killed")
        if beat.phase in UP_PHASES and self.state in (State.STARTING, State.RECOVERING):
            self._move(Event.RECOVERED)
            self._actions.tell(self, "running", f"pid {beat.pid}, epoch {beat.epoch}")
        if self._limits is not None and self._killed_for is None:
            self._check_memory(self._limits, beat.usage.rss, now)

    def on_pause(self, now: float) -> None:
        """The supervisor itself stood still: who could not be heard meanwhile is not judged by it.

        Everybody gets the whole of the time-outs again.
        """
        self.beat_at = now
        self._judged_from = now
        if self._sentenced:
            self._kill_at = now + STACKS_WITHIN

    def on_first_tick(self, message: FirstTick) -> None:
        """The process has taken its first tick."""
        self.times.first_tick = message.at
        if self.times.died is not None and self.recovery is None:
            self.recovery = message.at - self.times.died
            self._actions.tell(self, "recovered", f"first tick {self.recovery * 1000:.0f} ms later")
            self._actions.recovered(self)

    def on_failed(self, message: Failed) -> None:
        """The process says why it is about to exit."""
        self.failed = message
        self.last_error = message.reason

    def on_exit(self, status: ExitStatus, now: float, oom: bool = False) -> None:
        """Its process is gone; `oom` says that the kernel has killed for want of memory."""
        pid = self.pid or 0
        if self.handle is not None:
            self.handle.close()
        self.handle = None
        self._kill_at = None
        if self.state is State.STOPPING:
            self._actions.tell(self, "stopped", str(status))
            self._come_to_rest(now)
        elif self._recycling and self.failed is None and status.code in (0, None):
            # The exit code of an adopted process is not known.
            self._move(Event.DIED)
            self.restarts += 1
            self._retry_at = now
            self.on_time(now)
        else:
            self._die(status, pid, now, oom)

    def on_time(self, now: float) -> None:
        """Look at every deadline. All beats that were sent have been read."""
        if self.state in (State.BACKOFF, State.QUARANTINED):
            if self._retry_at is not None and now >= self._retry_at:
                self._move(Event.RETRY)
                self._spawn(now)
        elif self._kill_at is not None:
            if now >= self._kill_at and self.handle is not None:
                self._kill_at = None
                self._killed_at = now
                self.handle.kill(signal.SIGKILL)
        elif self.handle is not None and self.state is not State.STOPPING and not self._killed_for:
            self._judge(now)

    def next_deadline(self, now: float) -> float:
        """Seconds until `on_time` has something to do that cannot wait for the usual turn."""
        # There is nobody to kill before the launcher has answered.
        kill_at = self._kill_at if self.handle is not None else None
        due = [at for at in (self._retry_at, kill_at) if at is not None]
        return max(min(due) - now, 0.0) if due else 3600.0

    def _judge(self, now: float) -> None:
        verdict = None
        if self.times.ready is None:
            spawned = self.times.spawned if self.times.spawned is not None else now
            verdict = health.of_start(max(spawned, self._judged_from), now, self._settings)
        elif self.handle is not None:
            cpu = self.beat.usage.cpu if self.beat is not None else 0.0
            silent = now - self.beat_at
            verdict = health.of_silence(silent, self._settings, self.handle.load, cpu)
        if verdict is not None:
            self._put_down(verdict, now)

    def _check_memory(self, limits: LimitsConfig, rss: int, now: float) -> None:
        verdict = health.of_memory(rss, limits)
        if verdict is not None:
            self._put_down(verdict, now)
        elif rss > limits.memory_bytes and not self._recycling:
            self._recycling = True
            limit = limits.memory_bytes / 1e6
            detail = f"{health.used(rss)}; the limit is {limit:.0f} MB"
            self._actions.tell(self, "recycling", detail)
            self._actions.recycle(self)

    def _come_to_rest(self, now: float) -> None:
        """It has stopped as it was asked to; it goes on where it is wanted again."""
        self._kill_at = None
        self._move(Event.DIED)
        if self._start_again:
            self._start_again = False
            self.start(now)

    def _put_down(self, verdict: Verdict, now: float) -> None:
        """Have it write its stacks, and kill it a moment later; see `on_time`."""
        self._killed_for = verdict.cause
        self._killed_why = verdict.why
        self._kill_at = now + STACKS_WITHIN
        self._actions.tell(self, KILLS[verdict.cause], verdict.why)
        if self.handle is not None:
            self.handle.kill(signal.SIGUSR1)

    def _spawn(self, now: float) -> None:
        self._retry_at = None
        self._killed_for = None
        self._killed_at = None
        self._recycling = False
        self.failed = None
        self.beat = None
        self.beats.clear()
        self.preloaded = None
        self.model_hash = ""
        self.recovery = None
        self.times = Times(spawned=now, died=self.times.died)
        self._spawn_pending = True
        self.epoch = self._actions.spawn(self).epoch

    def _die(self, status: ExitStatus, pid: int, now: float, oom: bool) -> None:
        cause = self._cause(status, oom)
        self.last_error = self._obituary(status, cause)
        died = Death(
            cause=cause,
            detail=self.last_error,
            exit=str(status),
            pid=pid,
            epoch=self.epoch,
            at=now,
            killed_at=self._killed_at,
            times=self.times,
            beats=tuple(self.beats),
            trace=self.failed.trace if self.failed is not None else "",
            model_hash=self.model_hash,
            decision="",
        )
        self.times.died = now
        ready = self.times.ready
        decision = self._policy.on_death(cause, now - ready if ready is not None else None, now)
        if decision.news:
            self._actions.tell(self, "died", self.last_error)
        stagger = self._actions.fell(self, now, _own_doing(cause, status))
        decided = self._follow(decision, cause, now, stagger)
        if decision.news:
            self._actions.bury(self, msgspec.structs.replace(died, decision=decided))

    def _cause(self, status: ExitStatus, oom: bool) -> Cause:
        if self._killed_for is not None:
            return self._killed_for
        if self.failed is not None and self.failed.permanent:
            return Cause.PERMANENT
        if status.code == EXIT_CODE or (self.failed is not None and self.failed.passing):
            return Cause.MACHINE
        if oom and status.code in (-signal.SIGKILL, None):
            return Cause.OOM
        if self.times.ready is None:
            return Cause.BOOT
        return Cause.SIGNAL if status.code is not None and status.code < 0 else Cause.EXIT

    def _obituary(self, status: ExitStatus, cause: Cause) -> str:
        if self._killed_for is not None:
            return self._killed_why
        why = f"{self.failed.reason} ({status})" if self.failed is not None else str(status)
        return f"{why}; {MACHINE}" if cause is Cause.MACHINE else why

    def _follow(self, decision: Decision, cause: Cause, now: float, stagger: float = 0.0) -> str:
        """Respawn or give up; what was decided, for people."""
        if decision.delay is None:
            self._move(Event.GAVE_UP)
            self._retry_at = self._policy.retry_at(now, cause)
            self._actions.tell(self, "quarantined", decision.reason)
            return f"quarantine: {decision.reason}"
        self._move(Event.DIED)
        self.restarts += 1
        self._retry_at = now + max(decision.delay, stagger)
        # A first death is answered in the same turn of the loop.
        self.on_time(now)
        return f"respawn after {max(decision.delay, stagger):.2f} s: {decision.reason}"

    def _move(self, event: Event) -> None:
        before, self.state = self.state, following(self.state, event)
        if before is not self.state:
            logger.info("%s -> %s", before, self.state, extra={"child": self.name})


def _own_doing(cause: Cause, status: ExitStatus) -> bool:
    """Whether a process came to its end by what it did itself, and not by somebody's kill -9."""
    if cause in (Cause.HANG, Cause.MEMORY, Cause.OOM):
        return True
    return cause is not Cause.MACHINE and status.code not in (None, -signal.SIGKILL)
