"""Spans of time, places, amounts: as people read them."""

import os
from collections.abc import Iterable
from pathlib import Path

import click

from mt5crs_supervisor.display.table import Cell, cells_of


def duration(seconds: float) -> str:
    """A time span for people: 0.4s, 42s, 3m05s, 2h07m, 4d03h."""
    if seconds < 10.0:
        return f"{max(seconds, 0.0):.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"


def nearby(path: str) -> str:
    """A path as seen from the working folder, where it lies below it."""
    here = Path.cwd()
    return os.path.relpath(path, here) if Path(path).is_relative_to(here) else path


def local_time(iso: str) -> str:
    """HH:MM:SS of this place."""
    from datetime import datetime

    return datetime.fromisoformat(iso).astimezone().strftime("%H:%M:%S")


def money(amount: float) -> Cell:
    """An amount with its sign; red where it is lost."""
    text = f"{amount:+,.2f}"
    if text in ("+0.00", "-0.00"):
        return Cell("0.00")
    return Cell(text, "red" if amount < 0.0 else "green")


def fitting(parts: Iterable[Cell], width: int) -> str:
    """Styled parts on one line, as many as there is room for."""
    line, left = "", width
    for part in parts:
        left -= cells_of(part.text)
        if left < 0:
            break
        line += click.style(part.text, fg=part.colour) if part.colour else part.text
    return line
