"""`crashes`: the black boxes of every death."""

from datetime import datetime
from pathlib import Path

import click

from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import crash_report
from mt5crs_shared.storage.crash_report import CrashReport
from mt5crs_shared.wording import nearby
from mt5crs_supervisor.commands import show
from mt5crs_supervisor.commands.failures import unknown_name
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.display.table import Cell, column, table

TICKS_SHOWN = 5
"""Of the last ticks, in the full view."""


def show_crashes(var_dir: Path, name: str | None, as_json: bool) -> None:
    """Print a line for each death; of one child, also its last death in full."""
    paths = VarPaths(var_dir)
    folder = paths.crash
    found = crash_report.load_reports(folder, name)
    lives = name is not None and paths.log_file(name).exists()
    if name is not None and not found and not lives:
        known = {report.name for report in crash_report.load_reports(folder)}
        known |= {log.stem for log in paths.log.glob("*.log")}
        if known:
            raise unknown_name(name, known, "process")
    if as_json:
        show.print_json(found)
    elif not found:
        say(f"{name} has never died." if name else f"Nobody has died yet.{_elsewhere(paths)}")
    else:
        show.print_lines(overview(found))
        if name is not None:
            for line in ["", *in_full(found[-1])]:
                # A trace stays as it is: its marks stand below what they mean.
                (click.echo if line.startswith("    ") else say)(line)


def _elsewhere(paths: VarPaths) -> str:
    """Where the demo's deaths are, which has a folder of its own; empty: it has none."""
    if not crash_report.load_reports(paths.demo.crash):
        return ""
    return f" The demo's: `--var-dir {nearby(str(paths.demo.var))} crashes`"


def last_death(paths: VarPaths, name: str) -> list[str]:
    """The last death of one child in full, line by line."""
    found = crash_report.load_reports(paths.crash, name)
    return in_full(found[-1]) if found else [f"{name} has never died."]


def overview(reports: list[CrashReport]) -> list[str]:
    """The table of deaths, the newest last."""
    columns = [
        column(reports, "TIME", lambda r: Cell(_moment(r.time)), right=False),
        column(reports, "NAME", lambda r: Cell(r.name), right=False, least=12),
        column(reports, "CAUSE", lambda r: Cell(r.cause, "red"), right=False),
        column(reports, "PID", lambda r: Cell(str(r.pid)), 3),
        column(reports, "BACK IN", lambda r: Cell(_back(r)), 2),
        column(reports, "DETAIL", lambda r: Cell(r.detail), 1, right=False, least=16),
    ]
    return table(columns, show.width())


def in_full(report: CrashReport) -> list[str]:
    """One death with all that may explain it."""
    lines = [
        f"{report.name}, pid {report.pid}, epoch {report.epoch}, {_moment(report.time)}",
        f"  cause     {report.cause}: {report.detail}",
        f"  exit      {report.exit}",
        f"  decision  {report.decision}",
        f"  back      {_back(report)}",
    ]
    if report.memory:
        curve = " ".join(f"{size / 1e6:.0f}" for size in report.memory)
        lines.append(f"  memory    {curve} MB at its last beats")
    if report.unfinished is not None:
        lines.append(f"  tick      {_quote(report.unfinished)} was being processed")
    lines += _last_ticks(report)
    for title, text in (("trace", report.trace), ("stacks", report.stacks)):
        if text:
            lines += ["", f"  {title}", *(f"    {line}" for line in text.strip().splitlines())]
    return lines


def _last_ticks(report: CrashReport) -> list[str]:
    """The ticks that it had processed, the newest last."""
    processed = list(report.ticks)
    if processed and processed[-1] == report.unfinished:
        del processed[-1]
    label = "before" if report.unfinished is not None else "ticks"
    return [
        f"  {'' if line else label:<9} {_quote(tick)}"
        for line, tick in enumerate(processed[-TICKS_SHOWN:])
    ]


def _back(report: CrashReport) -> str:
    after = report.times.replacement_first_tick
    return f"{after * 1000:.0f} ms" if after is not None else "-"


def _quote(tick: Tick) -> str:
    return f"{tick.symbol} {tick.bid} / {tick.ask} at {format_iso(tick.time_us)}"


def _moment(time: str) -> str:
    """Local time, as `events` has it; what is no time, as it stands in the file."""
    try:
        return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return time
