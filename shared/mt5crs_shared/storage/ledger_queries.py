"""What is read from the ledger, by the gateway and by who looks on: deals, orders, positions.

Amounts of money are in the account's currency; :func:`total` adds them up exactly.
"""

import heapq
import math
import sqlite3
from collections.abc import Iterable, Iterator

import msgspec

from mt5crs_shared.market import rates
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.storage.ledger_schema import MONEY_DIGITS, LedgerError
from mt5crs_shared.trading.orders import Charge, Code, Fill, Position
from mt5crs_shared.trading.trades import Trade, trades_of

DEAL_COLUMNS = (
    "order_id, strategy, symbol, ticket, entry, side, lots, price, time_us, code, profit,"
    " commission, stop_loss, take_profit"
)
_DEAL_COLUMNS = f"{DEAL_COLUMNS}, id, balance, recorded"
AT_ONCE = 5_000
"""Deals that are read in one go."""

POSITION_COLUMNS = (
    "ticket, strategy, symbol, magic, side, lots, open_price, open_time_us, stop_loss,"
    " take_profit, open_bid, open_ask, open_occurrence"
)
_CHARGE_COLUMNS = "deal, strategy, ticket, time_us, commission, swap"
_decode_spec = msgspec.json.Decoder(SymbolSpec).decode
_ORDER_COLUMNS = (
    "order_id, strategy, epoch, symbol, action, side, lots, time_us, reason, status, code,"
    " detail, ticket, recorded,"
    " (SELECT price FROM deals WHERE deals.order_id = orders.order_id)"
)


class Deal(msgspec.Struct, frozen=True):
    """One row of the deals.

    Attributes:
        id: Number of the deal in the account, from 1.
        fill: The deal.
        balance: The account's balance after it.
        recorded: Wall time of the booking, seconds since the epoch.
    """

    id: int
    fill: Fill
    balance: float
    recorded: float


class OrderRecord(msgspec.Struct, frozen=True):
    """One row of the orders.

    Attributes:
        order_id: Its id.
        strategy: Whose it is.
        epoch: The spawn that sent it first; 0 where the book acted by itself.
        symbol: Exact symbol.
        action: OPEN or CLOSE.
        side: Side of the deal.
        lots: Volume; None where the request had none that is a number.
        time_us: Event time of its tick.
        reason: What led to it, for people.
        status: NEW while it waits for its tick, SENT, PENDING or UNKNOWN while its fate is not
            known, then FILLED, PARTIAL or REJECTED.
        code: Why; None while it waits.
        detail: For people.
        ticket: The position; 0 where there is none.
        recorded: Wall time of the first record, seconds since the epoch.
        price: Of its deal; None: there is none.
    """

    order_id: str
    strategy: str
    epoch: int
    symbol: str
    action: str
    side: str
    lots: float | None
    time_us: int
    reason: str
    status: str
    code: Code | None
    detail: str
    ticket: int
    recorded: float
    price: float | None


class StrategyBalance(msgspec.Struct, frozen=True):
    """What one strategy has made less commission and swap, and the number of its deals."""

    strategy: str
    realised: float
    deals: int


class Balances(msgspec.Struct, frozen=True):
    """The account's money, made of its deals and of what was charged for them.

    Attributes:
        currency: The account's currency.
        first_balance: Where it began.
        balance: First balance and what all deals made less commission and swap.
        strategies: One entry for each strategy with a deal, by name.
    """

    currency: str
    first_balance: float
    balance: float
    strategies: tuple[StrategyBalance, ...]


def total(amounts: Iterable[float]) -> float:
    """The sum of amounts, exact to :data:`MONEY_DIGITS` and the same in whatever order."""
    return round(math.fsum(amounts), MONEY_DIGITS)


def snapshot(db: sqlite3.Connection) -> None:
    """See the ledger as it is now in every query that follows, whatever is written meanwhile.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    select(db, "BEGIN")


def read_positions(db: sqlite3.Connection) -> list[Position]:
    """The open positions, by strategy.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    rows = select(db, f"SELECT {POSITION_COLUMNS} FROM positions ORDER BY strategy")
    return [Position(*row) for row in rows]  # type: ignore[arg-type]  # as declared in the DDL


def deals(
    db: sqlite3.Connection, strategy: str | None = None, limit: int | None = None
) -> list[Deal]:
    """Deals in the order they were booked.

    Args:
        db: The ledger.
        strategy: Only this one's.
        limit: Only the newest so many.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    return [_deal(row) for row in _newest(db, _DEAL_COLUMNS, "deals", limit, strategy=strategy)]


def charges(db: sqlite3.Connection, strategy: str | None = None) -> list[Charge]:
    """What the broker has charged for deals, in the order of its numbers.

    Args:
        db: The ledger.
        strategy: Only this one's.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    rows = select(
        db,
        f"SELECT {_CHARGE_COLUMNS} FROM charges"
        " WHERE :strategy IS NULL OR strategy = :strategy ORDER BY deal",
        {"strategy": strategy},
    )
    return [_charge(row) for row in rows]


def _charge(row: tuple[object, ...]) -> Charge:
    return Charge(*row)  # type: ignore[arg-type]  # as declared in the DDL


def trades(db: sqlite3.Connection, strategy: str | None = None) -> list[Trade]:
    """The trades that were closed, in the order of their last closings.

    Args:
        db: The ledger.
        strategy: Only this one's.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    booked = (deal.fill for deal in deals(db, strategy))
    return list(trades_of(booked, charges(db, strategy)))


def closing_of(db: sqlite3.Connection, ticket: int) -> Fill | None:
    """The deal that closed a position; of several, the last; None: none did.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    query = (
        f"SELECT {DEAL_COLUMNS} FROM deals WHERE ticket = :ticket AND entry = 'OUT'"
        " ORDER BY id DESC LIMIT 1"
    )
    found = select(db, query, {"ticket": ticket})
    return fill_of(found[0]) if found else None


def owner_of(db: sqlite3.Connection, ticket: int) -> str | None:
    """Whose a position is, or was last; None: no strategy's.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    query = "SELECT strategy FROM deals WHERE ticket = :ticket ORDER BY id DESC LIMIT 1"
    found = select(db, query, {"ticket": ticket})
    return str(found[0][0]) if found else None


def symbol_of_position(db: sqlite3.Connection, ticket: int) -> str:
    """The symbol of a position that the ledger has a deal of.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    query = "SELECT symbol FROM deals WHERE ticket = :ticket LIMIT 1"
    return str(select(db, query, {"ticket": ticket})[0][0])


def deals_after(db: sqlite3.Connection, number: int) -> Iterator[Deal]:
    """Deals with higher numbers, in the order they were booked.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    query = f"SELECT {_DEAL_COLUMNS} FROM deals WHERE id > :after ORDER BY id LIMIT {AT_ONCE}"
    while rows := select(db, query, {"after": number}):
        for row in rows:
            deal = _deal(row)
            yield deal
            number = deal.id


def happened_after(db: sqlite3.Connection, deal: int, charge: int) -> Iterator[Fill | Charge]:
    """Deals as they were booked, and among them, by time, what the broker has charged.

    Args:
        db: The ledger.
        deal: Deals with higher numbers alone.
        charge: Charges that were booked after so many alone.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    dealt = (each.fill for each in deals_after(db, deal))
    rows = select(
        db,
        f"SELECT {_CHARGE_COLUMNS} FROM charges WHERE id > :after ORDER BY time_us, id",
        {"after": charge},
    )
    # A charge comes after the deal of its moment.
    return heapq.merge(dealt, map(_charge, rows), key=lambda each: each.time_us)


def _deal(row: tuple[object, ...]) -> Deal:
    return Deal(row[14], fill_of(row[:14]), row[15], row[16])  # type: ignore[arg-type]


def read_orders(
    db: sqlite3.Connection,
    strategy: str | None = None,
    limit: int | None = None,
    status: str | None = None,
) -> list[OrderRecord]:
    """Orders in the order they came, refused and waiting ones included.

    Args:
        db: The ledger.
        strategy: Only this one's.
        limit: Only the newest so many.
        status: Only those of this status.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    rows = _newest(db, _ORDER_COLUMNS, "orders", limit, strategy=strategy, status=status)
    return [_order(row) for row in rows]


def order_reason(db: sqlite3.Connection, order_id: str) -> str:
    """What led to an order, for people; empty: nobody said, or it was long ago.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    found = select(db, "SELECT reason FROM orders WHERE order_id = :id", {"id": order_id})
    return str(found[0][0]) if found else ""


def refused_between(db: sqlite3.Connection, after: int, last: int) -> list[OrderRecord]:
    """Refused orders in the order they came.

    Args:
        db: The ledger.
        after: Rows with higher numbers alone.
        last: The last number.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    query = (
        f"SELECT {_ORDER_COLUMNS} FROM orders"
        " WHERE id > :after AND id <= :last AND status = 'REJECTED' ORDER BY id"
    )
    return [_order(row) for row in select(db, query, {"after": after, "last": last})]


def _order(row: tuple[object, ...]) -> OrderRecord:
    return msgspec.convert(dict(zip(OrderRecord.__struct_fields__, row, strict=True)), OrderRecord)


def balances(db: sqlite3.Connection) -> Balances:
    """The account's balance and each strategy's share in it, added up from deals and charges.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    meta = {str(key): str(value) for key, value in select(db, "SELECT key, value FROM meta")}
    amounts: dict[str, list[float]] = {}
    for strategy, profit, commission in select(
        db, "SELECT strategy, profit, commission FROM deals ORDER BY strategy, id"
    ):
        amounts.setdefault(str(strategy), []).extend((profit, -commission))  # type: ignore[arg-type,operator]
    deals_of = {strategy: len(made) // 2 for strategy, made in amounts.items()}
    for charge in charges(db):
        amounts[charge.strategy].extend((charge.swap, -charge.commission))
    first = float(meta["first_balance"])
    return Balances(
        currency=meta["currency"],
        first_balance=first,
        balance=total([first, *(amount for made in amounts.values() for amount in made)]),
        strategies=tuple(
            StrategyBalance(name, total(made), deals_of[name]) for name, made in amounts.items()
        ),
    )


def guarded(db: sqlite3.Connection) -> dict[str, SymbolSpec]:
    """The symbols of the open positions, and those that convert their profit.

    Whoever trades them now: a position is guarded as long as it is open.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    specs = {}
    for symbol, spec in select(db, "SELECT symbol, spec FROM symbols"):
        try:
            specs[str(symbol)] = _decode_spec(spec)  # type: ignore[arg-type]  # anything else raises
        except (msgspec.MsgspecError, TypeError) as error:
            raise LedgerError(f"the ledger's spec of {symbol} is damaged: {error}") from error
    held = [str(symbol) for (symbol,) in select(db, "SELECT DISTINCT symbol FROM positions")]
    ((currency,),) = select(db, "SELECT value FROM meta WHERE key = 'currency'")
    return rates.needed(held, str(currency), specs)


def fill_of(row: tuple[object, ...]) -> Fill:
    """The deal in a row of :data:`DEAL_COLUMNS`."""
    return msgspec.convert(dict(zip(Fill.__struct_fields__, row, strict=True)), Fill)


def _newest(
    db: sqlite3.Connection, columns: str, table: str, limit: int | None, **only: str | None
) -> list[tuple[object, ...]]:
    """The newest rows, the newest last; those alone that have these values in these columns."""
    wanted = {name: value for name, value in only.items() if value is not None}
    where = " AND ".join(f"{name} = :{name}" for name in wanted) or "1"
    query = f"SELECT {columns} FROM {table} WHERE {where} ORDER BY id DESC LIMIT :limit"
    rows = select(db, query, {**wanted, "limit": -1 if limit is None else limit})
    return rows[::-1]


def select(
    db: sqlite3.Connection, query: str, values: dict[str, object] | None = None
) -> list[tuple[object, ...]]:
    """Rows of the ledger.

    Raises:
        LedgerError: It cannot be read.
    """
    try:
        return db.execute(query, values or {}).fetchall()
    except sqlite3.Error as error:
        raise LedgerError(f"the ledger cannot be read: {error}") from error
