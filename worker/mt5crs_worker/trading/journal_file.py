"""The SQLite file below a strategy's journal: its tables, its one writer, and what is set aside."""

import logging
import sqlite3
import time
from pathlib import Path

from mt5crs_shared.configuration.structs import RetentionConfig
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.storage.store import Pruned, Schema, Store, is_damage

logger = logging.getLogger(__name__)

_TABLES = """
CREATE TABLE meta (epoch INTEGER NOT NULL);
CREATE TABLE checkpoint (
    id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL, saved REAL NOT NULL,
    format INTEGER NOT NULL DEFAULT 1);
CREATE TABLE window (id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL);
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, occurrence INTEGER NOT NULL,
    bid REAL NOT NULL, ask REAL NOT NULL, bar_us INTEGER NOT NULL, signal INTEGER NOT NULL,
    probability REAL, action TEXT NOT NULL, lots REAL NOT NULL, order_ids TEXT NOT NULL,
    detail TEXT NOT NULL, note TEXT NOT NULL, time REAL NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, order_id TEXT NOT NULL UNIQUE, body BLOB NOT NULL, time REAL NOT NULL,
    status TEXT NOT NULL DEFAULT 'INTENT', code TEXT, result BLOB);
CREATE INDEX orders_open ON orders (id) WHERE result IS NULL;
CREATE INDEX orders_filled ON orders (id) WHERE status = 'FILLED' AND body != x'';
CREATE TABLE events (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE features (id INTEGER PRIMARY KEY, bar BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
INSERT INTO meta VALUES (0);
"""

_FIRST = """
CREATE TABLE meta (version INTEGER NOT NULL, epoch INTEGER NOT NULL);
CREATE TABLE checkpoint (
    id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL, saved REAL NOT NULL);
CREATE TABLE window (id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL);
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, place INTEGER NOT NULL,
    bid REAL NOT NULL, ask REAL NOT NULL, bar_us INTEGER NOT NULL, signal INTEGER NOT NULL,
    probability REAL, action TEXT NOT NULL, lots REAL NOT NULL, order_ids TEXT NOT NULL,
    detail TEXT NOT NULL, note TEXT NOT NULL, time REAL NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, order_id TEXT NOT NULL UNIQUE, body BLOB NOT NULL, time REAL NOT NULL,
    status TEXT NOT NULL DEFAULT 'INTENT', code TEXT, result BLOB);
CREATE INDEX orders_open ON orders (id) WHERE result IS NULL;
CREATE INDEX orders_filled ON orders (id) WHERE status = 'FILLED' AND body != x'';
CREATE TABLE events (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
INSERT INTO meta VALUES (5, 0);
"""

_FORMAT_OF_THE_CHECKPOINT = """
ALTER TABLE checkpoint ADD COLUMN format INTEGER NOT NULL DEFAULT 1;
CREATE TABLE writer (epoch INTEGER NOT NULL);
INSERT INTO writer SELECT epoch FROM meta;
DROP TABLE meta;
ALTER TABLE writer RENAME TO meta;
"""
"""The number of the file itself takes the place of `meta.version`. `meta.epoch` stays what it is in
every version: a process of an older one that is woken looks there whether it was replaced, and a
supervisor reads there above which epoch it has to begin."""

_OCCURRENCES = """
ALTER TABLE decisions RENAME COLUMN place TO occurrence;
UPDATE orders SET body = renamed(body, 'place', 'occurrence'),
    result = renamed(result, 'position.open_place', 'open_occurrence');
UPDATE checkpoint SET body = renamed(
    renamed(body, 'place', 'occurrences'), 'position.open_place', 'open_occurrence');
"""

_FEATURES = """
CREATE TABLE features (id INTEGER PRIMARY KEY, bar BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
"""

_NEEDED = "result IS NULL OR id = (SELECT max(id) FROM orders WHERE status = 'FILLED')"
"""Orders that are kept however old they are: their fate, or the ledger, is asked about them."""


class JournalError(Mt5crsError):
    """The journal cannot be read or written. The strategy stops: it must not trade unrecorded."""


class JournalVersionError(Mt5crsError):
    """The journal is of a version that this program cannot use. The strategy stops for good.

    The file is left as it is: the trader has gone back to an older version of the program, and
    can go on with the newer one.
    """


class ReplacedError(Mt5crsError):
    """A newer process of this strategy has taken over. This one ends and changes nothing."""


SCHEMA = Schema(
    name="journal",
    steps=(_FIRST, _FORMAT_OF_THE_CHECKPOINT, _OCCURRENCES, _FEATURES),
    tables=_TABLES,
    mark="SELECT max(epoch) FROM meta",
    unnumbered="SELECT 1 FROM meta WHERE version = 5",
    failed=JournalError,
    unfit=JournalVersionError,
    instead="; or, to begin a new one, stop the system and move the file away, with its -wal and"
    " -shm",
    essential=("meta", "checkpoint", "window"),
    pruned=(
        Pruned("decisions", "time"),
        Pruned("orders", "time", kept=_NEEDED),
        Pruned("events", "time"),
    ),
)


class JournalFile(Store):
    """An open journal; the process of the newest epoch is its only writer.

    Attributes:
        set_aside: Where a file is now that was damaged, or no journal.
        fault: What was wrong with it; empty: nothing.

    Args:
        path: The file; made where it is missing.
        epoch: Number of this spawn.
        retention: How long rows are kept.

    Raises:
        JournalError: The file cannot be opened or made.
        JournalVersionError: It is of a newer version.
        ReplacedError: A newer process has opened it.
    """

    schema = SCHEMA
    gone = JournalError
    wal_gone = JournalError

    def __init__(self, path: Path, epoch: int, retention: RetentionConfig) -> None:
        self.set_aside: Path | None = None
        self.fault = ""
        self._epoch = epoch
        # Not forced to the disk: fifty strategies begin at the same moment.
        try:
            super().__init__(path, "NORMAL", retention)
        except JournalError as error:
            if not _useless(error):
                raise
            self._put_aside()
            self.fault = f"{self.set_aside}: {error.__cause__}"
            logger.warning("%s; set aside as %s", error, self.set_aside)
            super().__init__(path, "NORMAL", retention)

    def take(self) -> None:
        """Become the writer: earlier processes of this strategy write nothing any more.

        Raises:
            ReplacedError: A newer process has opened it.
        """
        self.check_writer()
        self.db.execute("UPDATE meta SET epoch = ?", (self._epoch,))

    def check_writer(self) -> None:
        """See that no newer process of this strategy writes it.

        Raises:
            ReplacedError: One does.
        """
        (newest,) = self.db.execute("SELECT epoch FROM meta").fetchone()
        if newest > self._epoch:
            raise ReplacedError(f"epoch {newest} has taken over from {self._epoch}")

    def abandon(self, error: JournalError) -> None:
        """Set the file aside if that error says that it is damaged."""
        if _useless(error):
            self.close()
            self._put_aside()
            logger.error("%s is damaged; set aside as %s", self.path, self.set_aside)

    def _put_aside(self) -> None:
        """Move the file and what SQLite keeps beside it out of the way."""
        name = f"{self.path.name}.damaged-{time.time_ns() // 1_000_000}"
        self.set_aside = self.path.with_name(name)
        self.path.replace(self.set_aside)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def _useless(error: JournalError) -> bool:
    """Whether the file itself is at fault: damaged, foreign, or with other tables than ours.

    Not so where it is locked, read-only, or on a full or missing disk.
    """
    cause = error.__cause__
    if not isinstance(cause, sqlite3.DatabaseError):
        return False
    return is_damage(cause) or getattr(cause, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR
