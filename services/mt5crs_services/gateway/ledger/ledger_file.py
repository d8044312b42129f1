"""The SQLite file below the account's ledger: whose it is, and its one writer."""

import os
import sqlite3
import time
from pathlib import Path

from mt5crs_shared.configuration.structs import RetentionConfig
from mt5crs_shared.storage.ledger_schema import BOOK, INSTALLATION, PAPER, SCHEMA, LedgerError
from mt5crs_shared.storage.store import Store


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


class LedgerFile(Store):
    """An open ledger; the gateway that opened it last is its only writer.

    Args:
        path: The file; made where it is missing.
        currency: The account's currency.
        first_balance: The account's first balance.
        retention: How long orders and events are kept.
        installation: Id of the `var` folder.
        book: Whose deals it has: ``paper``, or ``bridge``.

    Raises:
        LedgerError: It is damaged, of a newer version, of another account, or cannot be opened.
    """

    schema = SCHEMA
    gone = LedgerGoneError
    wal_gone = WalGoneError

    def __init__(
        self,
        path: Path,
        currency: str,
        first_balance: float,
        retention: RetentionConfig,
        installation: str,
        book: str,
    ) -> None:
        self._currency = currency
        self._first_balance = first_balance
        self._installation = installation
        self._book = book
        self._writer = f"{os.getpid()}:{time.time_ns()}"
        super().__init__(path, "FULL", retention)

    def take(self) -> None:
        """See that it is this account's and this folder's, and become its writer.

        Raises:
            LedgerError: It is another one's.
        """
        if self.db.execute("SELECT 1 FROM meta").fetchone() is None:
            first = {"currency": self._currency, "first_balance": repr(self._first_balance)}
            self.db.executemany("INSERT INTO meta VALUES (?, ?)", first.items())
        if self._meta("currency") != self._currency:
            raise LedgerError(
                f"{self.path}: the account is in {self._meta('currency')}, and the configuration"
                f" says account_currency: {self._currency}; set it back"
            )
        found = float(self._meta("first_balance"))
        if found != self._first_balance:
            # Strategies size their positions by it: it cannot be one thing here and another there.
            raise LedgerError(
                f"{self.path}: the account began with {found:g}, and the configuration says"
                f" default_balance: {self._first_balance:g}; set it back"
            )
        self._check_installation()
        self._check_book()
        self.db.execute("INSERT OR REPLACE INTO meta VALUES ('writer', ?)", (self._writer,))

    def check_writer(self) -> None:
        """See that no other gateway writes it.

        Raises:
            LedgerTakenError: Another one does.
        """
        row = self.db.execute("SELECT value FROM meta WHERE key = 'writer'").fetchone()
        if row != (self._writer,):
            raise LedgerTakenError(f"{self.path}: another gateway writes this ledger now")

    def _check_installation(self) -> None:
        mine = (INSTALLATION, self._installation)
        self.db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", mine)
        owner = self._meta(INSTALLATION)
        if owner != self._installation:
            raise LedgerError(
                f"{self.path}: it is the ledger of installation {owner}, and this folder is"
                f" {self._installation}; if it is to be this folder's from now on, remove the file"
                " `installation` beside it and start again"
            )

    def _check_book(self) -> None:
        """What was made on paper, and what with money, are never added up."""
        # A ledger from before there was anything else is one of paper.
        fresh = self.db.execute("SELECT 1 FROM meta WHERE key = 'writer'").fetchone() is None
        found = (BOOK, self._book if fresh else PAPER)
        self.db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", found)
        book = self._meta(BOOK)
        if book != self._book:
            raise LedgerError(
                f"{self.path}: it is the ledger of {book}, and the configuration says"
                f" {self._book}; use another --var-dir for another account"
            )

    def _meta(self, key: str) -> str:
        row = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise sqlite3.DatabaseError(f"no {key} in meta; the file is damaged")
        return str(row[0])
