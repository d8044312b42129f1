"""The page in a browser: how soon it is there, and how soon it shows a death.

Writes docs/benchmarks.md. Needs Debian's chromium and the package playwright.
"""

import os
import signal
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import click
from playwright.sync_api import sync_playwright

from benchmarks.page import desk
from benchmarks.tables import report
from tests.system import PATIENCE, System

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
LOADS = 5
KILLS = 5
WATCHED = 20.0
"""Seconds in which long tasks of the page's script are counted."""

LONG = 50.0
"""Milliseconds from which a browser calls a script's task long: until it ends, no key is heard."""

ROWS = "count => document.querySelectorAll('tbody tr[data-name]').length >= count"
SHOWS = """([name, text]) => new Promise((done) => {
  const look = () => {
    const cell = document.querySelector(`tr[data-name="${name}"] td.restarts > *`);
    if (cell?.innerText.trim() === text) done(Date.now());
    else requestAnimationFrame(look);
  };
  look();
})"""
TASKS = """(seconds) => new Promise((done) => {
  const found = [];
  const observer = new PerformanceObserver((list) => {
    found.push(...list.getEntries().map((entry) => entry.duration));
  });
  observer.observe({ type: "longtask" });
  setTimeout(() => done(found), seconds * 1000);
})"""


def drawn_after(browser: Any, address: str, count: int) -> float:
    """Milliseconds from a fresh browser's wish to the last row."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    begun = time.monotonic()
    page.goto(address)
    page.wait_for_function(ROWS, arg=count, timeout=PATIENCE * 1e3)
    took = time.monotonic() - begun
    context.close()
    return took * 1e3


def told_at(system: System, name: str, restarts: int, on_told: Callable[[float], None]) -> None:
    """Ask the supervisor until it tells so many restarts; the Unix time of its answer."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if system.strategy(name).process.restarts == restarts:
            on_told(time.time())
            return
        time.sleep(0.005)  # between two questions


def shown_after(system: System, page: Any, name: str) -> float:
    """Milliseconds from the supervisor's word of a death to the page's."""
    restarts = system.strategy(name).process.restarts + 1
    told: list[float] = []
    asking = threading.Thread(target=told_at, args=(system, name, restarts, told.append))
    asking.start()
    os.kill(system.pid(name), signal.SIGKILL)
    shown: float = page.evaluate(SHOWS, [name, str(restarts)])
    asking.join()
    return max(shown - told[0] * 1e3, 0.0)


def figures(browser: Any, count: int) -> list[str]:
    """A desk of so many, looked at."""
    with desk(count) as (system, port):
        address = f"http://127.0.0.1:{port}/"
        drawn = [drawn_after(browser, address, count) for _ in range(LOADS)]
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(address)
        page.wait_for_function(ROWS, arg=count, timeout=PATIENCE * 1e3)
        victims = [f"s{number * count // KILLS % count}" for number in range(KILLS)]
        late = [shown_after(system, page, name) for name in victims]
        tasks = page.evaluate(TASKS, WATCHED)
        page.close()
    times = [f(values) for values in (drawn, late) for f in (statistics.median, max)]
    return [
        str(count),
        *(f"{value:,.0f}" for value in times),
        str(len(tasks)),
        f"{max(tasks, default=0.0):,.0f}",
    ]


@click.command()
@click.option("--counts", default="5,50,500", show_default=True, help="Numbers of strategies.")
def main(counts: str) -> None:
    """Measure, print and write docs/benchmarks.md."""
    rows = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        for count in map(int, counts.split(",")):
            rows.append(figures(browser, count))
            click.echo(" ".join(rows[-1]))
        browser.close()
    head = [
        "strategies",
        "drawn after, median ms",
        "longest",
        "a death shown after the supervisor told it, median ms",
        "longest",
        f"tasks over {LONG:g} ms in {WATCHED:g} s",
        "longest, ms",
    ]
    note = f"chromium without a window on the same machine; {LOADS} loads, {KILLS} kills."
    report("the page in a browser", note, head, rows)


if __name__ == "__main__":
    main()
