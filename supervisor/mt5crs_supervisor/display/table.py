"""Tables for a terminal: rows never wrap; what does not fit loses its least important columns.

Written out here instead of with rich, whose import alone takes longer than the whole of `status`
and which shortens columns but never drops one.
"""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import click
import msgspec

from mt5crs_shared.wording import safe

Row = TypeVar("Row")
GAP = "  "
ELLIPSIS = "…"


class Cell(msgspec.Struct, frozen=True):
    """One field of a row: its text, and a colour or nothing."""

    text: str
    colour: str | None = None


class Column(msgspec.Struct, frozen=True):
    """One column.

    Attributes:
        title: Its heading.
        cells: One for each row.
        rank: 0: always there; the highest rank is dropped first.
        right: Aligned to the right, as numbers are.
        least: Width that it may be shortened to; None: it is never shortened. A column of rank 0
            is only shortened when all others are gone.
    """

    title: str
    cells: Sequence[Cell]
    rank: int = 0
    right: bool = True
    least: int | None = None

    @property
    def width(self) -> int:
        """Of its longest text."""
        return max(cells_of(text) for text in (self.title, *(cell.text for cell in self.cells)))


def column(
    rows: Iterable[Row],
    title: str,
    cell: Callable[[Row], Cell],
    rank: int = 0,
    *,
    right: bool = True,
    least: int | None = None,
) -> Column:
    """A column of which each row's field is made by `cell`."""
    return Column(title, [cell(row) for row in rows], rank, right, least)


def table(columns: Sequence[Column], width: int) -> list[str]:
    """The lines of a table, heading first, none longer than `width` where that is possible."""
    kept = list(columns)
    while kept and _least_width(kept) > width and any(column.rank for column in kept):
        kept.remove(max(kept, key=lambda column: column.rank))
    sized = list(zip(kept, _widths(kept, width), strict=True))
    rows = range(len(kept[0].cells)) if kept else range(0)
    heading = [_field(Cell(c.title, "bright_black"), wide, c.right) for c, wide in sized]
    lines = [GAP.join(heading).rstrip()]
    for row in rows:
        lines.append(GAP.join(_field(c.cells[row], wide, c.right) for c, wide in sized).rstrip())
    return lines


def clip(text: str, width: int) -> str:
    """The text without control characters, cut to `width` where it is longer."""
    clean = safe(text)
    if cells_of(clean) <= width:
        return clean
    while clean and cells_of(clean) >= width:
        clean = clean[:-1]
    return clean.rstrip() + ELLIPSIS


def cells_of(text: str) -> int:
    """Columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _least_width(columns: Sequence[Column]) -> int:
    least = [c.width if c.least is None or not c.rank else min(c.width, c.least) for c in columns]
    return sum(least) + len(GAP) * (len(columns) - 1)


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Each column's width: what is missing is taken from those that may be shortened."""
    widths = [column.width for column in columns]
    missing = sum(widths) + len(GAP) * (len(columns) - 1) - width
    for index in reversed(range(len(columns))):
        least = columns[index].least
        if missing > 0 and least is not None and widths[index] > least:
            cut = min(missing, widths[index] - least)
            widths[index] -= cut
            missing -= cut
    return widths


def _field(cell: Cell, width: int, right: bool) -> str:
    text = clip(cell.text, width)
    padding = " " * (width - cells_of(text))
    styled = click.style(text, fg=cell.colour) if cell.colour and text else text
    return padding + styled if right else styled + padding
