"""Whatever happens to a child, in whatever order: one process at a time, and what is wanted."""

import signal
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from mt5crs_shared.configuration.structs import RestartConfig
from mt5crs_shared.control.states import State
from mt5crs_shared.messages import Beat, Failed, FirstTick, Phase
from mt5crs_supervisor.children.child import Child
from mt5crs_supervisor.children.lifecycle import ALIVE
from mt5crs_supervisor.children.plans import Plan
from mt5crs_supervisor.children.restart_policy import RestartPolicy
from mt5crs_supervisor.processes.handle import ExitStatus
from tests.unit.child_cases import SETTINGS, FakeDeaths, FakeHandle, FakeParent

RESTART = RestartConfig(max_deaths=4, window=30.0, jitter=0.0, retry_after=200.0)
LONG = 1_000.0


class World(FakeParent):
    """The operating system and the launcher, as the supervisor's hands reach them."""

    def __init__(self) -> None:
        super().__init__()
        self.pending = False
        self.handles: list[FakeHandle] = []
        self.gone: list[FakeHandle] = []
        self.epochs: list[int] = []

    @property
    def living(self) -> list[FakeHandle]:
        return [handle for handle in self.handles if handle not in self.gone]

    def spawn(self, child: Child) -> int:
        assert not self.pending, "a second process was asked for before the first was there"
        assert not self.living, "a process was asked for while one lives"
        self.pending = True
        epoch = super().spawn(child)
        self.epochs.append(epoch)
        return epoch


class ChildMachine(RuleBasedStateMachine):
    """Events in any order; the clock only goes forward."""

    @initialize()
    def begin(self) -> None:
        self.now = 0.0
        self.world = World()
        self.wanted = False
        plan = Plan("s", "strategy", "e", b"", "h", "EURUSD")
        policy = RestartPolicy(RESTART, Random(1))
        self.child = Child(plan, policy, SETTINGS, self.world, FakeDeaths())

    def pending(self) -> bool:
        return self.world.pending

    def alive(self) -> bool:
        return bool(self.world.living)

    @rule(seconds=st.sampled_from([0.05, 0.2, 1.0, 5.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.child.on_time(self.now)

    @rule()
    def operator_starts(self) -> None:
        self.wanted = True
        self.child.start(self.now)

    @rule()
    def operator_restarts(self) -> None:
        self.wanted = True
        self.child.restart(self.now)

    @rule()
    def operator_stops(self) -> None:
        self.wanted = False
        spawned = self.world.spawned
        self.child.stop(self.now)
        assert self.world.spawned == spawned

    @precondition(pending)
    @rule()
    def the_launcher_delivers(self) -> None:
        self.world.pending = False
        handle = FakeHandle(100 + self.world.spawned)
        self.world.handles.append(handle)
        self.child.on_spawned(handle, self.now)

    @precondition(pending)
    @rule()
    def the_launcher_fails(self) -> None:
        self.world.pending = False
        self.child.on_spawn_failed(OSError("no more processes"), self.now)

    @precondition(alive)
    @rule()
    def it_is_ready(self) -> None:
        self.child.on_ready(self.now)

    @precondition(alive)
    @rule(phase=st.sampled_from(["recovering", "running", "waiting", "holding"]))
    def it_beats(self, phase: Phase) -> None:
        self.child.on_beat(Beat("s", 1, self.child.spawn.epoch, 1, phase), self.now)

    @precondition(alive)
    @rule()
    def it_takes_a_tick(self) -> None:
        self.child.on_first_tick(FirstTick("s", 1, self.child.spawn.epoch, self.now))

    @precondition(alive)
    @rule(permanent=st.booleans())
    def it_says_why_it_fails(self, permanent: bool) -> None:
        self.child.on_failed(Failed("s", 1, self.child.spawn.epoch, "a reason", permanent))

    @precondition(alive)
    @rule(code=st.sampled_from([0, 1, -9, -11, None]))
    def it_ends(self, code: int | None) -> None:
        (handle,) = self.world.living
        self.world.gone.append(handle)
        self.child.on_exit(ExitStatus(code), self.now)
        assert handle.closed

    @invariant()
    def one_process_at_a_time(self) -> None:
        assert len(self.world.living) + self.world.pending <= 1
        assert self.child.spawn.handle is (self.world.living[0] if self.world.living else None)

    @invariant()
    def epochs_only_rise(self) -> None:
        assert self.world.epochs == sorted(set(self.world.epochs))

    @invariant()
    def the_state_says_whether_there_is_a_process(self) -> None:
        there = bool(self.world.living) or self.world.pending
        assert there == (self.child.state in ALIVE)

    @invariant()
    def nobody_unwanted_is_about_to_come_back(self) -> None:
        if not self.wanted:
            assert self.child.state in (State.STOPPING, State.STOPPED)
            assert self.child.retry_at is None

    @invariant()
    def nobody_wanted_rests_in_stopped(self) -> None:
        if self.wanted:
            assert self.child.state is not State.STOPPED

    @invariant()
    def who_is_killed_is_in_the_state_for_it(self) -> None:
        if self.child.spawn.killed_at is not None and self.world.living:
            assert self.child.state in (State.KILLING, State.STOPPING)

    @invariant()
    def nobody_fresh_is_killed(self) -> None:
        if self.child.state is State.STARTING and self.world.living:
            # One that is too slow to start is asked for its stacks first.
            signals = self.world.living[0].signals
            assert signal.SIGKILL not in signals or signal.SIGUSR1 in signals

    def teardown(self) -> None:
        """Every process ends when it is to, at the latest by SIGKILL."""
        if not hasattr(self, "child"):
            return
        self.operator_stops()
        if self.world.pending:
            self.the_launcher_delivers()
        for _ in range(3):
            self.time_passes(LONG)
        for handle in self.world.living:
            assert signal.SIGTERM in handle.signals or signal.SIGKILL in handle.signals
            assert signal.SIGKILL in handle.signals
        if self.world.living:
            self.it_ends(-9)
        assert self.child.state is State.STOPPED
        assert all(handle.closed for handle in self.world.handles)


TestChildMachine = ChildMachine.TestCase
TestChildMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
