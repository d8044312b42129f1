"""One transaction of the ledger's only writer."""

import contextlib
import sqlite3
from pathlib import Path

from mt5crs_shared.trading.ledger_schema import LedgerError


class LedgerTakenError(LedgerError):
    """Another gateway writes this ledger now; this process has to end."""


class LedgerGoneError(LedgerError):
    """The ledger's file is not in its place any more. The gateway ends for good.

    What it wrote from then on, nobody would find again.
    """


class WalGoneError(LedgerError):
    """What SQLite keeps beside the ledger was removed in use. The gateway ends, and begins again.

    The ledger itself has all that was booked.
    """


class Transaction:
    """``with`` this: commit, or roll back and raise LedgerError.

    Args:
        db: The ledger.
        path: Its file, for messages.
        writer: The mark of the gateway that writes; where the ledger has another, it is refused.
        synchronous: FULL: on the disk when it is over; NORMAL: not lost by a crash of the process.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, writer: str, synchronous: str) -> None:
        self._db = db
        self._path = path
        self._writer = writer
        self._synchronous = synchronous

    def __enter__(self) -> None:
        try:
            self._db.execute(f"PRAGMA synchronous = {self._synchronous}")
            self._db.execute("BEGIN IMMEDIATE")
            row = self._db.execute("SELECT value FROM meta WHERE key = 'writer'").fetchone()
        except sqlite3.Error as error:
            self._undo()
            raise LedgerError(f"{self._path}: {error}") from error
        if row != (self._writer,):
            self._undo()
            raise LedgerTakenError(f"{self._path}: another gateway writes this ledger now")

    def __exit__(self, kind: type[BaseException] | None, error: object, _trace: object) -> None:
        if kind is None:
            try:
                self._db.execute("COMMIT")
            except sqlite3.Error as failure:
                self._undo()
                raise LedgerError(f"{self._path}: {failure}") from failure
            return
        self._undo()
        if isinstance(error, sqlite3.Error):
            raise LedgerError(f"{self._path}: {error}") from error

    def _undo(self) -> None:
        """Roll back; where SQLite has done so already, what led to it is the error to tell."""
        with contextlib.suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
