"""What the ledger has of the account besides deals: locks that hold, and what happened to it."""

import sqlite3

import msgspec

from mt5crs_shared.events import ACCOUNT_KINDS
from mt5crs_shared.storage.ledger_queries import select
from mt5crs_shared.trading.locks import TradingLock


class AccountEvent(msgspec.Struct, frozen=True):
    """One row of the ledger's events.

    Attributes:
        id: Its number.
        recorded: Wall time, seconds since the epoch.
        kind: One of `events.ACCOUNT_KINDS`.
        detail: For people.
        name: The strategy; empty: the account.
    """

    id: int
    recorded: float
    kind: str
    detail: str
    name: str


def read_locks(db: sqlite3.Connection) -> list[TradingLock]:
    """The locks that hold, the oldest first, also one whose time is over just now.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    rows = select(
        db, "SELECT owner, scope, state, who, why, since, until FROM locks ORDER BY since, scope"
    )
    names = TradingLock.__struct_fields__
    return [msgspec.convert(dict(zip(names, row, strict=True)), TradingLock) for row in rows]


def read_account_events(
    db: sqlite3.Connection, after: int = 0, since: float = 0.0
) -> list[AccountEvent]:
    """What was locked and unlocked, and what the broker's account has shown, as it happened.

    Args:
        db: The ledger.
        after: Rows with higher numbers alone.
        since: Wall time, seconds since the epoch: from then on alone.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    rows = select(
        db,
        "SELECT id, recorded, kind, detail, name FROM events"
        " WHERE id > :after AND recorded >= :since"
        " AND kind IN (SELECT value FROM json_each(:kinds)) ORDER BY id",
        {"after": after, "since": since, "kinds": msgspec.json.encode(ACCOUNT_KINDS).decode()},
    )
    return [AccountEvent(*row) for row in rows]  # type: ignore[arg-type]  # as declared in the DDL
