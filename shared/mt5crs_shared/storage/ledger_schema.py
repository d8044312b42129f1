"""The ledger's tables, step by step, and how to open it while the gateway runs.

The gateway is the only writer (`mt5crs_services.gateway.ledger`). Amounts of money are REAL in the
account's currency, rounded to :data:`MONEY_DIGITS`; `ledger_queries.total` adds them up exactly.
"""

import contextlib
import sqlite3
from pathlib import Path

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.storage import store
from mt5crs_shared.storage.store import Pruned, Schema

INSTALLATION = "installation"
"""Key in `meta` of the id of the installation that the ledger belongs to."""

BOOK = "book"
"""Key in `meta` of whose deals a ledger has."""

PAPER = "paper"
"""They are the paper book's."""

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
of the last money digit) and `tickets` follow from `deals`, and `totals` from `charges` too. They,
`streams` and the last four columns of `positions` are what the gateway goes on from. `symbols` has
what symbols.yaml said of each symbol that could be traded, so that a position can be guarded and
valued when the configuration names its symbol no more."""

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

_LOCKS = """
CREATE TABLE locks (
    owner TEXT NOT NULL, scope TEXT NOT NULL, state TEXT NOT NULL, who TEXT NOT NULL,
    why TEXT NOT NULL, since REAL NOT NULL, until REAL, PRIMARY KEY (owner, scope)) WITHOUT ROWID;
ALTER TABLE events ADD COLUMN name TEXT NOT NULL DEFAULT '';
"""
"""What holds orders back; and whom an event happened to: a strategy, or (empty) the account."""

_SHADOWS = """
CREATE TABLE shadow_deals (
    id INTEGER PRIMARY KEY, order_id TEXT NOT NULL UNIQUE, strategy TEXT NOT NULL,
    kind TEXT NOT NULL, side TEXT NOT NULL, decided_us INTEGER, point REAL NOT NULL, worth REAL,
    price REAL, code TEXT, recorded REAL NOT NULL);
CREATE TABLE shadow_requests (
    id INTEGER PRIMARY KEY, order_id TEXT NOT NULL UNIQUE, strategy TEXT NOT NULL,
    time_us INTEGER NOT NULL, dialect TEXT NOT NULL, request BLOB NOT NULL,
    recorded REAL NOT NULL);
"""
"""What the paper book would have made of a live account's orders, and what would have been sent for
those of a paper account."""


_CHARGES = """
CREATE TABLE charges (
    deal INTEGER PRIMARY KEY, strategy TEXT NOT NULL, ticket INTEGER NOT NULL,
    time_us INTEGER NOT NULL, commission REAL NOT NULL, swap REAL NOT NULL, recorded REAL NOT NULL);
"""
"""What a broker has charged for deals, by its own number of each."""

_CHARGES_HEARD = """
ALTER TABLE charges RENAME TO charges_before;
CREATE TABLE charges (
    id INTEGER PRIMARY KEY, deal INTEGER NOT NULL UNIQUE, strategy TEXT NOT NULL,
    ticket INTEGER NOT NULL, time_us INTEGER NOT NULL, commission REAL NOT NULL,
    swap REAL NOT NULL, recorded REAL NOT NULL);
INSERT INTO charges SELECT NULL, * FROM charges_before ORDER BY recorded, deal;
DROP TABLE charges_before;
ALTER TABLE rules ADD COLUMN charge INTEGER NOT NULL DEFAULT 0;
"""
"""Charges in the order they were booked, and which one risk rules heard of last."""


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
        _LOCKS,
        _SHADOWS,
        _CHARGES,
        _CHARGES_HEARD,
    ),
    mark="SELECT max(epoch) FROM epochs",
    unnumbered="SELECT 1 FROM meta WHERE key = 'version' AND value = '3'",
    failed=LedgerError,
    unfit=LedgerError,
    essential=("meta", "epochs", "totals", "tickets", "positions", "streams"),
    pruned=(
        Pruned("orders", "recorded", kept="result IS NULL"),
        Pruned("events", "recorded"),
        Pruned("shadow_deals", "recorded"),
        Pruned("shadow_requests", "recorded"),
    ),
)
"""Every deal, what was charged for it, and what waits, stays for good."""


def open_ledger(path: Path, older: bool = False) -> sqlite3.Connection:
    """Open a ledger for reading; the gateway may be writing at the same time.

    Args:
        path: The file.
        older: Also one that the gateway has not brought up to date yet, for who reads only what
            every version has: `ledger_queries.guarded`, :func:`owner`.

    Raises:
        LedgerError: There is none, or it is no ledger of this version.
    """
    if not path.exists():
        raise LedgerError(f"{path}: there is no ledger yet; the gateway makes it")
    return store.open_readonly(path, SCHEMA, older)


def has_begun(path: Path) -> bool:
    """Whether the gateway has made the tables of a ledger that it is about to begin.

    Raises:
        LedgerError: It cannot be read.
    """
    try:
        with contextlib.closing(store.connect_readonly(path)) as db:
            return store.version_of(db, SCHEMA) > 0
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"{path}: the ledger cannot be read: {error}") from error


def owner(path: Path) -> str:
    """The installation that a ledger belongs to; empty: there is none, or it cannot be read."""
    try:
        with contextlib.closing(open_ledger(path, older=True)) as db:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (INSTALLATION,)).fetchone()
    except (LedgerError, sqlite3.Error):
        return ""
    return str(row[0]) if row is not None else ""
