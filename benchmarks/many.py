"""Many strategies on one machine: how long until all run, what each costs, how fast `status` is.

Each strategy asks its model at every tick. Writes its section to docs/benchmarks.md.
"""

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import click
import psutil

from benchmarks.contestants import Ours
from benchmarks.tables import machine, table, write
from mt5crs_supervisor.children.lifecycle import State
from mt5crs_supervisor.operator.status_report import StatusReport
from tests.system import Pulse, free_port, wait_for

RATE = 2.0
"""Ticks a second."""

SETTLED = 10.0
"""Seconds after the start that are not measured."""

MEASURED = 20.0
"""Seconds over which processor time is taken."""

SAMPLE = 60
"""Processes whose memory is looked at."""


def cpu(pids: list[int]) -> float:
    """Seconds of processor time that these have used together."""
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


def row(count: int) -> list[str]:
    """The figures of so many strategies."""
    port = free_port()
    pulse = Pulse(port, ["EURUSD"], RATE)
    pulse.start()
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours()
        try:
            return figures(ours, Path(folder), port, count)
        finally:
            ours.stop()
            pulse.stop()


def figures(ours: Ours, folder: Path, port: int, count: int) -> list[str]:
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
    report: StatusReport = system.status()
    pids = [s.process.pid for s in report.strategies if s.process.pid is not None]
    answers = []
    for _ in range(5):
        asked = time.monotonic()
        subprocess.run(system.command("status"), stdout=subprocess.DEVNULL, check=True)
        answers.append(time.monotonic() - asked)
    sizes = [psutil.Process(pid).memory_full_info().pss for pid in pids[:SAMPLE]]
    workers, parent = cpu(pids), cpu([ours.parent_pid])
    time.sleep(MEASURED)  # the interval that is measured
    workers, parent = cpu(pids) - workers, cpu([ours.parent_pid]) - parent
    report = system.status()
    return [
        f"{count}",
        f"{started:.1f}",
        f"{report.totals.restarts}",
        f"{statistics.mean(sizes) / 1e6:.1f}",
        f"{statistics.median(answers) * 1e3:.0f}",
        f"{workers / len(pids) / MEASURED * 1e3:.1f}",
        f"{parent / MEASURED * 1e2:.1f}",
    ]


@click.command()
@click.option("--counts", default="50,100,500", help="Numbers of strategies.")
def main(counts: str) -> None:
    """Measure, print and write docs/benchmarks.md."""
    rows = []
    for count in map(int, counts.split(",")):
        rows.append(row(count))
        click.echo(" ".join(rows[-1]))
    head = [
        "strategies",
        "all running, s",
        "deaths",
        "PSS of one, MB",
        "status, ms",
        "one's processor, ms/s",
        "supervisor's, %",
    ]
    write("many strategies", f"{machine()}; {RATE:g} ticks/s.\n\n{table(head, rows)}")


if __name__ == "__main__":
    main()
