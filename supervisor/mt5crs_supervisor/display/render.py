"""A `StatusReport` as lines for a terminal; the colours are stripped where there is none."""

from collections.abc import Sequence

import click

from mt5crs_shared.control.notes import notes
from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import (
    ChildStatus,
    EventLine,
    StatusReport,
    StrategyStatus,
)
from mt5crs_shared.trading.locks import TradingState
from mt5crs_shared.wording import duration, local_time, nearby, plain
from mt5crs_supervisor.display.notes import note_lines
from mt5crs_supervisor.display.table import Cell, Column, clip, column, table
from mt5crs_supervisor.display.words import fitting, money

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
TROUBLES = (
    ("REFUSED", "orders_rejected", "yellow"),
    ("NOT SENT", "orders_missed", "yellow"),
    ("TICKS MISSED", "ticks_missed", "red"),
    ("EXCEPTIONS", "error_count", "red"),
    ("NO FEATURES", "feature_faults", "yellow"),
)
"""Columns that are there only where one of them has something to count."""
NOTHING = Cell("-", "bright_black")


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
    return table(strategy_columns(rows), width)


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


def strategy_columns(rows: Sequence[StrategyStatus]) -> list[Column]:
    """All that a table can show of strategies, for a window of any width."""
    columns = [
        column(rows, "NAME", lambda s: Cell(s.process.name), right=False, least=12),
        column(rows, "SYMBOL", lambda s: Cell(s.symbol), right=False),
        column(rows, "STATE", strategy_state, right=False),
        column(rows, "PID", lambda s: _number(s.process.pid), 2),
        column(rows, "UP", lambda s: _span(s.process.uptime), 4),
        column(rows, "RST", lambda s: _restarts(s.process.restarts), 1),
        column(rows, "BEAT", lambda s: _span(s.process.beat_age), 11),
        column(rows, "TICK", lambda s: _span(s.last_tick_age), 8),
        column(rows, "TICKS/S", tick_rate, 5),
        column(rows, "SIG", lambda s: _counted(s, "signals_generated"), 7),
        column(rows, "ORD", lambda s: _counted(s, "orders_sent"), 6),
        column(rows, "POS", lambda s: open_lots(s.position_lots)),
        column(rows, "P&L", lambda s: money(s.realised + s.floating)),
        column(rows, "FLOATING", lambda s: money(s.floating), 9),
        column(rows, "MEM", lambda s: _megabytes(s.process.memory), 10),
        column(rows, "CPU", lambda s: _cpu(s.process), 12),
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
        column(rows, "STATE", child_state, right=False),
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
    return Cell("-" if row.kind in ("notifier", "metrics", "page") else f"{row.progress:,}")


def _errors(rows: Sequence[ChildStatus]) -> Column:
    cells = [Cell(clip(plain(row.last_error), 60)) for row in rows]
    return Column("LAST ERROR", cells, rank=13, right=False, least=24)


def child_state(child: ChildStatus) -> Cell:
    """Its state; DEGRADED where it runs so, QUEUED where its process waits to be made."""
    if child.queued:
        return Cell(f"QUEUED {child.queued}", "yellow")
    shown = DEGRADED if child.degraded and child.state == State.RUNNING else child.state
    return Cell(shown, COLOURS.get(shown))


def strategy_state(row: StrategyStatus) -> Cell:
    """Its state; of one that runs and is held back, how; that lacks bars, how many it has."""
    metrics, cell = row.metrics, child_state(row.process)
    if cell.text == State.RUNNING and row.trading is not TradingState.ACTIVE:
        return Cell(row.trading, COLOURS[row.trading])
    if metrics is None or cell.text != State.RUNNING or metrics.warm >= metrics.bars_needed:
        return cell
    return Cell(f"{WARMING} {metrics.warm}/{metrics.bars_needed}", COLOURS[WARMING])


def tick_rate(row: StrategyStatus) -> Cell:
    """Ticks a second that it takes."""
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


def open_lots(lots: float) -> Cell:
    """Open volume, negative when short."""
    return Cell(f"{lots:+.2f}") if lots else Cell("flat", "bright_black")


def _megabytes(size: int) -> Cell:
    return Cell(f"{size / MEGABYTE:.0f}M") if size else NOTHING


def _trouble(rows: Sequence[StrategyStatus], title: str, counter: str, colour: str) -> Column:
    def shown(row: StrategyStatus) -> Cell:
        count = _count(row, counter)
        return NOTHING if row.metrics is None else Cell(str(count), colour if count else None)

    return Column(title, [*map(shown, rows)], rank=3)


def _count(row: StrategyStatus, counter: str) -> int:
    count: int = getattr(row.metrics, counter) if row.metrics is not None else 0
    return count


def _account(report: StatusReport) -> list[Cell]:
    account = report.account
    if account is None:
        return [Cell("account   "), Cell("no word of the gateway yet", "yellow")]
    return [
        Cell("account   "),
        *_book(account.book),
        Cell(f"balance {account.balance:,.2f}  equity {account.equity:,.2f}"),
        Cell(f"  margin {account.margin:,.2f}  free {account.free_margin:,.2f} {account.currency}"),
    ]


def _book(book: str) -> list[Cell]:
    """Whether it is somebody's money, in colour and word; paper needs none."""
    if book == "paper":
        return []
    kind, *_ = book.split(" ")
    return [Cell(kind, "yellow" if kind == "DEMO" else "red"), Cell("  ")]


def _totals(report: StatusReport) -> list[Cell]:
    totals = report.totals
    plural = "strategy" if totals.strategies == 1 else "strategies"
    return [
        Cell(f"total     {totals.running} of {totals.strategies} {plural} running"),
        *([Cell(f"  {totals.degraded} degraded", "yellow")] if totals.degraded else []),
        *([Cell(f"  {totals.quarantined} quarantined", "red")] if totals.quarantined else []),
        *([Cell(f"  {totals.queued} queued", "yellow")] if totals.queued else []),
        Cell("  P&L "),
        money(totals.realised + totals.floating),
        Cell(f"  {totals.ticks_per_second:.1f} ticks/s"),
        Cell(f"  restarts {totals.restarts}", "yellow" if totals.restarts else None),
        Cell(f"  signals {totals.signals}  orders {totals.orders}"),
        Cell(f"  memory {totals.memory / MEGABYTE:.0f}M"),
    ]
