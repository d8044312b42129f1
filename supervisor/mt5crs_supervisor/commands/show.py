"""`status`: once, as JSON, or every second."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from mt5crs_shared.control.status_report import StatusReport
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.display import render, screen
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.display.table import Column, table
from mt5crs_supervisor.operator.control import ControlClient

T = TypeVar("T")

EVERY = 1.0
"""Seconds between two looks."""

NO_TERMINAL = 160
"""Columns where nobody says how many there are."""


def show_status(var_dir: Path, as_json: bool) -> None:
    """Print the status once."""
    report = asked_status(ControlClient(var_dir), VarPaths(var_dir))
    if as_json:
        print_json(report)
    else:
        print_lines(render.status_lines(report, width()))


def watch(var_dir: Path, as_json: bool) -> None:
    """Show the status every second until Ctrl-C; as JSON: one object a line."""
    client, paths = ControlClient(var_dir), VarPaths(var_dir)

    def ask() -> StatusReport:
        return asked_status(client, paths)

    with contextlib.suppress(KeyboardInterrupt):
        if sys.stdout.isatty() and not as_json:
            live(ask, _pause)
        else:
            _repeat(ask, as_json)


def asked_status(client: ControlClient, paths: VarPaths) -> StatusReport:
    """The supervisor's word; where its file has changed, with what is new in it."""
    report = client.status()
    if report.config_changed is None:
        return report
    # Worth the time that reading YAML takes only here.
    from mt5crs_supervisor.operator import pending

    return pending.compared(report, paths)


def _repeat(ask: Callable[[], StatusReport], as_json: bool) -> None:
    """What a pipe or a file gets instead of a live screen."""
    while _pause():
        report = ask()
        if as_json:
            click.echo(msgspec.json.encode(report))
        else:
            print_lines([*render.status_lines(report, width()), ""])


def _pause() -> bool:
    time.sleep(EVERY)
    return True


def live(ask: Callable[[], StatusReport], pause: Callable[[], bool]) -> None:
    """Show the status again and again; the last screen stays.

    Args:
        ask: Gets the status.
        pause: Waits for the next look; False: that was the last one.
    """
    # rich is worth its import time only here, where it redraws and follows the window's size.
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(no_color=no_colour())
    with Live(console=console, auto_refresh=False, transient=False) as display:
        shown = True
        while shown:
            lines = screen.screen_lines(ask(), console.width, console.height)
            text = Text.from_ansi("\n".join(lines), no_wrap=True, overflow="crop")
            display.update(text, refresh=True)
            shown = pause()


def print_lines(lines: list[str]) -> None:
    """Print styled lines; colours only on a terminal that wants them."""
    click.echo("\n".join(lines), color=False if no_colour() else None)


def print_json(value: object) -> None:
    """Print a struct, or a list of them, as JSON for people and programs."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def print_rows(
    rows: Sequence[T],
    columns: Callable[[Sequence[T]], list[Column]],
    nothing: str,
    as_json: bool,
    below: str = "",
) -> None:
    """Print what was found: as JSON, as a table, or, where it is nothing, as a sentence.

    Args:
        rows: What was found.
        columns: Of the table; asked for where there is one.
        nothing: The sentence.
        as_json: All of it as a list, also where it is nothing.
        below: A line below the table; empty: none.
    """
    if as_json:
        print_json(rows)
    elif rows:
        print_lines([*table(columns(rows), width()), *([below] if below else [])])
    else:
        say(nothing)


def width() -> int:
    """Columns of the terminal, also where this command's output goes through a pipe."""
    wished = os.environ.get("COLUMNS", "")
    if wished.isdigit() and int(wished):
        return int(wished)
    for descriptor in (1, 0, 2):
        with contextlib.suppress(OSError):
            return os.get_terminal_size(descriptor).columns
    return NO_TERMINAL


def no_colour() -> bool:
    """The user has asked for no colours; see no-color.org."""
    return bool(os.environ.get("NO_COLOR"))
