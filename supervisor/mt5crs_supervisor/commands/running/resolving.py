"""Orders whose fate nobody knows: which ones there are, and what somebody has found out."""

from collections.abc import Sequence

from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import ledger_queries
from mt5crs_shared.storage.ledger_queries import OrderRecord
from mt5crs_shared.trading.operator_requests import Settle
from mt5crs_supervisor.commands import show
from mt5crs_supervisor.commands.failures import CommandError, unknown_name
from mt5crs_supervisor.commands.records import books
from mt5crs_supervisor.commands.trading import user_name
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.display.table import Cell, Column, column
from mt5crs_supervisor.operator.trading_control import TradingControl

OPEN = ("SENT", "PENDING", "UNKNOWN")
"""What the ledger says of orders that have left, and have no end."""


def show_open(paths: VarPaths, as_json: bool) -> None:
    """Print the orders that have been sent and have no end yet, by the ledger."""
    found = _open_orders(paths)
    show.print_rows(
        found,
        _columns,
        "The fate of every order is known.",
        as_json,
        "Look in the terminal, and say `resolve ORDER filled` or `not-filled`.",
    )


def resolve(paths: VarPaths, what: str, fate: str, ticket: int, lots: float, price: float) -> None:
    """Tell the gateway what nobody here can find out.

    Args:
        paths: The ``var`` folder.
        what: An order, the ticket of a position, or ``balance``.
        fate: What became of it: ``filled``, ``not-filled`` or ``accepted``.
        ticket: See `Settle`.
        lots: See `Settle`.
        price: See `Settle`.

    Raises:
        CommandError: It is none whose fate is unknown, or what was said cannot be.
    """
    gateway = TradingControl(paths)
    known = [order.order_id for order in _open_orders(paths)]
    report = gateway.ask(Settle(what, fate != "not-filled", user_name(), ticket, lots, price))
    if not report.refused:
        told = "the ledger's stays as it is" if fate == "accepted" else "its strategy is told"
        say(f"{what}: {fate}; {told}")
        return
    if what not in known and fate != "accepted" and not what.isdigit():
        raise unknown_name(what, known, "order whose fate is unknown")
    raise CommandError(f"{what}: {report.refused}; nothing was changed")


def _open_orders(paths: VarPaths) -> list[OrderRecord]:
    with books.ledger_of(paths.var) as ledger:
        if ledger is None:
            return []
        return [
            order for state in OPEN for order in ledger_queries.read_orders(ledger, status=state)
        ]


def _columns(rows: Sequence[OrderRecord]) -> list[Column]:
    return [
        column(rows, "ORDER", lambda o: Cell(o.order_id), right=False),
        column(rows, "STRATEGY", lambda o: Cell(o.strategy), 2, right=False),
        column(rows, "STATE", lambda o: Cell(o.status, "yellow"), right=False),
        column(rows, "WHAT", lambda o: Cell(_asked(o)), right=False),
        column(rows, "MARKET (UTC)", lambda o: books.moment(o.time_us), 1, right=False),
    ]


def _asked(order: OrderRecord) -> str:
    return f"{order.action} {order.side} {order.lots or 0.0:g} {order.symbol}"
