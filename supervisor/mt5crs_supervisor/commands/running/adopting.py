"""Positions at the broker that are nobody's here: which ones there are, and whose they become."""

from collections.abc import Sequence

import click

from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.trading.operator_requests import Adopt, AskTrading, TradingReport
from mt5crs_shared.trading.orders import Position
from mt5crs_supervisor.commands import show
from mt5crs_supervisor.commands.failures import CommandError, unknown_name
from mt5crs_supervisor.commands.trading import user_name
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.display.table import Cell, Column, column
from mt5crs_supervisor.operator.trading_control import TradingControl


def show_foreign(paths: VarPaths, as_json: bool) -> None:
    """Print the positions of the broker's account that are no strategy's."""
    found = _foreign_of(TradingControl(paths).ask(AskTrading()))
    show.print_rows(
        found,
        _columns,
        "Every open position of the account is a strategy's.",
        as_json,
        "They are left alone. `adopt TICKET STRATEGY` makes one a strategy's own.",
    )


def adopt(paths: VarPaths, ticket: int, strategy: str, sure: bool) -> None:
    """Make a position that is nobody's a strategy's own; the gateway has the strategy know of it.

    Raises:
        CommandError: It cannot be, and why; nothing was changed.
    """
    gateway = TradingControl(paths)
    report = gateway.ask(AskTrading())
    names = [trial.strategy for trial in report.trials]
    if strategy not in names:
        raise unknown_name(strategy, names, "strategy")
    foreign = _foreign_of(report)
    found = next((position for position in foreign if position.ticket == ticket), None)
    if found is None and ticket not in {position.ticket for position in report.positions}:
        tickets = [str(position.ticket) for position in foreign]
        raise unknown_name(str(ticket), tickets, "position that is nobody's")
    if found is not None and not sure:
        say(f"{strategy} is to have position {ticket}: {_in_words(found)}.")
        say("From then on it closes it as it would one of its own.")
        click.confirm("Is that right?", abort=True)
    answer = gateway.ask(Adopt(ticket, strategy, user_name()))
    if answer.refused:
        raise CommandError(f"position {ticket}: {answer.refused}; nothing was changed")
    say(f"{strategy} has position {ticket}; its process is told, now or when there is one")


def _foreign_of(report: TradingReport) -> tuple[Position, ...]:
    if report.foreign is None:
        raise CommandError(
            "the bridge has not said what is open, or cannot in its dialect; `status` says how it"
            " is with it, and docs/live.md which dialects can"
        )
    return report.foreign


def _in_words(position: Position) -> str:
    stop = f"stop {position.stop_loss:g}" if position.stop_loss else "no stop"
    target = f"target {position.take_profit:g}" if position.take_profit else "no target"
    what = f"{position.side} {position.lots:g} {position.symbol} at {position.open_price:g}"
    return f"{what}, {stop}, {target}"


def _columns(rows: Sequence[Position]) -> list[Column]:
    def price(value: float) -> Cell:
        return Cell(f"{value:g}" if value else "-")

    return [
        column(rows, "TICKET", lambda p: Cell(str(p.ticket))),
        column(rows, "SYMBOL", lambda p: Cell(p.symbol), right=False),
        column(rows, "SIDE", lambda p: Cell(p.side), right=False),
        column(rows, "LOTS", lambda p: Cell(f"{p.lots:g}")),
        column(rows, "OPEN", lambda p: price(p.open_price)),
        column(rows, "STOP", lambda p: price(p.stop_loss), 2),
        column(rows, "TARGET", lambda p: price(p.take_profit), 2),
        column(rows, "MAGIC", lambda p: Cell(str(p.magic) if p.magic else "-"), 1),
    ]
