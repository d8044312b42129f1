"""Amounts, and what fits on a line: as people read them in a terminal."""

from collections.abc import Iterable

import click

from mt5crs_supervisor.display.table import Cell, cells_of


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
