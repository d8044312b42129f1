"""A text that is longer than the window, and is scrolled; pure."""

from collections.abc import Sequence

import click

from mt5crs_shared.wording import safe
from mt5crs_supervisor.display.folding import within
from mt5crs_supervisor.display.table import cells_of, clip
from mt5crs_supervisor.display.top import keys


class Pane:
    """A text in the place of the tables.

    Args:
        title: Above it.
        text: Its lines; colours are taken off, and long lines folded.
        at_end: It is shown from its end on.
    """

    def __init__(self, title: str, text: Sequence[str], at_end: bool = False) -> None:
        self._title = title
        self._text = [part for line in text for part in click.unstyle(line).split("\n")]
        self._at_end = at_end
        self._top = 0
        self._page = 1

    def press(self, key: str) -> bool:
        """Scroll by a key; False: it was the key that closes it."""
        if key in ("q", keys.ESCAPE):
            return False
        self._top += {
            keys.UP: -1,
            "k": -1,
            keys.DOWN: 1,
            "j": 1,
            keys.PAGE_UP: -self._page,
            keys.PAGE_DOWN: self._page,
            " ": self._page,
        }.get(key, 0)
        if key == keys.HOME:
            self._top = 0
        self._at_end = key == keys.END
        return True

    def lines(self, columns: int, rows: int) -> list[str]:
        """As much of it as there is room for, below its title."""
        whole = [part for line in self._text for part in _lines_of(line, columns)]
        self._page = max(rows - 1, 1)
        last = max(len(whole) - self._page, 0)
        self._top = last if self._at_end else min(max(self._top, 0), last)
        shown = whole[self._top : self._top + self._page]
        place = f"{self._top + 1} to {self._top + len(shown)} of {len(whole)}"
        title = clip(f"{self._title}  {place}  (Esc goes back)", columns)
        return [click.style(title, bold=True), *shown][:rows]


def _lines_of(line: str, width: int) -> list[str]:
    """A line on as many as it needs, broken between words where there are any."""
    return [part for words in within(line.expandtabs(4), width) for part in folded(words, width)]


def folded(line: str, width: int) -> list[str]:
    """A line on as many as it needs, none wider than the window."""
    parts, part, taken = [], "", 0
    for character in safe(line.expandtabs(4)):
        cells = cells_of(character)
        if part and taken + cells > width:
            parts.append(part)
            part, taken = "", 0
        part += character
        taken += cells
    return [*parts, part]
