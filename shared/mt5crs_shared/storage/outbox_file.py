"""The notifier's outbox: its tables, and what is read of it by who looks on."""

import contextlib
import sqlite3
from pathlib import Path

import msgspec

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.storage import store
from mt5crs_shared.storage.store import Pruned, Schema

_TABLES = """
CREATE TABLE meta (epoch INTEGER NOT NULL, cursor TEXT NOT NULL);
CREATE TABLE lines (
    id INTEGER PRIMARY KEY, destination TEXT NOT NULL, urgent INTEGER NOT NULL, line TEXT NOT NULL,
    recorded REAL NOT NULL, message INTEGER);
CREATE INDEX lines_waiting ON lines (destination) WHERE message IS NULL;
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, destination TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL,
    urgent INTEGER NOT NULL, made REAL NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', ended REAL);
CREATE INDEX messages_unsent ON messages (destination) WHERE state IN ('WAITING', 'SENDING');
INSERT INTO meta VALUES (0, '');
"""


class OutboxError(Mt5crsError):
    """The outbox cannot be read or written. The notifier ends; nobody else notices."""


SCHEMA = Schema(
    name="outbox",
    steps=(_TABLES,),
    mark="SELECT max(epoch) FROM meta",
    unnumbered="SELECT 1 FROM meta WHERE 0",
    failed=OutboxError,
    unfit=OutboxError,
    instead="; or stop the system and move the file away: what waits in it is told to nobody",
    essential=("meta",),
    pruned=(
        Pruned("lines", "recorded", kept="message IS NULL"),
        Pruned("messages", "made", kept="state IN ('WAITING', 'SENDING')"),
    ),
)


class OutboxMessage(msgspec.Struct, frozen=True):
    """A message, as the outbox has it.

    Attributes:
        id: Its number.
        destination: Who is told.
        title: Its title.
        body: Its text.
        urgent: Also in the quiet hours.
        made: Wall time, seconds since the epoch.
        state: WAITING, SENDING, SENT; DROPPED: its destination is gone from the configuration.
        attempts: How often it was tried.
        error: Why the last attempt failed; empty: it did not.
        ended: Wall time of the end of the last attempt; None: there was none.
    """

    id: int
    destination: str
    title: str
    body: str
    urgent: bool
    made: float
    state: str
    attempts: int
    error: str
    ended: float | None


def read_messages(path: Path, limit: int | None = None) -> list[OutboxMessage]:
    """The newest messages of an outbox, the newest last; none where there is no file yet.

    Raises:
        OutboxError: It cannot be read.
    """
    if not path.exists():
        return []
    names = OutboxMessage.__struct_fields__
    query = f"SELECT {', '.join(names)} FROM messages ORDER BY id DESC LIMIT ?"
    with contextlib.closing(store.open_readonly(path, SCHEMA)) as db:
        try:
            rows = db.execute(query, (-1 if limit is None else limit,)).fetchall()
        except sqlite3.Error as error:
            raise OutboxError(f"{path} cannot be read: {error}") from error
    found = [dict(zip(names, row, strict=True)) for row in rows[::-1]]
    return [msgspec.convert(row, OutboxMessage, strict=False) for row in found]
