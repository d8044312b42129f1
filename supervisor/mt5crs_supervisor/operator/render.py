"""A `StatusReport` as lines for a terminal; the colours are stripped where there is none."""

import os
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import msgspec

from mt5crs_shared.trading import locks
from mt5crs_shared.trading.locks import TradingLock, TradingState
from mt5crs_supervisor.children.lifecycle import State
from mt5crs_supervisor.operator.status_report import (
    ChildStatus,
    EventLine,
    StatusReport,
    StrategyStatus,
)
from mt5crs_supervisor.operator.table import Cell, Column, cells_of, clip, column, plain, table

DEGRADED = "DEGRADED"
WARMING = "WARMING"
COLOURS = {
    State.RUNNING: "green",
    State.BACKOFF: "yellow",
    State.QUARANTINED: "red",
    State.KILLING: "red",
    State.STARTING: "cyan",
    State.RECOVERING: "cyan",
    State.STOPPING: "magenta",
    State.STOPPED: "bright_black",
    "DISABLED": "bright_black",
    "REMOVED": "bright_black",
    DEGRADED: "yellow",
    WARMING: "cyan",
    TradingState.REDUCING: "yellow",
    TradingState.HALTED: "red",
}
MEGABYTE = 1_000_000
NOTE_LINES = 3
TROUBLES = (
    ("REFUSED", "orders_rejected", "yellow"),
    ("NOT SENT", "orders_missed", "yellow"),
    ("TICKS MISSED", "ticks_missed", "red"),
)
"""Columns that are there only where one of them has something to count."""
NOTHING = Cell("-", "bright_black")


class Note(msgspec.Struct, frozen=True):
    """Something to be said below the tables.

    Attributes:
        text: It, and of whom.
        wrong: Something is wrong, or waits for the operator.
    """

    text: str
    wrong: bool = True


def status_lines(report: StatusReport, width: int) -> list[str]:
    """The whole status: header, strategies, services, account, totals, and what is wrong."""
    lines = [header(report, width), ""]
    lines += strategy_lines((*report.strategies, *report.former), width)
    lines += ["", *service_lines(report.services, width), ""]
    lines += account_lines(report, width)
    found = note_lines(notes(report), width)
    return [*lines, "", *found] if found else lines


def strategy_lines(rows: Sequence[StrategyStatus], width: int) -> list[str]:
    """The table of strategies, its heading first."""
    return table(_strategy_columns(rows), width)


def service_lines(rows: Sequence[ChildStatus], width: int) -> list[str]:
    """The table of services, its heading first."""
    return table(_service_columns(rows), width)


def account_lines(report: StatusReport, width: int) -> list[str]:
    """A line for the account, and one for everything together."""
    return [fitting(_account(report), width), fitting(_totals(report), width)]


def event_lines(events: Sequence[EventLine], width: int) -> list[str]:
    """One line for each event: wall time of this place, name, kind, detail."""
    longest = max((len(event.name) for event in events), default=0)
    return [
        clip(f"{local_time(e.time)}  {e.name:<{longest}}  {e.kind:<11}  {plain(e.detail)}", width)
        for e in events
    ]


def header(report: StatusReport, width: int) -> str:
    """Who it is, since when, and with which files."""
    state = "stopping" if report.stopping else "up"
    text = f"supervisor  pid {report.pid}  {state} {duration(report.uptime)}"
    places = [Cell(f"  {p}", "bright_black") for p in (nearby(report.config), report.market_url)]
    return click.style(text, bold=True) + fitting(places, width - len(text))


def summary(report: StatusReport) -> str:
    """The state of everything on one line."""
    totals = report.totals
    parts = [
        f"{totals.running}/{totals.strategies} running",
        *([f"{totals.degraded} degraded"] if totals.degraded else []),
        *([f"{totals.quarantined} quarantined"] if totals.quarantined else []),
        *([f"{totals.queued} queued"] if totals.queued else []),
        f"{totals.ticks_per_second:.1f} ticks/s",
        f"signals {totals.signals}",
        f"orders {totals.orders}",
        f"P&L {totals.realised + totals.floating:+,.2f}",
        f"restarts {totals.restarts}",
    ]
    return "  ".join(parts)


def way_out(lock: TradingLock) -> str:
    """The command that takes a lock off."""
    if lock.owner == locks.KILL_SWITCH:
        return "kill-switch off"
    verb = "unlock" if locks.is_of_rule(lock) else "resume"
    return f"{verb} {lock.scope or '--all'}"


def changed_note(report: StatusReport) -> str:
    """That the file is another one than what runs; empty: it is not, or a reload is under way."""
    if report.reloading:
        return f"a reload is under way, and waits for {report.reloading}"
    if report.config_changed is None:
        return ""
    when = local_time(report.config_changed)
    return f"{nearby(report.config)} has changed at {when}: `reload` takes it up"


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


def _strategy_columns(rows: Sequence[StrategyStatus]) -> list[Column]:
    columns = [
        column(rows, "NAME", lambda s: Cell(s.process.name), right=False, least=12),
        column(rows, "SYMBOL", lambda s: Cell(s.symbol), right=False),
        column(rows, "STATE", strategy_state, right=False),
        column(rows, "PID", lambda s: _number(s.process.pid), 2),
        column(rows, "UP", lambda s: _span(s.process.uptime), 3),
        column(rows, "RST", lambda s: _restarts(s.process.restarts), 1),
        column(rows, "BEAT", lambda s: _span(s.process.beat_age), 10),
        column(rows, "TICK", lambda s: _span(s.last_tick_age), 7),
        column(rows, "TICKS/S", _rate, 4),
        column(rows, "SIG", lambda s: _counted(s, "signals_generated"), 6),
        column(rows, "ORD", lambda s: _counted(s, "orders_sent"), 5),
        column(rows, "POS", lambda s: _lots(s.position_lots)),
        column(rows, "P&L", lambda s: money(s.realised + s.floating)),
        column(rows, "FLOATING", lambda s: money(s.floating), 8),
        column(rows, "MEM", lambda s: _megabytes(s.process.memory), 9),
        column(rows, "CPU", lambda s: _cpu(s.process), 11),
    ]
    for title, counter, colour in TROUBLES:
        if any(_count(row, counter) for row in rows):
            columns.append(_trouble(rows, title, counter, colour))
    if any(row.process.last_error for row in rows):
        columns.append(_errors([row.process for row in rows]))
    return columns


def _service_columns(rows: Sequence[ChildStatus]) -> list[Column]:
    columns = [
        column(rows, "SERVICE", lambda c: Cell(c.name), right=False),
        column(rows, "STATE", _state, right=False),
        column(rows, "PID", lambda c: _number(c.pid), 1),
        column(rows, "UP", lambda c: _span(c.uptime), 2),
        column(rows, "RST", lambda c: _restarts(c.restarts)),
        column(rows, "BEAT", lambda c: _span(c.beat_age), 6),
        column(rows, "TICKS", _progress, 3),
        column(rows, "MEM", lambda c: _megabytes(c.memory), 4),
        column(rows, "CPU", _cpu, 5),
    ]
    return [*columns, _errors(rows)] if any(row.last_error for row in rows) else columns


def _progress(row: ChildStatus) -> Cell:
    return Cell("-" if row.kind in ("notifier", "metrics") else f"{row.progress:,}")


def _errors(rows: Sequence[ChildStatus]) -> Column:
    cells = [Cell(clip(plain(row.last_error), 60)) for row in rows]
    return Column("LAST ERROR", cells, rank=12, right=False, least=24)


def _state(child: ChildStatus) -> Cell:
    if child.queued:
        return Cell(f"QUEUED {child.queued}", "yellow")
    shown = DEGRADED if child.degraded else child.state
    return Cell(shown, COLOURS.get(shown))


def strategy_state(row: StrategyStatus) -> Cell:
    """Its state; of one that runs and is held back, how; that lacks bars, how many it has."""
    metrics, cell = row.metrics, _state(row.process)
    if cell.text == State.RUNNING and row.trading is not TradingState.ACTIVE:
        return Cell(row.trading, COLOURS[row.trading])
    if metrics is None or cell.text != State.RUNNING or metrics.warm >= metrics.bars_needed:
        return cell
    return Cell(f"{WARMING} {metrics.warm}/{metrics.bars_needed}", COLOURS[WARMING])


def _rate(row: StrategyStatus) -> Cell:
    return Cell(f"{row.ticks_per_second:.1f}") if row.process.pid is not None else NOTHING


def _cpu(child: ChildStatus) -> Cell:
    return Cell(f"{child.cpu:.0f}%") if child.pid is not None else NOTHING


def _number(value: int | None) -> Cell:
    return NOTHING if value is None else Cell(str(value))


def _counted(row: StrategyStatus, counter: str) -> Cell:
    return _number(getattr(row.metrics, counter) if row.metrics is not None else None)


def _restarts(count: int) -> Cell:
    return Cell(str(count), "yellow" if count else None)


def _span(seconds: float | None) -> Cell:
    return NOTHING if seconds is None else Cell(duration(seconds))


def _lots(lots: float) -> Cell:
    return Cell(f"{lots:+.2f}") if lots else Cell("flat", "bright_black")


def _megabytes(size: int) -> Cell:
    return Cell(f"{size / MEGABYTE:.0f}M") if size else NOTHING


def _trouble(rows: Sequence[StrategyStatus], title: str, counter: str, colour: str) -> Column:
    cells = [Cell(str(n), colour if n else None) for n in (_count(row, counter) for row in rows)]
    return Column(title, cells, rank=1)


def _count(row: StrategyStatus, counter: str) -> int:
    count: int = getattr(row.metrics, counter) if row.metrics is not None else 0
    return count


def _account(report: StatusReport) -> list[Cell]:
    account = report.account
    if account is None:
        return [Cell("account   "), Cell("no word of the gateway yet", "yellow")]
    return [
        Cell(f"account   balance {account.balance:,.2f}  equity {account.equity:,.2f}"),
        Cell(f"  margin {account.margin:,.2f}  free {account.free_margin:,.2f} {account.currency}"),
    ]


def _totals(report: StatusReport) -> list[Cell]:
    totals = report.totals
    plural = "strategy" if totals.strategies == 1 else "strategies"
    return [
        Cell(f"total     {totals.running} of {totals.strategies} {plural} running"),
        *([Cell(f"  {totals.degraded} degraded", "yellow")] if totals.degraded else []),
        *([Cell(f"  {totals.quarantined} quarantined", "red")] if totals.quarantined else []),
        *([Cell(f"  {totals.queued} queued", "yellow")] if totals.queued else []),
        Cell(f"  {totals.ticks_per_second:.1f} ticks/s"),
        Cell("  P&L "),
        money(totals.realised + totals.floating),
        Cell(f"  restarts {totals.restarts}", "yellow" if totals.restarts else None),
        Cell(f"  signals {totals.signals}  orders {totals.orders}"),
        Cell(f"  memory {totals.memory / MEGABYTE:.0f}M"),
    ]


def notes(report: StatusReport) -> list[Note]:
    """What is wrong, what all depend on first; then why signals came to nothing."""
    changed = changed_note(report)
    held_back = report.account.locks if report.account is not None else ()
    wrong = [
        (lock.scope or "account", f"{locks.in_words(lock)}; `{way_out(lock)}`")
        for lock in held_back
    ]
    wrong += [(child.name, _note(child)) for child in report.services]
    wrong += [(s.process.name, _note(s.process)) for s in report.strategies]
    wrong += [(s.process.name, _left_open(s)) for s in (*report.strategies, *report.former)]
    untraded = [(s.process.name, _untraded(s)) for s in report.strategies if not _note(s.process)]
    return [
        *([Note(plain(changed))] if changed else []),
        *(Note(plain(f"{name}: {note}")) for name, note in wrong if note),
        *(Note(plain(f"{name}: {note}"), wrong=False) for name, note in untraded if note),
    ]


def note_lines(found: Iterable[Note], width: int, most: int = NOTE_LINES) -> list[str]:
    """Notes, each on a few lines at most."""
    return [
        line
        for note in found
        for line in textwrap.wrap(
            note.text, width, subsequent_indent="  ", max_lines=most, placeholder=" …"
        )
    ]


def _untraded(row: StrategyStatus) -> str:
    """Why the last signal led to no deal; empty: it did, there was none, or it is held back."""
    metrics = row.metrics
    trades = row.process.state == State.RUNNING and row.trading is TradingState.ACTIVE
    if metrics is None or not metrics.last_reason or not trades:
        return ""
    told = []
    if metrics.signals_untraded:
        untraded = f"{metrics.signals_untraded} of {metrics.signals_generated} signals"
        told.append(f"{untraded} led to no order")
    if metrics.orders_rejected:
        told.append(f"{metrics.orders_rejected} orders were refused")
    return f"{metrics.last_reason} ({', '.join(told)})" if told else metrics.last_reason


def _left_open(row: StrategyStatus) -> str:
    """What is to be known of the position of one without a process; empty: it has none."""
    if row.process.pid is not None or not row.position_lots:
        return ""
    name = row.process.name
    return f"{row.position_lots:+g} lots stay open, guarded by the gateway; `flatten {name}`"


def _note(child: ChildStatus) -> str:
    if child.degraded:
        return child.degraded
    if child.state == State.BACKOFF:
        wait = f"; next try in {duration(child.retry_in)}" if child.retry_in is not None else ""
        return f"{child.last_error}{wait}"
    if child.state == State.QUARANTINED:
        what_now = f"see `crashes {child.name}`, mend it, then `restart {child.name}`"
        return f"given up after: {child.last_error}; {what_now}"
    return ""
