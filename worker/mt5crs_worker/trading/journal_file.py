"""The SQLite file below a strategy's journal: its tables, its one writer, and what is pruned."""

import contextlib
import logging
import sqlite3
import time
from pathlib import Path

from mt5crs_shared.configuration.structs import RetentionConfig
from mt5crs_shared.errors import Mt5crsError

logger = logging.getLogger(__name__)

VERSION = 5
"""Of the tables and of `journal.Checkpoint`; a file of another version is set aside."""

PRUNE_EVERY = 1_000
"""Rows written between two prunings."""

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS meta (version INTEGER NOT NULL, epoch INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoint (
    id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL, saved REAL NOT NULL);
CREATE TABLE IF NOT EXISTS window (id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS decisions (
    id INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, place INTEGER NOT NULL,
    bid REAL NOT NULL, ask REAL NOT NULL, bar_us INTEGER NOT NULL, signal INTEGER NOT NULL,
    probability REAL, action TEXT NOT NULL, lots REAL NOT NULL, order_ids TEXT NOT NULL,
    detail TEXT NOT NULL, note TEXT NOT NULL, time REAL NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY, order_id TEXT NOT NULL UNIQUE, body BLOB NOT NULL, time REAL NOT NULL,
    status TEXT NOT NULL DEFAULT 'INTENT', code TEXT, result BLOB);
CREATE INDEX IF NOT EXISTS orders_open ON orders (id) WHERE result IS NULL;
CREATE INDEX IF NOT EXISTS orders_filled ON orders (id) WHERE status = 'FILLED' AND body != x'';
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
INSERT INTO meta SELECT {VERSION}, 0 WHERE NOT EXISTS (SELECT 1 FROM meta);
"""

_NEEDED = "result IS NULL OR id = (SELECT max(id) FROM orders WHERE status = 'FILLED')"
"""Orders that are kept however old they are: their fate, or the ledger, is asked about them."""

_PRUNED = {"decisions": "0", "orders": _NEEDED, "events": "0"}

_AT_ONCE = 5 * PRUNE_EVERY
"""Rows of a table that one pruning takes away; more than are written meanwhile, and soon done."""


class JournalError(Mt5crsError):
    """The journal cannot be read or written. The strategy stops: it must not trade unrecorded."""


class ReplacedError(Mt5crsError):
    """A newer process of this strategy has taken over. This one ends and changes nothing."""


class JournalFile:
    """An open journal; the process of the newest epoch is its only writer.

    Attributes:
        db: The file.
        set_aside: Where a file is now that was damaged, or of another version.

    Args:
        path: The file; made where it is missing.
        epoch: Number of this spawn.
        retention: How long rows are kept.

    Raises:
        JournalError: The file cannot be opened or made.
        ReplacedError: A newer process has opened it.
    """

    def __init__(self, path: Path, epoch: int, retention: RetentionConfig) -> None:
        self.path = path
        self.set_aside: Path | None = None
        self.fault = ""
        self._epoch = epoch
        self._retention = retention
        self._written = 0
        try:
            self.db = self._open_sound()
        except sqlite3.Error as error:
            raise JournalError(f"{path}: {error}") from error
        self._inode = path.stat().st_ino

    def writing(self, synchronous: str) -> "Transaction":
        """A transaction: FULL is on the disk when it is over, NORMAL outlives this process.

        Raises:
            JournalError: The file is not in its place any more: nobody would find what is written.
        """
        try:
            inode = self.path.stat().st_ino
        except FileNotFoundError:
            inode = 0
        if inode != self._inode:
            raise JournalError(f"{self.path} was removed or replaced while it was in use")
        return Transaction(self.db, self.path, synchronous, self._epoch)

    def wrote(self, rows: int) -> None:
        """Count rows, and take the oldest away now and then; within a transaction."""
        self._written += rows
        if self._written >= PRUNE_EVERY:
            self._written = 0
            self._prune()

    def abandon(self, error: JournalError) -> None:
        """Set the file aside if that error says that it is damaged."""
        cause = error.__cause__
        if isinstance(cause, sqlite3.DatabaseError) and _useless(cause):
            self.db.close()
            self._put_aside()
            logger.error("%s is damaged; set aside as %s", self.path, self.set_aside)

    def _prune(self) -> None:
        oldest = time.time() - self._retention.days * 86_400.0
        for table, needed in _PRUNED.items():
            self.db.execute(
                f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE (time < ? OR id <="
                f" (SELECT max(id) FROM {table}) - ?) AND NOT ({needed}) ORDER BY id LIMIT ?)",
                (oldest, self._retention.rows, _AT_ONCE),
            )

    def _open_sound(self) -> sqlite3.Connection:
        try:
            if self.path.exists() and not self.path.is_file():
                raise sqlite3.DatabaseError("no regular file")
            return self._begin()
        except sqlite3.DatabaseError as error:
            if not _useless(error):
                raise
            self._put_aside()
            self.fault = f"{self.set_aside}: {error}"
            logger.warning("%s: %s; set aside as %s", self.path, error, self.set_aside)
            return self._begin()

    def _put_aside(self) -> None:
        """Move the file and what SQLite keeps beside it out of the way."""
        name = f"{self.path.name}.damaged-{time.time_ns() // 1_000_000}"
        self.set_aside = self.path.with_name(name)
        self.path.replace(self.set_aside)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _begin(self) -> sqlite3.Connection:
        db = self._open()
        try:
            with Transaction(db, self.path, "NORMAL", self._epoch):
                # From here on earlier processes of this strategy write nothing any more.
                db.execute("UPDATE meta SET epoch = ?", (self._epoch,))
        except JournalError as error:
            raise error.__cause__ or error from None
        return db

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, timeout=1.0)
        db.execute("PRAGMA journal_mode = WAL")
        # One transaction, not forced to the disk: fifty strategies begin at the same moment.
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(f"BEGIN;{_SCHEMA}COMMIT;")
        # Only what a start depends on: a check of every table would take longer each day.
        for table in ("meta", "checkpoint", "window"):
            if db.execute(f"PRAGMA quick_check({table})").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("the file is damaged")
        (version,) = db.execute("SELECT version FROM meta").fetchone()
        if version != VERSION:
            raise sqlite3.DatabaseError(f"version {version}, not {VERSION}")
        return db


class Transaction:
    """``with`` this: commit, or roll back and raise JournalError."""

    def __init__(self, db: sqlite3.Connection, path: Path, synchronous: str, epoch: int) -> None:
        self._db = db
        self._path = path
        self._synchronous = synchronous
        self._epoch = epoch

    def __enter__(self) -> None:
        try:
            self._db.execute(f"PRAGMA synchronous = {self._synchronous}")
            self._db.execute("BEGIN IMMEDIATE")
            (newest,) = self._db.execute("SELECT epoch FROM meta").fetchone()
        except sqlite3.Error as error:
            self._undo()
            raise JournalError(f"{self._path}: {error}") from error
        if newest > self._epoch:
            self._undo()
            raise ReplacedError(f"epoch {newest} has taken over from {self._epoch}")

    def __exit__(self, kind: type[BaseException] | None, error: object, _trace: object) -> None:
        if kind is None:
            try:
                self._db.execute("COMMIT")
            except sqlite3.Error as failure:
                self._undo()
                raise JournalError(f"{self._path}: {failure}") from failure
            return
        self._undo()
        if isinstance(error, sqlite3.Error):
            raise JournalError(f"{self._path}: {error}") from error

    def _undo(self) -> None:
        """Roll back; where SQLite has done so already, what led to it is the error to tell."""
        with contextlib.suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def _useless(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is at fault: damaged, foreign, or with other tables than ours.

    Not so where it is locked, read-only, or on a full or missing disk.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
