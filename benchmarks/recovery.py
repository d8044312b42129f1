"""How fast a killed job is back, what a worker costs, how long fifty take to start.

Every figure is taken in one run and quoted as a median. Contestants take turns, several times over:
how fast the machine is changes from one minute to the next. Needs the extra ``benchmarks``. Writes
its tables to docs/benchmarks.md.
"""

import contextlib
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import psutil

from benchmarks.contestants import BareForkserver, Circus, Contestant, Ours, Supervisord
from benchmarks.tables import report
from tests.system import Pulse, free_port, wait_for

RATE = 200.0
"""Ticks a second while recovery is timed: the first one is at most 5 ms away."""

MANY_RATE = 20.0
"""Ticks a second with many jobs: fifty models at 200 would need more than two cores."""


STARTS = 3
"""Starts of each contestant with each number of jobs, and turns in which it is killed."""


class Run:
    """One contestant with N jobs and a market."""

    def __init__(self, contestant: Contestant, folder: Path, market: Pulse, jobs: int) -> None:
        self.contestant = contestant
        self.folder = folder
        self.market = market
        self.begun = time.monotonic()
        contestant.start(folder, market.port, jobs)
        self.names = [f"job{number}" for number in range(jobs)]
        wait_for(self._all_started, "every job's first tick", 180.0)
        self.started = max(self.first_tick(name, self.pids(name)[0]) for name in self.names)

    def _all_started(self) -> bool:
        time.sleep(0.2)  # looking more often would take the processor from those that are watched
        started = {file.stem for file in self.folder.glob("job*.*") if file.stat().st_size}
        return started >= set(self.names)

    def pids(self, name: str) -> list[int]:
        """Processes of a job that have processed a tick, newest last."""
        files = [f for f in self.folder.glob(f"{name}.*") if f.read_text()]
        return [int(f.suffix[1:]) for f in sorted(files, key=lambda f: float(f.read_text()))]

    def first_tick(self, name: str, pid: int) -> float:
        """When a process had processed its first tick, by the monotonic clock."""
        return float((self.folder / f"{name}.{pid}").read_text())

    def kill_and_wait(self, name: str) -> float:
        """Milliseconds from kill -9 to the replacement's first tick."""
        before = self.pids(name)
        at = time.monotonic()
        os.kill(before[-1], signal.SIGKILL)
        wait_for(lambda: len(self.pids(name)) > len(before), f"{name} back", 60.0)
        return (self.first_tick(name, self.pids(name)[-1]) - at) * 1000.0

    def memory(self) -> float:
        """Mean proportional set size of a job's process, in MB."""
        newest = [self.pids(name)[-1] for name in self.names]
        sizes = [psutil.Process(pid).memory_full_info().pss for pid in newest]
        return statistics.mean(sizes) / 1e6

    def idle_cpu(self, seconds: float) -> float:
        """Percent of a core that the parent process itself uses while no tick comes."""
        self.market.silence()
        parent = psutil.Process(self.contestant.parent_pid)
        parent.cpu_percent(None)
        time.sleep(seconds)  # the interval that is measured
        return float(parent.cpu_percent(None))


@contextlib.contextmanager
def competing(contestant: Contestant, jobs: int, rate: float) -> Iterator[Run]:
    """A contestant at work."""
    port = free_port()
    pulse = Pulse(port, ["EURUSD"], rate)
    pulse.start()
    with tempfile.TemporaryDirectory() as folder:
        try:
            yield Run(contestant, Path(folder), pulse, jobs)
        finally:
            contestant.stop()
            pulse.stop()


@click.command()
@click.option("--rounds", default=5, help="Kills of each contestant in each of its turns.")
@click.option("--workers", default="1,10,50", help="Numbers of jobs to measure memory at.")
def main(rounds: int, workers: str) -> None:
    """Measure, print and write docs/benchmarks.md."""
    contestants = [
        Ours(),
        Ours(standby=True),
        BareForkserver(),
        Supervisord(),
        Supervisord(0),
        Circus(),
        Circus(0.1),
    ]
    recovery: dict[str, list[float]] = {c.name: [] for c in contestants}
    for _ in range(STARTS):
        for contestant in contestants:
            recovery[contestant.name] += measure_recovery(contestant, rounds)
    base = statistics.median(recovery[BareForkserver.name])
    rows = [
        [
            name,
            f"{statistics.median(times) / base:.2f}",
            f"{statistics.median(times):,.0f}",
            f"{min(times):,.0f} to {max(times):,.0f}",
        ]
        for name, times in recovery.items()
    ]
    report(
        "kill -9 to the replacement's first processed tick",
        f"{STARTS * rounds} kills each, {RATE:g} ticks/s.",
        ["contestant", "times the bare forkserver", "median ms", "range"],
        rows,
    )
    measure_size([int(n) for n in workers.split(",")])


def measure_recovery(contestant: Contestant, rounds: int) -> list[float]:
    """Times of several kills, in milliseconds."""
    with competing(contestant, 2, RATE) as run:
        times = []
        for number in range(rounds):
            time.sleep(1.2)  # supervisord counts a job as started after one second
            if isinstance(contestant, Ours):
                contestant.settle(f"job{number % 2}")
            times.append(run.kill_and_wait(f"job{number % 2}"))
        click.echo(f"{contestant.name}: {' '.join(f'{t:.0f}' for t in times)}")
        return times


class Size(msgspec.Struct, frozen=True):
    """What some jobs of a contestant take, start by start.

    Attributes:
        starts: Seconds until all were past their first tick.
        memory: Mean proportional set size of a job, MB.
        idle: Percent of a core that the parent uses while no tick comes.
    """

    starts: list[float]
    memory: list[float]
    idle: list[float]

    def take(self, contestant: Contestant, jobs: int) -> None:
        """Start so many jobs once more, and look at them."""
        with competing(contestant, jobs, MANY_RATE) as run:
            self.starts.append(run.started - run.begun)
            time.sleep(5.0)  # until what began with them has come to rest
            self.memory.append(run.memory())
            self.idle.append(run.idle_cpu(10.0))
        last = self.starts[-1], self.memory[-1], self.idle[-1]
        click.echo(f"{contestant.name}, {jobs}: " + " ".join(f"{each:.2f}" for each in last))


def measure_size(sizes: list[int]) -> None:
    """Memory, start and idle cost at several numbers of jobs."""
    contestants = (Ours(), BareForkserver(), Supervisord(), Circus())
    found = {(c.name, jobs): Size([], [], []) for c in contestants for jobs in sizes}
    for jobs in sizes:
        for _ in range(STARTS):
            for contestant in contestants:
                found[contestant.name, jobs].take(contestant, jobs)
    rows = []
    for (name, jobs), size in found.items():
        bare, start = found[BareForkserver.name, jobs], statistics.median(size.starts)
        memory = statistics.median(size.memory)
        rows.append(
            [
                name,
                str(jobs),
                f"{start / statistics.median(bare.starts):.2f}",
                f"{memory / statistics.median(bare.memory):.2f}",
                f"{start:.2f} ({min(size.starts):.2f} to {max(size.starts):.2f})",
                f"{memory:.1f}",
                f"{statistics.median(size.idle):.1f}",
            ]
        )
    head = ["contestant", "jobs", "start, times bare", "memory, times bare"]
    head += ["all past their first tick, s", "PSS a job, MB", "idle parent, %"]
    note = f"{MANY_RATE:g} ticks/s, medians of {STARTS} starts; bare: the bare forkserver's."
    report("memory and start", note, head, rows, keys=2)


if __name__ == "__main__":
    main()
