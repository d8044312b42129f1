"""`positions` and `orders`: what the ledger says, whether anything runs or not."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mt5crs_shared.configuration import loading
from mt5crs_shared.control.asking import ControlTimeout, NotRunning
from mt5crs_shared.errors import ConfigError
from mt5crs_shared.market.wire import to_the_second
from mt5crs_shared.metrics import StrategyMoney
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.storage.ledger_queries import OrderRecord
from mt5crs_shared.trading.orders import Position
from mt5crs_supervisor.commands import show
from mt5crs_supervisor.commands.failures import unknown_name
from mt5crs_supervisor.display import words
from mt5crs_supervisor.display.table import Cell, Column, column
from mt5crs_supervisor.operator.control import ControlClient

STATUS_COLOURS = {"FILLED": "green", "PARTIAL": "green", "REJECTED": "red"}


def show_positions(var_dir: Path, as_json: bool) -> None:
    """Print the open positions."""
    found: list[Position] = []
    with ledger_of(var_dir) as ledger:
        if ledger is not None:
            found = ledger_queries.read_positions(ledger)
    show.print_rows(
        found,
        lambda rows: position_columns(rows, _money_of(var_dir)),
        "There are no open positions." if ledger is not None else _no_ledger(var_dir),
        as_json,
    )


def show_orders(
    var_dir: Path, config: Path, name: str | None, limit: int | None, as_json: bool
) -> None:
    """Print the newest orders, the newest last."""
    found: list[OrderRecord] = []
    with ledger_of(var_dir) as ledger:
        if ledger is not None:
            found = ledger_queries.read_orders(ledger, name, limit)
            if name is not None and not found:
                _check_name(name, config, ledger_queries.read_orders(ledger))
        elif name is not None:
            _check_name(name, config, [])
    none_yet = f"There are no orders{f' of {name}' if name else ''} yet."
    nothing = none_yet if ledger is not None else _no_ledger(var_dir)
    show.print_rows(found, order_columns, nothing, as_json)


def _money_of(var_dir: Path) -> dict[int, StrategyMoney]:
    """What the gateway last said of each open position, by ticket; nothing where nothing runs."""
    try:
        account = ControlClient(var_dir).status().account
    except (NotRunning, ControlTimeout):
        return {}
    money = account.strategies if account is not None else ()
    return {entry.position.ticket: entry for entry in money if entry.position is not None}


def position_columns(
    rows: Sequence[Position], money: Mapping[int, StrategyMoney] | None = None
) -> list[Column]:
    """The columns of the positions.

    Args:
        rows: The positions.
        money: What the gateway says of them, by ticket, while it runs.
    """
    said = money or {}

    def now(position: Position) -> float:
        entry = said.get(position.ticket)
        return entry.price if entry is not None else 0.0

    def floating(position: Position) -> Cell:
        entry = said.get(position.ticket)
        return words.money(entry.floating) if entry is not None else Cell("-")

    def left(position: Position, level: float) -> Cell:
        """From the price of now to a stop or target; what is beyond it is being closed."""
        return price(abs(level - now(position))) if level and now(position) else Cell("-")

    columns = [
        column(rows, "TICKET", lambda p: Cell(str(p.ticket))),
        column(rows, "STRATEGY", lambda p: Cell(p.strategy), right=False, least=12),
        column(rows, "SYMBOL", lambda p: Cell(p.symbol), right=False),
        column(rows, "SIDE", lambda p: Cell(p.side), right=False),
        column(rows, "LOTS", lambda p: Cell(f"{p.lots:.2f}")),
        column(rows, "PRICE", lambda p: price(p.open_price)),
    ]
    if said:
        columns += [
            column(rows, "NOW", lambda p: price(now(p))),
            column(rows, "FLOATING", floating),
            column(rows, "TO STOP", lambda p: left(p, p.stop_loss), 1),
            column(rows, "TO TARGET", lambda p: left(p, p.take_profit), 2),
        ]
    return [
        *columns,
        column(rows, "STOP", lambda p: price(p.stop_loss), 3 if said else 0),
        column(rows, "TARGET", lambda p: price(p.take_profit), 4 if said else 0),
        column(rows, "OPENED (UTC)", lambda p: moment(p.open_time_us), 5),
        column(rows, "MAGIC", lambda p: Cell(str(p.magic)), 6),
    ]


def order_columns(rows: Sequence[OrderRecord]) -> list[Column]:
    """The columns of the orders."""
    return [
        column(rows, "MARKET (UTC)", lambda o: moment(o.time_us), right=False),
        column(rows, "STRATEGY", lambda o: Cell(o.strategy), right=False, least=12),
        column(rows, "SYMBOL", lambda o: Cell(o.symbol), 4, right=False),
        column(rows, "ACTION", lambda o: Cell(o.action), right=False),
        column(rows, "SIDE", lambda o: Cell(o.side), right=False),
        column(rows, "LOTS", lambda o: Cell("-" if o.lots is None else f"{o.lots:.2f}")),
        column(rows, "PRICE", lambda o: price(o.price or 0.0), 2),
        column(rows, "STATUS", lambda o: Cell(o.status, STATUS_COLOURS.get(o.status)), right=False),
        column(rows, "CODE", lambda o: Cell(o.code or "-"), 3, right=False),
        column(rows, "TICKET", lambda o: Cell(str(o.ticket or "-")), 5),
        column(rows, "WHY", lambda o: Cell(o.detail or o.reason), 1, right=False, least=12),
    ]


@contextlib.contextmanager
def ledger_of(var_dir: Path) -> Iterator[sqlite3.Connection | None]:
    """The ledger, opened for reading; None where there is none yet."""
    path = VarPaths(var_dir).ledger
    if not path.exists():
        yield None
        return
    with contextlib.closing(ledger_schema.open_ledger(path)) as ledger:
        yield ledger


def _no_ledger(var_dir: Path) -> str:
    return f"There is no ledger in {var_dir}: nothing has run there. --var-dir names the folder."


def _check_name(name: str, config: Path, orders_: Sequence[OrderRecord]) -> None:
    """Refuse a name that neither the ledger nor the configuration knows."""
    known = {order.strategy for order in orders_}
    with contextlib.suppress(ConfigError):
        known |= {strategy.name for strategy in loading.load_config(config).strategies}
    if name not in known:
        raise unknown_name(name, known, "strategy")


def price(value: float) -> Cell:
    """A price, with the digits that its size suggests."""
    if not value:
        return Cell("-", "bright_black")
    return Cell(f"{value:.5f}" if value < 20.0 else f"{value:.3f}")


def moment(time_us: int) -> Cell:
    """An event time to the second, UTC."""
    return Cell(to_the_second(time_us))
