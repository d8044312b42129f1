"""One transaction of the ledger's only writer."""

import sqlite3
from pathlib import Path

from mt5crs_shared.ledger_schema import LedgerError


class LedgerTakenError(LedgerError):
    """Another gateway writes this ledger now; this process has to end."""


class LedgerGoneError(LedgerError):
    """The ledger's file is not in its place any more. The gateway ends for good.

    What it wrote from then on, nobody would find again.
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
            if row != (self._writer,):
                self._db.execute("ROLLBACK")
                raise LedgerTakenError(f"{self._path}: another gateway writes this ledger now")
        except sqlite3.Error as error:
            raise LedgerError(f"{self._path}: {error}") from error

    def __exit__(self, kind: type[BaseException] | None, error: object, _trace: object) -> None:
        try:
            self._db.execute("ROLLBACK" if kind else "COMMIT")
        except sqlite3.Error as failure:
            self._undo()
            raise LedgerError(f"{self._path}: {failure}") from failure
        if isinstance(error, sqlite3.Error):
            raise LedgerError(f"{self._path}: {error}") from error

    def _undo(self) -> None:
        """A commit that failed (disk full) may have left the transaction open."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
