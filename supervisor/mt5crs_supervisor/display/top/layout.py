"""The parts of the interactive view as lines of a window; pure."""

from collections.abc import Callable, Sequence

import click
import msgspec

from mt5crs_shared.control import notes
from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import ChildStatus, StatusReport, StrategyStatus
from mt5crs_shared.trading.locks import TradingState
from mt5crs_supervisor.display import render
from mt5crs_supervisor.display.screen import notes_within
from mt5crs_supervisor.display.table import GAP, Cell, Column, cells_of, clip, table
from mt5crs_supervisor.display.top.equity import SAMPLES, sparkline
from mt5crs_supervisor.display.words import fitting

MARK = ">"
"""Beside the strategy that is selected."""

LEAST_SPARKS = 8
"""Columns that are kept for the sparkline in any window."""

LEAST_ROWS = 3
"""Strategies that are shown in any window that is not tiny."""

LEAST_EVENTS = 3

AIRY = 17
"""Lines for notes, strategies and events from which on there is room for empty ones."""

RANKS = {"": 0, "NAME": 0, "STATE": 0, "POS": 0, "P&L": 0, "TICKS/S": 1, "SYMBOL": 2}
"""What a trader looks for here; all else of `status` is dropped before it."""


class Table(msgspec.Struct, frozen=True):
    """The strategies, and where in them the view is.

    Attributes:
        rows: Everybody, the worst first.
        selected: Index of the selected one.
        samples: Gets what a strategy has made over the last minutes.
    """

    rows: Sequence[StrategyStatus]
    selected: int
    samples: Callable[[str], Sequence[float]]


class Heights(msgspec.Struct, frozen=True):
    """How many lines each part gets."""

    notes: int
    strategies: int
    events: int
    airy: bool


def ranked(report: StatusReport) -> list[StrategyStatus]:
    """Everybody, the worst first, then by name; who has no process and nothing open last."""
    everybody = (*report.strategies, *report.former)
    return sorted(everybody, key=lambda row: (_calm(row), row.process.name))


def heights(report: StatusReport, columns: int, rows: int, strategies: int) -> Heights:
    """Share so many lines among notes, strategies and events."""
    airy = rows >= AIRY
    least = min(strategies, LEAST_ROWS) + 1
    left = max(rows - least - (2 if airy else 0), 0)
    wanted = len(notes_within(_wrong(report), columns, 10_000))
    said = min(wanted, (left + 1) // 2)
    left -= said
    events = min(len(report.events), LEAST_EVENTS, left)
    left -= events
    shown = min(strategies + 1 - least, left)
    left -= shown
    more = min(wanted - said, left)
    return Heights(said + more, least + shown, min(len(report.events), events + left - more), airy)


def window_lines(
    report: StatusReport, found: Table, trouble: Sequence[str], columns: int, rows: int, top: int
) -> tuple[list[str], int, int]:
    """Everything but the bottom line.

    Args:
        report: The newest one.
        found: The strategies.
        trouble: Lines on why there is no newer report; empty: there is.
        columns: Of the window.
        rows: Of the window, without the bottom.
        top: Index of the strategy that is shown first.

    Returns:
        The lines, how many strategies they show, and the index of the first one.
    """
    account = render.account_lines(report, columns)[: 2 if rows >= 12 else 1]
    head = [render.header(report, columns), *trouble, *account]
    share = heights(report, columns, rows - len(head) - 1, len(found.rows))
    said = notes_within(_wrong(report), columns, share.notes) if share.notes else []
    room = max(share.strategies - 1, 1)
    first = scrolled(top, found.selected, room, len(found.rows))
    lines = [*head, *(click.style(line, fg="yellow") for line in said)]
    lines += [""] if share.airy else []
    lines += strategy_rows(found, first, room, columns)
    if share.airy:
        lines.append(_left_out(first, room, len(found.rows), columns))
    lines.append(service_line(report.services, columns))
    newest = report.events[-share.events :] if share.events else ()
    return [*lines, *render.event_lines(newest, columns)][:rows], room, first


def scrolled(top: int, selected: int, room: int, count: int) -> int:
    """Where the table begins, so that the selected one is in it, and it moves no more than that."""
    top = min(max(top, selected - room + 1), selected)
    return max(min(top, count - room), 0)


def strategy_rows(found: Table, first: int, room: int, columns: int) -> list[str]:
    """A heading, and so many strategies with their sparklines."""
    rows = found.rows[first : first + room]
    marks = [Cell(MARK if first + i == found.selected else " ") for i in range(len(rows))]
    wanted = [Column("", marks, right=False), *render.strategy_columns(rows)]
    spare = min(max(columns // 6, LEAST_SPARKS), SAMPLES) + len(GAP)
    listed = table([_in_rank(column) for column in wanted], columns - spare)
    wide = max(cells_of(click.unstyle(line)) for line in listed)
    width = min(columns - wide - len(GAP), SAMPLES)
    heading, *lines = (_padded(line, wide + len(GAP)) for line in listed)
    shown = [heading + click.style(clip("EQUITY", max(width, 1)), fg="bright_black")]
    for index, (line, row) in enumerate(zip(lines, rows, strict=True)):
        values = found.samples(row.process.name)[-max(width, 0) :]
        sparks = sparkline(values, width)
        if first + index == found.selected:
            shown.append(click.style(_padded(click.unstyle(line) + sparks, columns), reverse=True))
        else:
            colour = "red" if sparks and values[-1] < values[0] else "green"
            shown.append(line + (click.style(sparks, fg=colour) if sparks else ""))
    return shown


def service_line(services: Sequence[ChildStatus], columns: int) -> str:
    """Every service and its state."""
    parts = [Cell("services")]
    for child in services:
        state = render.child_state(child)
        parts += [Cell(f"  {child.name} "), state]
    return fitting(parts, columns)


def cropped(line: str, columns: int) -> str:
    """The line; without its colours and its end, where it is wider than the window."""
    bare = click.unstyle(line)
    return line if cells_of(bare) <= columns else clip(bare, columns)


def _wrong(report: StatusReport) -> list[notes.Note]:
    return [note for note in notes.notes(report) if note.wrong]


def _calm(row: StrategyStatus) -> int:
    process = row.process
    if process.state == State.QUARANTINED:
        return 0
    if process.degraded:
        return 1
    if process.state == State.BACKOFF:
        return 2
    if process.pid is None and process.state != State.STARTING and not process.queued:
        # Its position, where it has one, waits for the operator.
        return 3 if row.position_lots else 5
    return 3 if row.trading is not TradingState.ACTIVE else 4


def _in_rank(column: Column) -> Column:
    rank = RANKS.get(column.title, column.rank + len(RANKS))
    return msgspec.structs.replace(column, rank=rank)


def _padded(line: str, width: int) -> str:
    return line + " " * (width - cells_of(click.unstyle(line)))


def _left_out(first: int, room: int, count: int, columns: int) -> str:
    below = count - first - room
    parts = [f"{first} more above"] if first else []
    parts += [f"{below} more below"] if below > 0 else []
    return click.style(clip(", ".join(parts), columns), fg="bright_black") if parts else ""
