"""The status in a window of so many lines: what is wrong and the account never leave it."""

from collections import Counter
from collections.abc import Sequence

import click

from mt5crs_shared.control import notes
from mt5crs_shared.control.notes import Note
from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import StatusReport, StrategyStatus
from mt5crs_shared.trading.locks import TradingState
from mt5crs_supervisor.display import render
from mt5crs_supervisor.display.notes import NOTE_LINES, note_lines
from mt5crs_supervisor.display.table import clip

EVENTS = 6
"""Newest events below the status, where there is room."""

LEAST_TABLE = 5
"""Lines that notes leave to the strategies: a heading, three rows, and how many are left out."""


def screen_lines(report: StatusReport, columns: int, rows: int) -> list[str]:
    """The status, and below it the newest events; where it is too long, without what is well.

    Args:
        report: The status.
        columns: Of the window.
        rows: Of the window; the last one stays free.
    """
    lines = render.status_lines(report, columns)
    if len(lines) >= rows:
        return _shortened(report, columns, max(rows - 1, 1))
    room = min(EVENTS, rows - len(lines) - 2)
    if room > 0 and report.events:
        lines += ["", *render.event_lines(report.events[-room:], columns)]
    return lines


def _shortened(report: StatusReport, columns: int, limit: int) -> list[str]:
    """So many lines at most; account and notes are the last ones, and stay in any window."""
    head = [render.header(report, columns), ""]
    account = ["", *render.account_lines(report, columns)]
    services = ["", *render.service_lines(report.services, columns)]
    found = notes.notes(report)
    # A line between account and notes, and one of them at least.
    least = len(head) + len(account) + LEAST_TABLE + (2 if found else 0)
    if least + len(services) > limit:
        services = []
    left = limit - len(head) - len(services) - len(account)
    said = notes_within(found, columns, max(left - LEAST_TABLE - 1, 1))
    below = [*services, *account, *([""] if said else []), *said]
    everybody = (*report.strategies, *report.former)
    table = _strategies_within(everybody, columns, limit - len(head) - len(below))
    return [*head, *table, *below][-limit:]


def notes_within(found: Sequence[Note], columns: int, limit: int) -> list[str]:
    """As much of the notes as there is room for, and how many there are besides."""
    wrong = [note for note in found if note.wrong]
    for kept, most in ((found, NOTE_LINES), (wrong, NOTE_LINES), (wrong, 1)):
        lines = note_lines(kept, columns, most)
        if len(lines) <= limit:
            return lines
    more = f"and {len(lines) - limit + 1} more; `status` tells all of them"
    return [*lines[: limit - 1], clip(more, columns)]


def _strategies_within(rows: Sequence[StrategyStatus], columns: int, limit: int) -> list[str]:
    """The table in so many lines: who is well is left out first, and counted."""
    if limit < 2:
        return []
    if len(rows) + 1 <= limit:
        return render.strategy_lines(rows, columns)
    # Sorting keeps the order of the file among those that matter alike.
    first = sorted(range(len(rows)), key=lambda index: _calm(rows[index]))
    shown = set(first[: limit - 2])
    kept = [row for index, row in enumerate(rows) if index in shown]
    left_out = [row for index, row in enumerate(rows) if index not in shown]
    states = Counter(render.strategy_state(row).text.split()[0] for row in left_out)
    counted = ", ".join(f"{count} {state}" for state, count in states.items())
    more = clip(f"and {len(left_out)} more: {counted}", columns)
    return [*render.strategy_lines(kept, columns), click.style(more, fg="bright_black")]


def _calm(row: StrategyStatus) -> int:
    """How little a row matters: 0: something is wrong with it; 3: nothing is to be seen there."""
    process = row.process
    if process.pid is None and process.state not in (State.BACKOFF, State.QUARANTINED):
        # Nobody expects it to run; what it holds all the same is worth a look.
        return 1 if row.position_lots else 3
    if process.state != State.RUNNING or process.degraded or row.trading != TradingState.ACTIVE:
        return 0
    return 1 if row.position_lots else 2
