"""What being scraped every second costs. Writes its section to docs/benchmarks.md."""

import statistics
import tempfile
import time
import urllib.request
from pathlib import Path

import click
import psutil

from benchmarks.many import RATE
from benchmarks.tables import report
from tests.system import Pulse, System, free_port

SETTLED = 10.0
"""Seconds after the start that are not measured."""


def scrape(port: int) -> tuple[float, int]:
    """Seconds, and bytes, of one answer."""
    begun = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        size = len(answer.read())
    return time.monotonic() - begun, size


def used_by(pid: int) -> float:
    """Seconds of processor time, also of threads that have ended: each scrape has its own."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def spent(pids: list[int], seconds: float, port: int | None) -> tuple[list[float], list[float]]:
    """Milliseconds of processor time a second of each process, and how long scrapes took."""
    took = []
    before, until = list(map(used_by, pids)), time.monotonic() + seconds
    while time.monotonic() < until:
        if port is not None:
            took.append(scrape(port)[0])
        time.sleep(1.0 - (took[-1] if took else 0.0))  # once a second
    used = [used_by(pid) - earlier for pid, earlier in zip(pids, before, strict=True)]
    return [value / seconds * 1e3 for value in used], took


def figures(count: int, seconds: float) -> list[str]:
    """A system of so many strategies, each on ticks of one symbol."""
    port = free_port()
    strategies = [
        {
            "name": f"s{number}",
            "symbol": "EURUSD",
            "strategy": "mt5crs_worker.examples.ma_cross:MovingAverageCross",
        }
        for number in range(count)
    ]
    with tempfile.TemporaryDirectory() as folder:
        system = System(Path(folder), strategies, {"metrics": f"127.0.0.1:{port}"})
        pulse = Pulse(system.port, ["EURUSD"], RATE)
        pulse.start()
        system.start()
        try:
            system.wait_running()
            time.sleep(SETTLED)  # until what began with them has come to rest
            pids = [system.status().pid, system.pid("metrics")]
            (parent, exporter), _ = spent(pids, seconds, None)
            (parent_scraped, exporter_scraped), took = spent(pids, seconds, port)
            size = scrape(port)[1]
        finally:
            system.stop()
            pulse.stop()
    return [
        f"{count}",
        f"{statistics.median(took) * 1e3:.0f}",
        f"{max(took) * 1e3:.0f}",
        f"{size / 1e3:.0f}",
        f"{parent:.1f}",
        f"{parent_scraped:.1f}",
        f"{exporter:.1f}",
        f"{exporter_scraped:.1f}",
    ]


@click.command()
@click.option("--counts", default="1,50", show_default=True, help="Numbers of strategies.")
@click.option("--seconds", default=30.0, show_default=True, help="That are measured, each way.")
def main(counts: str, seconds: float) -> None:
    """Measure, print and write docs/benchmarks.md."""
    rows = []
    for count in map(int, counts.split(",")):
        rows.append(figures(count, seconds))
        click.echo(" ".join(rows[-1]))
    head = [
        "strategies",
        "a scrape, median ms",
        "longest, ms",
        "kB",
        "supervisor, ms/s",
        "scraped each second",
        "exporter, ms/s",
        "scraped each second",
    ]
    report("being scraped", f"{seconds:g} s without and with a scrape each second.", head, rows)


if __name__ == "__main__":
    main()
