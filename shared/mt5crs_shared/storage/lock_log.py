"""What the ledger has of locks: those that hold, and when each was put there and taken off."""

import sqlite3

import msgspec

from mt5crs_shared.events import LOCKED, UNLOCKED
from mt5crs_shared.storage.ledger_queries import select
from mt5crs_shared.trading.locks import TradingLock


class LockChange(msgspec.Struct, frozen=True):
    """One row of the ledger's events.

    Attributes:
        id: Its number.
        recorded: Wall time, seconds since the epoch.
        kind: `events.LOCKED` or `events.UNLOCKED`.
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


def read_lock_changes(
    db: sqlite3.Connection, after: int = 0, since: float = 0.0
) -> list[LockChange]:
    """What was locked and unlocked, in the order it happened.

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
        " WHERE id > :after AND recorded >= :since AND kind IN (:locked, :unlocked) ORDER BY id",
        {"after": after, "since": since, "locked": LOCKED, "unlocked": UNLOCKED},
    )
    return [LockChange(*row) for row in rows]  # type: ignore[arg-type]  # as declared in the DDL
