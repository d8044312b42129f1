"""`trades` and `pnl`: what was earned, by the ledger, whether anything runs or not."""

from collections.abc import Sequence
from pathlib import Path

import click

from mt5crs_shared.storage import ledger_queries
from mt5crs_shared.trading import trades as trading
from mt5crs_shared.trading.orders import Code
from mt5crs_shared.trading.trade_table import parquet_problem, trades_csv, trades_parquet
from mt5crs_shared.trading.trades import Earned, Span, Trade
from mt5crs_shared.wording import counted, duration
from mt5crs_supervisor.commands import show
from mt5crs_supervisor.commands.failures import CommandError, ExitCode, unknown_name
from mt5crs_supervisor.commands.records import books
from mt5crs_supervisor.commands.records.moments import begin_of
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.display.table import Cell, Column, column
from mt5crs_supervisor.display.words import money

_TOGETHER = "together"
"""Name of the row below the others."""


def show_trades(
    var_dir: Path,
    name: str | None,
    since: str | None,
    limit: int,
    as_csv: bool,
    parquet: Path | None,
    as_json: bool,
) -> None:
    """Print the trades that were closed, the newest last; as CSV, or as Parquet, all of them.

    Raises:
        CommandError: The file cannot be made, or more than one kind of output is wanted.
    """
    if as_csv + as_json + (parquet is not None) > 1:
        raise CommandError("--csv, --parquet and --json are one of the three", ExitCode.USAGE)
    found = _closed(var_dir, name, since)
    if parquet is not None:
        _write_parquet(found, parquet)
    elif as_csv:
        click.echo(trades_csv(found), nl=False)
    else:
        show.print_rows(found[-limit:], _trade_columns, _nothing(var_dir, name), as_json)


def show_earnings(
    var_dir: Path, name: str | None, span: Span, since: str | None, as_json: bool
) -> None:
    """Print what trades come to, put together by `span`, and all of them together below."""
    found = _closed(var_dir, name, since)
    groups = trading.grouped_by(found, span)
    rows = [trading.earned(group, group_trades) for group, group_trades in groups.items()]
    all_of_them = [trading.earned(_TOGETHER, found)] if len(rows) > 1 else []
    show.print_rows(
        rows,
        lambda rows: _earned_columns([*rows, *all_of_them], span),
        _nothing(var_dir, name),
        as_json,
    )


def _write_parquet(found: Sequence[Trade], file: Path) -> None:
    if problem := parquet_problem():
        raise CommandError(problem)
    made = trades_parquet(trades_csv(found))
    try:
        file.write_bytes(made)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error
    say(f"{counted(len(found), 'trade')} written to {file}")


def _closed(var_dir: Path, name: str | None, since: str | None) -> list[Trade]:
    """The trades that were closed, of a strategy, since a moment of event time."""
    begin = begin_of(since)
    begin_us = begin.timestamp() * 1e6 if begin is not None else 0.0
    with books.ledger_of(var_dir) as ledger:
        if ledger is None:
            return []
        found = ledger_queries.trades(ledger, name)
        if name is not None and not found:
            known = {deal.fill.strategy for deal in ledger_queries.deals(ledger)}
            if known and name not in known:
                raise unknown_name(name, known, "strategy with a deal")
    return [trade for trade in found if trade.closed_us >= begin_us]


def _nothing(var_dir: Path, name: str | None) -> str:
    return f"No trade{f' of {name}' if name else ''} was closed in {var_dir}."


def _earned_columns(rows: Sequence[Earned], span: Span) -> list[Column]:
    swaps = [column(rows, "SWAP", lambda r: money(r.swap), 4)] if any(r.swap for r in rows) else []
    return [
        column(rows, span.upper(), lambda r: Cell(_named(r, span)), right=False, least=8),
        column(rows, "TRADES", lambda r: Cell(f"{r.trades:,}")),
        column(rows, "NET", lambda r: money(r.net)),
        column(rows, "WON", lambda r: Cell(f"{r.win_rate:.0%}")),
        column(rows, "FACTOR", lambda r: Cell(_factor(r.profit_factor)), 1),
        column(rows, "MEAN", lambda r: money(r.mean), 2),
        column(rows, "BEST", lambda r: money(r.best), 3),
        column(rows, "WORST", lambda r: money(r.worst), 3),
        column(rows, "DRAWDOWN", lambda r: Cell(f"{r.drawdown:,.2f}"), 1),
        column(rows, "COMMISSION", lambda r: Cell(f"{r.commission:,.2f}"), 4),
        *swaps,
        column(rows, "OPEN FOR", lambda r: Cell(duration(r.seconds)), 5),
    ]


def _named(row: Earned, span: Span) -> str:
    of_exit = span == "exit" and row.name != _TOGETHER
    return trading.closed_by(Code(row.name)) if of_exit else row.name


def _factor(factor: float | None) -> str:
    return f"{factor:.2f}" if factor is not None else "-"


def _trade_columns(rows: Sequence[Trade]) -> list[Column]:
    swaps = [column(rows, "SWAP", lambda t: money(t.swap), 4)] if any(t.swap for t in rows) else []
    return [
        column(rows, "CLOSED (UTC)", lambda t: books.moment(t.closed_us), right=False),
        column(rows, "STRATEGY", lambda t: Cell(t.strategy), right=False, least=8),
        column(rows, "SYMBOL", lambda t: Cell(t.symbol), 1, right=False),
        column(rows, "SIDE", lambda t: Cell(t.side), right=False),
        column(rows, "LOTS", lambda t: Cell(f"{t.lots:.2f}"), 1),
        column(rows, "ENTRY", lambda t: books.price(t.entry), 2),
        column(rows, "EXIT", lambda t: books.price(t.exit), 2),
        column(rows, "NET", lambda t: money(t.net)),
        column(rows, "COMMISSION", lambda t: Cell(f"{t.commission:.2f}"), 4),
        *swaps,
        column(rows, "OPEN FOR", lambda t: Cell(duration(t.seconds)), 3),
        column(rows, "CLOSED BY", lambda t: Cell(trading.closed_by(t.code)), right=False),
        column(rows, "TICKET", lambda t: Cell(str(t.ticket)), 5),
    ]
