"""What three open pages cost the supervisor and the strategies. Writes docs/benchmarks.md."""

import contextlib
import http.client
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import click
import psutil

from benchmarks.many import LONG, RATE
from benchmarks.scrape import SETTLED, used_by
from benchmarks.tables import report
from tests.system import BARS, Pulse, System, free_port, wait_for

VIEWERS = 3


class Viewer:
    """Reads the stream as a browser does, and draws nothing."""

    def __init__(self, port: int) -> None:
        self.read = 0
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30.0)
        self._connection.request("GET", "/api/stream")
        self._answer = self._connection.getresponse()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
            while part := self._answer.read1(65_536):
                self.read += len(part)

    def close(self) -> None:
        """Leave."""
        if self._connection.sock is not None:
            self._connection.sock.close()
        self._answer.close()
        self._connection.close()


@contextlib.contextmanager
def looking(port: int, count: int) -> Iterator[list[Viewer]]:
    """So many viewers."""
    viewers = [Viewer(port) for _ in range(count)]
    try:
        yield viewers
    finally:
        for viewer in viewers:
            viewer.close()


def decisions(system: System) -> tuple[int, float]:
    """How often strategies have decided, and the seconds from a tick to that."""
    told = [row.timings.decisions for row in system.status().strategies if row.timings is not None]
    return sum(sum(one.counts) for one in told), sum(one.seconds for one in told)


def measured(system: System, pids: list[int], seconds: float) -> list[float]:
    """Milliseconds of processor time a second of each process; and microseconds of a decision."""
    before, (count, spent) = list(map(used_by, pids)), decisions(system)
    time.sleep(seconds)  # the interval that is measured
    used = [used_by(pid) - earlier for pid, earlier in zip(pids, before, strict=True)]
    later, longer = decisions(system)
    latency = (longer - spent) / max(later - count, 1) * 1e6
    return [*(value / seconds * 1e3 for value in used), latency]


def memory(pid: int) -> list[str]:
    """MB that would be free without this process, and MB with all that it shares with others."""
    held = psutil.Process(pid).memory_full_info()
    return [f"{held.pss / 1e6:.1f}", f"{held.rss / 1e6:.1f}"]


@contextlib.contextmanager
def desk(count: int) -> Iterator[tuple[System, int]]:
    """A system of so many strategies on ticks of one symbol, warm, and the port of its page."""
    port = free_port()
    strategies = [
        {
            "name": f"s{number}",
            "symbol": "EURUSD",
            "strategy": "mt5crs_worker.examples.ma_cross:MovingAverageCross",
            "timeframe": "S1",
            "history": BARS,
        }
        for number in range(count)
    ]
    page = {"page": {"address": f"127.0.0.1:{port}"}}
    with tempfile.TemporaryDirectory() as folder:
        system = System(Path(folder), strategies, page)
        pulse = Pulse(system.port, ["EURUSD"], RATE)
        pulse.start()
        system.start()
        try:
            system.wait_running()
            wait_for(lambda: decisions(system)[0] > 3 * count, "warm strategies", 120.0)
            time.sleep(SETTLED)  # until what began with them has come to rest
            yield system, port
        finally:
            system.stop()
            pulse.stop()


def figures(count: int, seconds: float) -> list[str]:
    """What is used without a viewer, and with some."""
    with desk(count) as (system, port):
        pids = [system.status().pid, system.pid("page")]
        alone = measured(system, pids, seconds)
        with looking(port, VIEWERS) as viewers:
            time.sleep(SETTLED)  # until it holds what it needs for them
            first = memory(pids[1])
            watched = measured(system, pids, seconds)
            read = viewers[0].read / seconds
            last = memory(pids[1])
    pairs = [value for both in zip(alone, watched, strict=True) for value in both]
    return [
        str(count),
        *(f"{value:.1f}" for value in pairs),
        f"{read / 1e3:.1f}",
        *first,
        *last,
    ]


@click.command()
@click.option("--counts", default="5,50", show_default=True, help="Numbers of strategies.")
@click.option("--seconds", default=30.0, show_default=True, help="That are measured, each way.")
def main(counts: str, seconds: float) -> None:
    """Measure, print and write docs/benchmarks.md."""
    rows = []
    for count in map(int, counts.split(",")):
        rows.append(figures(count, seconds))
        click.echo(" ".join(rows[-1]))
    head = [
        "strategies",
        "supervisor, ms/s",
        "with three pages",
        "page, ms/s",
        "with three pages",
        "a decision, us",
        "with three pages",
        "kB/s to each",
        "page at first, MB (PSS)",
        "RSS",
        "at the end, MB (PSS)",
        "RSS",
    ]
    note = f"{seconds:g} s without a viewer, then {seconds:g} s with {VIEWERS}."
    report("pages open" if seconds < LONG else "pages open for long", note, head, rows)


if __name__ == "__main__":
    main()
