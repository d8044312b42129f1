"""What the ledger has beside its orders: what paper would have dealt, what would have been sent."""

import sqlite3
from typing import Any

import msgspec

from mt5crs_shared.storage.ledger_queries import select
from mt5crs_shared.storage.ledger_schema import BOOK, PAPER
from mt5crs_shared.trading.slippage import ComparedOrder


class RequestRecord(msgspec.Struct, frozen=True):
    """A request that would have been sent for an order of a paper account.

    Attributes:
        order_id: The order.
        strategy: Whose it is.
        time_us: Event time of the tick it was decided on.
        recorded: Wall time, seconds since the epoch.
        dialect: In which it is written.
        request: Its content.
    """

    order_id: str
    strategy: str
    time_us: int
    recorded: float
    dialect: str
    request: Any


def read_compared(
    db: sqlite3.Connection, strategy: str | None = None, since: float = 0.0
) -> list[ComparedOrder]:
    """Orders of a live account with their paper shadow, in the order they came.

    Args:
        db: The ledger.
        strategy: Only this one's.
        since: Wall time, seconds since the epoch: from then on alone.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    rows = select(
        db,
        "SELECT s.order_id, s.strategy, s.kind, s.side, s.point, s.worth, s.decided_us, s.recorded,"
        " s.price, s.code, d.lots, d.price, d.time_us, d.recorded, o.code, coalesce(o.detail, '')"
        " FROM shadow_deals s LEFT JOIN deals d USING (order_id)"
        " LEFT JOIN orders o USING (order_id)"
        " WHERE (:strategy IS NULL OR s.strategy = :strategy) AND s.recorded >= :since"
        " ORDER BY s.id",
        {"strategy": strategy, "since": since},
    )
    names = ComparedOrder.__struct_fields__
    return [msgspec.convert(dict(zip(names, row, strict=True)), ComparedOrder) for row in rows]


def read_requests(
    db: sqlite3.Connection,
    strategy: str | None = None,
    since: float = 0.0,
    limit: int | None = None,
) -> list[RequestRecord]:
    """Requests that would have been sent, the newest last.

    Args:
        db: The ledger.
        strategy: Only this one's.
        since: Wall time, seconds since the epoch: from then on alone.
        limit: Only the newest so many.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    rows = select(
        db,
        "SELECT order_id, strategy, time_us, recorded, dialect, request FROM shadow_requests"
        " WHERE (:strategy IS NULL OR strategy = :strategy) AND recorded >= :since"
        " ORDER BY id DESC LIMIT :limit",
        {"strategy": strategy, "since": since, "limit": -1 if limit is None else limit},
    )
    names = RequestRecord.__struct_fields__
    opened = ((*row[:5], _opened(row[5])) for row in rows[::-1])
    return [msgspec.convert(dict(zip(names, row, strict=True)), RequestRecord) for row in opened]


def _opened(frame: object) -> Any:
    """A frame's content: JSON in most dialects, msgpack in that of our own gateway."""
    body = frame if isinstance(frame, bytes) else b""
    decode = msgspec.json.decode if body.startswith(b"{") else msgspec.msgpack.decode
    return decode(body)


def is_of_paper(db: sqlite3.Connection) -> bool:
    """Whether a ledger has the paper book's deals.

    Raises:
        LedgerError: It cannot be read.
    """
    return select(db, "SELECT value FROM meta WHERE key = :key", {"key": BOOK}) in ([], [(PAPER,)])
