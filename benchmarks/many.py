"""Many strategies on one machine: how long until all run, what each costs, how late ticks are.

Each strategy asks its model at every tick; ten of them are killed at the end. Writes its section to
docs/benchmarks.md.
"""

import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import psutil

from benchmarks.contestants import Ours
from benchmarks.jobs import LATE_US
from benchmarks.tables import report
from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import StatusReport
from tests.system import Pulse, System, free_port, wait_for

RATE = 2.0
"""Ticks a second."""

LONG = 600.0
"""Seconds from which on a run has a section of its own."""

SETTLED = 10.0
"""Seconds after the start that are not measured."""

KILLED = 10
"""Strategies that are killed at once."""

SAMPLE = 60
"""Processes whose memory is looked at."""


def cpu(pids: list[int]) -> float:
    """Seconds of processor time that these have used together, to the nanosecond."""
    tasks = (task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir())
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def row(count: int, seconds: float) -> list[str]:
    """The figures of so many strategies."""
    port = free_port()
    pulse = Pulse(port, ["EURUSD"], RATE)
    pulse.start()
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(job="Punctual")
        try:
            return figures(ours, Path(folder), port, count, seconds)
        finally:
            ours.stop()
            pulse.stop()


def figures(ours: Ours, folder: Path, port: int, count: int, seconds: float) -> list[str]:
    """Start them and measure."""
    begun = time.monotonic()
    ours.start(folder, port, count)
    system = ours.system

    def running() -> bool:
        time.sleep(0.2)  # looking more often would take the processor from those that start
        return all(s.process.state == State.RUNNING for s in system.status().strategies)

    wait_for(running, "all to run", 180.0)
    started = time.monotonic() - begun
    time.sleep(SETTLED)  # until what began with them has come to rest
    status: StatusReport = system.status()
    pids = [s.process.pid for s in status.strategies if s.process.pid is not None]
    answers = []
    for _ in range(5):
        asked = time.monotonic()
        subprocess.run(system.command("status"), stdout=subprocess.DEVNULL, check=True)
        answers.append(time.monotonic() - asked)
    workers, parent = cpu(pids), cpu([ours.parent_pid])
    begun_us = time.time_ns() // 1000
    time.sleep(seconds)  # the interval that is measured
    workers, parent = cpu(pids) - workers, cpu([ours.parent_pid]) - parent
    sizes = [psutil.Process(pid).memory_full_info().pss for pid in pids[:SAMPLE]]
    late = [us for at, us in late_ticks(folder) if at >= begun_us]
    back = kill_some(system, pids)
    restarts = system.status().totals.restarts
    return [
        f"{count}",
        f"{started:.1f}",
        f"{restarts - min(KILLED, count)}",
        f"{statistics.mean(sizes) / 1e6:.1f}",
        f"{statistics.median(answers) * 1e3:.0f}",
        f"{workers / len(pids) / seconds * 1e3:.1f}",
        f"{parent / seconds * 1e2:.1f}",
        f"{max(late) / 1e3:,.0f}" if late else f"< {LATE_US / 1e3:g}",
        f"{back:.2f}",
    ]


def late_ticks(folder: Path) -> Iterator[tuple[int, int]]:
    """When ticks were processed that were late, and how late, in us."""
    for file in folder.glob("*.late"):
        for line in file.read_text().splitlines():
            at, late = line.split()
            yield int(at), int(late)


def kill_some(system: System, pids: list[int]) -> float:
    """Seconds until all of some strategies that were killed at once have processed a tick again."""
    begun = time.monotonic()
    for pid in pids[:KILLED]:
        os.kill(pid, signal.SIGKILL)

    def all_back() -> bool:
        processes = [s.process for s in system.status().strategies[:KILLED]]
        fresh = all(p.pid not in (None, *pids) for p in processes)
        return fresh and all(p.recovery_ms is not None for p in processes)

    wait_for(all_back, "those that were killed")
    return time.monotonic() - begun


@click.command()
@click.option("--counts", default="50,100,500", show_default=True, help="Numbers of strategies.")
@click.option("--seconds", default=30.0, show_default=True, help="Over which ticks are watched.")
def main(counts: str, seconds: float) -> None:
    """Measure, print and write docs/benchmarks.md."""
    rows = []
    for count in map(int, counts.split(",")):
        rows.append(row(count, seconds))
        click.echo(" ".join(rows[-1]))
    head = [
        "strategies",
        "all running, s",
        "deaths",
        "PSS of one, MB",
        "status, ms",
        "one's processor, ms/s",
        "supervisor's, %",
        "latest tick, ms",
        "ten killed, back in s",
    ]
    title = "many strategies" if seconds < LONG else "many strategies for long"
    report(title, f"{RATE:g} ticks/s, {seconds:g} s.", head, rows)


if __name__ == "__main__":
    main()
