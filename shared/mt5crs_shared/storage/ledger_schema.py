"""The ledger's tables, and how to read them while the gateway runs.

The gateway is the only writer (`mt5crs_services.gateway.ledger`). Amounts of money are REAL in the
account's currency, rounded to :data:`MONEY_DIGITS`; :func:`total` adds them up exactly.
"""

import contextlib
import math
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market import rates
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.orders import Code, Fill, Position
from mt5crs_shared.storage import store
from mt5crs_shared.storage.store import Pruned, Schema

INSTALLATION = "installation"
"""Key in `meta` of the id of the installation that the ledger belongs to."""

MONEY_DIGITS = 6
"""Decimal digits of an amount: finer than any currency's coin, so that a commission on 0.01 lots
is not rounded away, and coarse enough that every sum of amounts is exact (see `total`)."""

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE epochs (strategy TEXT PRIMARY KEY, epoch INTEGER NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, order_id TEXT NOT NULL UNIQUE, strategy TEXT NOT NULL,
    epoch INTEGER NOT NULL, symbol TEXT NOT NULL, action TEXT NOT NULL, side TEXT NOT NULL,
    lots REAL, time_us INTEGER NOT NULL, reason TEXT NOT NULL, request BLOB NOT NULL,
    status TEXT NOT NULL, code TEXT, detail TEXT NOT NULL, ticket INTEGER NOT NULL, result BLOB,
    recorded REAL NOT NULL);
CREATE INDEX orders_open ON orders (id) WHERE result IS NULL;
CREATE TABLE deals (
    id INTEGER PRIMARY KEY, order_id TEXT NOT NULL UNIQUE, strategy TEXT NOT NULL,
    symbol TEXT NOT NULL, ticket INTEGER NOT NULL, entry TEXT NOT NULL, side TEXT NOT NULL,
    lots REAL NOT NULL, price REAL NOT NULL, time_us INTEGER NOT NULL, code TEXT NOT NULL,
    profit REAL NOT NULL, commission REAL NOT NULL, stop_loss REAL NOT NULL,
    take_profit REAL NOT NULL, balance REAL NOT NULL, recorded REAL NOT NULL,
    UNIQUE (ticket, entry));
CREATE TABLE totals (
    strategy TEXT PRIMARY KEY, made INTEGER NOT NULL, deals INTEGER NOT NULL);
CREATE TABLE tickets (magic INTEGER PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE positions (
    ticket INTEGER PRIMARY KEY, strategy TEXT NOT NULL UNIQUE, symbol TEXT NOT NULL,
    magic INTEGER NOT NULL, side TEXT NOT NULL, lots REAL NOT NULL, open_price REAL NOT NULL,
    open_time_us INTEGER NOT NULL, stop_loss REAL NOT NULL, take_profit REAL NOT NULL,
    open_bid REAL NOT NULL, open_ask REAL NOT NULL, open_place INTEGER NOT NULL,
    timed INTEGER NOT NULL, rate REAL NOT NULL, seen INTEGER, touch BLOB);
CREATE TABLE symbols (symbol TEXT PRIMARY KEY, spec BLOB NOT NULL);
CREATE TABLE streams (symbol TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE events (
    id INTEGER PRIMARY KEY, recorded REAL NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
"""
"""`orders` holds what strategies asked for and what the book did by itself (then `request` is
empty and `action` is CLOSE); `result` is NULL while an order waits for its tick. `totals` (in units
of the last money digit) and `tickets` follow from `deals`. They, `streams` and the last four
columns of `positions` are what the gateway goes on from. `symbols` has what symbols.yaml said of
each symbol that could be traded, so that a position can be guarded and valued when the
configuration names its symbol no more."""

_FOR_ANY_BROKER = """
UPDATE orders SET status = 'NEW' WHERE status = 'PENDING' AND result IS NULL;
CREATE TABLE rule_states (
    rule TEXT NOT NULL, key TEXT NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (rule, key)) WITHOUT ROWID;
CREATE TABLE rules (rule TEXT PRIMARY KEY, deal INTEGER NOT NULL) WITHOUT ROWID;
ALTER TABLE deals RENAME TO deals_before;
CREATE TABLE deals (
    id INTEGER PRIMARY KEY, order_id TEXT NOT NULL UNIQUE, strategy TEXT NOT NULL,
    symbol TEXT NOT NULL, ticket INTEGER NOT NULL, entry TEXT NOT NULL, side TEXT NOT NULL,
    lots REAL NOT NULL, price REAL NOT NULL, time_us INTEGER NOT NULL, code TEXT NOT NULL,
    profit REAL NOT NULL, commission REAL NOT NULL, stop_loss REAL NOT NULL,
    take_profit REAL NOT NULL, balance REAL NOT NULL, recorded REAL NOT NULL);
INSERT INTO deals SELECT * FROM deals_before;
DROP TABLE deals_before;
CREATE INDEX deals_ticket ON deals (ticket, entry);
"""
"""An order that waits for its tick is NEW; PENDING is one that the broker has. A position may be
closed in parts, by as many deals. What risk rules remember, and which deal they heard of last."""

_OCCURRENCES = """
ALTER TABLE positions RENAME COLUMN open_place TO open_occurrence;
UPDATE orders SET request = renamed(request, 'place', 'occurrence'),
    result = renamed(result, 'position.open_place', 'open_occurrence');
"""

_LAST_DEALS = """
ALTER TABLE totals ADD COLUMN deal_us INTEGER NOT NULL DEFAULT 0;
UPDATE totals SET deal_us = (SELECT time_us FROM deals WHERE deals.strategy = totals.strategy
    ORDER BY id DESC LIMIT 1);
"""
"""The event time of each strategy's last deal, which a respawned process has to come to first."""

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
_decode_spec = msgspec.json.Decoder(SymbolSpec).decode
_ORDER_COLUMNS = (
    "order_id, strategy, epoch, symbol, action, side, lots, time_us, reason, status, code,"
    " detail, ticket, recorded"
)


class LedgerError(Mt5crsError):
    """The ledger is missing, damaged, or cannot be read or written; the message says which.

    A reader reports it. The gateway books nothing and is asked again; where damage is found at the
    start, the gateway ends for good, since the ledger is money and is never set aside silently.
    """


SCHEMA = Schema(
    name="ledger",
    steps=(
        _TABLES,
        # The number of the file itself says it from here on.
        "DELETE FROM meta WHERE key = 'version';",
        _FOR_ANY_BROKER,
        _OCCURRENCES,
        _LAST_DEALS,
    ),
    mark="SELECT max(epoch) FROM epochs",
    unnumbered="SELECT 1 FROM meta WHERE key = 'version' AND value = '3'",
    failed=LedgerError,
    unfit=LedgerError,
    essential=("meta", "epochs", "totals", "tickets", "positions", "streams"),
    pruned=(Pruned("orders", "recorded", kept="result IS NULL"), Pruned("events", "recorded")),
)
"""Every deal, and what waits, stays for good."""


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


class StrategyBalance(msgspec.Struct, frozen=True):
    """What one strategy has made: profit less commission, and the number of its deals."""

    strategy: str
    realised: float
    deals: int


class Balances(msgspec.Struct, frozen=True):
    """The account's money, made of its deals.

    Attributes:
        currency: The account's currency.
        first_balance: Where it began.
        balance: First balance and what all deals made.
        strategies: One entry for each strategy with a deal, by name.
    """

    currency: str
    first_balance: float
    balance: float
    strategies: tuple[StrategyBalance, ...]


def total(amounts: Iterable[float]) -> float:
    """The sum of amounts, exact to :data:`MONEY_DIGITS` and the same in whatever order."""
    return round(math.fsum(amounts), MONEY_DIGITS)


def open_ledger(path: Path, older: bool = False) -> sqlite3.Connection:
    """Open a ledger for reading; the gateway may be writing at the same time.

    Args:
        path: The file.
        older: Also one that the gateway has not brought up to date yet, for who reads only what
            every version has: :func:`guarded`, :func:`owner`.

    Raises:
        LedgerError: There is none, or it is no ledger of this version.
    """
    if not path.exists():
        raise LedgerError(f"{path}: there is no ledger yet; the gateway makes it")
    return store.open_readonly(path, SCHEMA, older)


def owner(path: Path) -> str:
    """The installation that a ledger belongs to; empty: there is none, or it cannot be read."""
    try:
        with contextlib.closing(open_ledger(path, older=True)) as db:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (INSTALLATION,)).fetchone()
    except (LedgerError, sqlite3.Error):
        return ""
    return str(row[0]) if row is not None else ""


def read_positions(db: sqlite3.Connection) -> list[Position]:
    """The open positions, by strategy.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    rows = _rows(db, f"SELECT {POSITION_COLUMNS} FROM positions ORDER BY strategy")
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


def deals_after(db: sqlite3.Connection, number: int) -> Iterator[Deal]:
    """Deals with higher numbers, in the order they were booked.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    query = f"SELECT {_DEAL_COLUMNS} FROM deals WHERE id > :after ORDER BY id LIMIT {AT_ONCE}"
    while rows := _rows(db, query, {"after": number}):
        for row in rows:
            deal = _deal(row)
            yield deal
            number = deal.id


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
    return [
        msgspec.convert(dict(zip(OrderRecord.__struct_fields__, row, strict=True)), OrderRecord)
        for row in rows
    ]


def balances(db: sqlite3.Connection) -> Balances:
    """The account's balance and each strategy's share in it, added up from the deals.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    meta = {str(key): str(value) for key, value in _rows(db, "SELECT key, value FROM meta")}
    amounts: dict[str, list[float]] = {}
    for strategy, profit, commission in _rows(
        db, "SELECT strategy, profit, commission FROM deals ORDER BY strategy, id"
    ):
        amounts.setdefault(str(strategy), []).extend((profit, -commission))  # type: ignore[arg-type,operator]
    first = float(meta["first_balance"])
    return Balances(
        currency=meta["currency"],
        first_balance=first,
        balance=total([first, *(amount for made in amounts.values() for amount in made)]),
        strategies=tuple(
            StrategyBalance(name, total(made), len(made) // 2) for name, made in amounts.items()
        ),
    )


def guarded(db: sqlite3.Connection) -> dict[str, SymbolSpec]:
    """The symbols of the open positions, and those that convert their profit.

    Whoever trades them now: a position is guarded as long as it is open.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    specs = {}
    for symbol, spec in _rows(db, "SELECT symbol, spec FROM symbols"):
        try:
            specs[str(symbol)] = _decode_spec(spec)  # type: ignore[arg-type]  # anything else raises
        except (msgspec.MsgspecError, TypeError) as error:
            raise LedgerError(f"the ledger's spec of {symbol} is damaged: {error}") from error
    held = [str(symbol) for (symbol,) in _rows(db, "SELECT DISTINCT symbol FROM positions")]
    ((currency,),) = _rows(db, "SELECT value FROM meta WHERE key = 'currency'")
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
    rows = _rows(db, query, {**wanted, "limit": -1 if limit is None else limit})
    return rows[::-1]


def _rows(
    db: sqlite3.Connection, query: str, values: dict[str, object] | None = None
) -> list[tuple[object, ...]]:
    try:
        return db.execute(query, values or {}).fetchall()
    except sqlite3.Error as error:
        raise LedgerError(f"the ledger cannot be read: {error}") from error
