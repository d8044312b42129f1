"""A child of the supervisor on a bench: no process, no socket, and the clock in the test's hand."""

import itertools
from random import Random

from mt5crs_shared.configuration.structs import LimitsConfig, RestartConfig, SupervisorConfig
from mt5crs_shared.events import AnyEvent, StateChanged
from mt5crs_shared.messages import Beat, Phase
from mt5crs_shared.metrics import Usage
from mt5crs_supervisor.children.child import Child
from mt5crs_supervisor.children.plans import Plan
from mt5crs_supervisor.children.restart_policy import RestartPolicy
from mt5crs_supervisor.children.spawn import Death
from mt5crs_supervisor.processes.handle import ExitStatus, Load

SETTINGS = SupervisorConfig()


class FakeHandle:
    """A process that only remembers its signals."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.born = ""
        self.exit_fd = -1
        self.warm_cpu: float | None = None
        self.signals: list[int] = []
        self.closed = False
        self.load_now = Load(runnable=False, cpu=0.0)

    def load(self) -> Load:
        return self.load_now

    def exit_status(self) -> ExitStatus | None:
        return None

    def kill(self, signum: int) -> None:
        self.signals.append(signum)

    def close(self) -> None:
        self.closed = True


class FakeParent:
    """The supervisor's hands: records what a child asks for."""

    def __init__(self) -> None:
        self.spawned = 0
        self.recycled = 0
        self.events: list[AnyEvent] = []

    @property
    def told(self) -> list[tuple[str, str]]:
        """Kind and detail of what people are told."""
        return [(e.kind, e.detail) for e in self.events if not isinstance(e, StateChanged)]

    def spawn(self, child: Child) -> int:
        self.spawned += 1
        return self.spawned

    def recycle(self, child: Child) -> None:
        self.recycled += 1

    def notify(self, event: AnyEvent) -> None:
        self.events.append(event)


class FakeDeaths:
    """Records the deaths that it is told of."""

    def __init__(self) -> None:
        self.reports: list[Death] = []
        self.blamed: list[bool] = []
        self.recoveries = 0

    def on_death(self, child: Child, now: float, own_doing: bool) -> float:
        self.blamed.append(own_doing)
        return 0.0

    def write_report(self, child: Child, death: Death) -> None:
        self.reports.append(death)

    def on_recovered(self, child: Child) -> None:
        self.recoveries += 1


class Bench:
    """A child on the bench."""

    def __init__(
        self, restart: RestartConfig | None = None, limits: LimitsConfig | None = None
    ) -> None:
        self.parent = FakeParent()
        self.deaths = FakeDeaths()
        self.pids = itertools.count(100)
        policy = RestartPolicy(restart or RestartConfig(jitter=0.0), Random(1))
        plan = Plan("s", "strategy", "e", b"", "h", "EURUSD")
        self.child = Child(plan, policy, SETTINGS, self.parent, self.deaths, limits)

    def start(self, now: float) -> FakeHandle:
        self.child.start(now)
        return self.process()

    def process(self) -> FakeHandle:
        handle = FakeHandle(next(self.pids))
        self.child.on_spawned(handle, 0.0)
        return handle

    def beat(self, now: float, phase: Phase = "running", megabytes: int = 50) -> None:
        usage = Usage(megabytes * 1_000_000, 0.0)
        self.child.on_beat(Beat("s", 1, self.child.spawn.epoch, 1, phase, usage=usage), now)

    def run(self, now: float) -> FakeHandle:
        handle = self.start(now)
        self.child.on_ready(now)
        self.beat(now)
        return handle
