"""One SQLite file with one writer: opened, brought up to date, written in transactions, pruned.

`PRAGMA user_version` says how many steps of its schema a file has. Whoever writes it applies the
ones that it lacks, in the transaction that opens it; whoever only reads it says that they are
missing.
"""

import contextlib
import logging
import os
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec

from mt5crs_shared.configuration.structs import RetentionConfig
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.process import machine_trouble
from mt5crs_shared.process.files import is_irregular

logger = logging.getLogger(__name__)

PRUNE_EVERY = 1_000
"""Rows written between two prunings; one takes away at most five times as many of a table."""

Durability = Literal["FULL", "NORMAL"]
"""FULL: on the disk when a transaction is over. NORMAL: it outlives this process, no power cut."""


class Pruned(msgspec.Struct, frozen=True):
    """A table that loses its oldest rows.

    Attributes:
        table: Its name; it has an `id` that rises.
        clock: The column with the wall time of a row, seconds since the epoch.
        kept: SQL: which rows stay however old they are.
    """

    table: str
    clock: str
    kept: str = "0"


class Schema(msgspec.Struct, frozen=True):
    """The tables of one kind of file.

    Attributes:
        name: What such a file is called.
        steps: SQL scripts that make the tables, one after the other. One that users' files may
            have is never changed: a change of the tables is one more step. They may call
            ``renamed(body, 'position.open_place', 'open_occurrence')``: a msgpack map with another
            name for one of its keys.
        tables: One script that makes what all steps together make, for a file that begins now:
            going through the steps takes twice the time. Empty: it goes through them.
        mark: A query that works on the tables of every version, and on no other file.
        unnumbered: A query with a row where a file from before versions were numbered has the
            tables of the first step.
        failed: Raised where a file cannot be opened, read or written; its cause says why.
        unfit: Raised where a file is of a version that cannot be used; it is left as it is.
        instead: What else to do about a file of a newer version, for people.
        essential: Tables that a start depends on; only these are looked through at an opening: a
            check of every table would take longer each day.
        pruned: Tables that lose their oldest rows.
    """

    name: str
    steps: tuple[str, ...]
    mark: str
    unnumbered: str
    failed: type[Mt5crsError]
    unfit: type[Mt5crsError]
    tables: str = ""
    instead: str = ""
    essential: tuple[str, ...] = ()
    pruned: tuple[Pruned, ...] = ()


class SoundConnection(sqlite3.Connection):
    """A connection whose errors are SQLite's own, whatever a file holds.

    SQLite quotes a damaged schema where it complains of it, and Python fails on what is no text.
    """

    def execute(self, *statement: Any) -> sqlite3.Cursor:
        """See `sqlite3.Connection.execute`."""
        try:
            return super().execute(*statement)
        except UnicodeDecodeError as error:
            raise sqlite3.DatabaseError("malformed database schema: it is no text") from error


class Store(ABC):
    """An open file; this process is its only writer until another one takes it over.

    A subclass says which tables it has, who may write it, and which errors are raised.

    Attributes:
        path: The file.
        db: Its connection.

    Args:
        path: The file; made where it is missing.
        durability: Of the transaction that opens it.
        retention: How long rows of pruned tables are kept.

    Raises:
        Schema.failed: It cannot be opened or made.
        Schema.unfit: It is of a newer version, or cannot be brought up to this one.
    """

    schema: ClassVar[Schema]
    gone: ClassVar[type[Mt5crsError]]
    """Raised where the file was removed or replaced while it was in use."""
    wal_gone: ClassVar[type[Mt5crsError]]
    """Raised where what SQLite keeps beside the file was removed while it was in use."""

    def __init__(self, path: Path, durability: Durability, retention: RetentionConfig) -> None:
        self.path = path
        self._wal = path.with_name(f"{path.name}-wal")
        self._retention = retention
        self._written = 0
        self._open(durability)
        self._inode = path.stat().st_ino

    @abstractmethod
    def take(self) -> None:
        """Become the writer, within the transaction that opens the file."""

    @abstractmethod
    def check_writer(self) -> None:
        """See, within a transaction, that no other process has become the writer."""

    def writing(self, durability: Durability = "FULL") -> contextlib.AbstractContextManager[None]:
        """A transaction of the writer: committed, or rolled back with its cause told.

        Raises:
            Schema.failed: It cannot be written.
            Store.gone: The file is not in its place any more: nobody would find what is written.
            Store.wal_gone: What SQLite keeps beside it is not.
        """
        self.check_in_place()
        return self._transaction(durability, self.check_writer)

    def check_in_place(self) -> None:
        """Make sure that what is written goes to the file that everybody else sees.

        Raises:
            Store.gone: Somebody has removed or replaced it.
            Store.wal_gone: Somebody has removed what SQLite keeps beside it.
        """
        try:
            inode = self.path.stat().st_ino
        except FileNotFoundError:
            inode = 0
        if inode != self._inode:
            raise self.gone(f"{self.path} was removed or replaced while it was in use")
        # Not by `stat`: Linux notes that its times were asked for, and has to write the inode too
        # when the next transaction is forced to the disk, which takes a third longer.
        if not os.access(self._wal, os.F_OK):
            # It is still open here: what it holds goes into the file itself, and nothing is lost.
            with self._told():
                self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            name = self.schema.name
            raise self.wal_gone(
                f"{self._wal} was removed while it was in use; the {name} has all of it"
            )

    def wrote(self, rows: int) -> None:
        """Count rows that were written to pruned tables."""
        self._written += rows

    @property
    def prune_is_due(self) -> bool:
        """So much was written that the oldest rows are to be taken away."""
        return self._written >= PRUNE_EVERY

    def prune_if_due(self) -> None:
        """Take the oldest rows away now and then; within a transaction."""
        if not self.prune_is_due:
            return
        self._written = 0
        oldest = time.time() - self._retention.days * 86_400.0
        for table, clock, kept in map(msgspec.structs.astuple, self.schema.pruned):
            self.db.execute(
                f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE NOT ({kept}) AND"
                f" ({clock} < ? OR id <= (SELECT max(id) FROM {table}) - ?) ORDER BY id LIMIT ?)",
                (oldest, self._retention.rows, 5 * PRUNE_EVERY),
            )

    def select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows that the writer reads.

        Raises:
            Schema.failed: They cannot be read.
        """
        with self._told():
            return self.db.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def _open(self, durability: Durability) -> None:
        if is_irregular(self.path):
            cause = sqlite3.DatabaseError("it is no regular file")
            raise self.schema.failed(f"{self.path} is no regular file") from cause
        with self._told():
            self.db = sqlite3.connect(
                self.path, isolation_level=None, timeout=1.0, factory=SoundConnection
            )
        try:
            with self._told():
                self.db.execute("PRAGMA journal_mode = WAL")
            with self._transaction(durability, self._check_essential):
                found = self._bring_up_to_date()
                self.take()
        except BaseException:
            self.db.close()
            raise
        steps = len(self.schema.steps)
        if 0 < found < steps:
            logger.info("%s: brought from version %d to %d", self.path, found, steps)

    def _check_essential(self) -> None:
        tables = {name for (name,) in self.db.execute("SELECT name FROM sqlite_master")}
        for table in self.schema.essential:
            check = f"PRAGMA quick_check({table})"
            if table in tables and self.db.execute(check).fetchone() != ("ok",):
                raise sqlite3.DatabaseError("the file is damaged")

    def _bring_up_to_date(self) -> int:
        """Apply the steps that the file lacks; the version that it was of."""
        schema, steps = self.schema, len(self.schema.steps)
        found = version_of(self.db, schema)
        _refuse_newer(found, self.path, schema)
        if found == steps:
            return found
        scripts = (schema.tables,) if schema.tables and not found else schema.steps[found:]
        self.db.create_function("renamed", 3, _renamed, deterministic=True)
        try:
            for step in scripts:
                for statement in _statements(step):
                    self.db.execute(statement)
        except sqlite3.Error as error:
            if machine_trouble.passes(error) or is_damage(error):
                raise
            raise schema.unfit(
                f"{self.path}: this {schema.name} cannot be brought from version {found} to {steps}"
                f" ({error}). It is as it was: use the mt5crs-supervisor that has written it"
            ) from error
        self.db.execute(f"PRAGMA user_version = {steps}")
        return found

    @contextlib.contextmanager
    def _transaction(self, durability: Durability, first: Callable[[], None]) -> Iterator[None]:
        try:
            self.db.execute(f"PRAGMA synchronous = {durability}")
            self.db.execute("BEGIN IMMEDIATE")
            first()
            yield
            self.db.execute("COMMIT")
        except BaseException as error:
            # Where SQLite has rolled back already, what led to it is the error to tell.
            with contextlib.suppress(sqlite3.Error):
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self.schema.failed(f"{self.path}: {error}") from error
            raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Tell SQLite's errors in the words of this kind of file."""
        try:
            yield
        except sqlite3.Error as error:
            raise self.schema.failed(f"{self.path}: {error}") from error


def connect_readonly(path: Path, timeout: float = 1.0) -> sqlite3.Connection:
    """A connection that only reads a file of SQLite, of whatever kind and version.

    Args:
        path: The file.
        timeout: Seconds to wait for its writer.

    Raises:
        OSError: It is no regular file: SQLite would wait for whoever is at a FIFO's other end.
        sqlite3.Error: It is missing, or cannot be opened.
    """
    if is_irregular(path):
        raise OSError(f"{path} is no regular file")
    address = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(address, uri=True, timeout=timeout, factory=SoundConnection)


def open_readonly(path: Path, schema: Schema, older: bool = False) -> sqlite3.Connection:
    """Open a file for reading; its writer may be at work at the same time.

    Args:
        path: The file, which exists.
        schema: Its kind.
        older: Also one of an older version, for who reads only what every version has.

    Raises:
        Schema.failed: It cannot be read, or is of an older version.
        Schema.unfit: It is of a newer version.
    """
    with contextlib.ExitStack() as undo:
        try:
            db = connect_readonly(path)
            undo.callback(db.close)
            found = version_of(db, schema)
        except OSError as error:
            raise schema.failed(str(error)) from error
        except sqlite3.Error as error:
            raise schema.failed(f"{path}: the {schema.name} cannot be read: {error}") from error
        _refuse_newer(found, path, schema)
        if not found:
            raise schema.failed(f"{path}: the {schema.name} is empty as yet")
        if found < len(schema.steps) and not older:
            raise schema.failed(
                f"{path}: the {schema.name} is of an older version ({found}, and this program has"
                f" {len(schema.steps)}). The next `start` brings it up to date; where the system"
                " runs, `stop` it first"
            )
        undo.pop_all()
    return db


def version_of(db: sqlite3.Connection, schema: Schema) -> int:
    """How many steps of its schema a file has; 0: it is empty.

    Raises:
        sqlite3.DatabaseError: It is none of this kind, or older than the first step.
    """
    if db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
        return 0
    try:
        db.execute(schema.mark).fetchone()
    except sqlite3.OperationalError as error:
        if machine_trouble.passes(error):
            raise
        raise sqlite3.DatabaseError(f"it is no {schema.name} ({error})") from error
    (number,) = db.execute("PRAGMA user_version").fetchone()
    if number:
        return int(number)
    if db.execute(schema.unnumbered).fetchone() is None:
        raise sqlite3.DatabaseError(f"it is older than any {schema.name} that can be used")
    return 1


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file is damaged, or no database at all."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _refuse_newer(found: int, path: Path, schema: Schema) -> None:
    steps = len(schema.steps)
    if found > steps:
        raise schema.unfit(
            f"{path}: a newer mt5crs-supervisor has written this {schema.name} (its version is"
            f" {found}, and this program has {steps}). Use the newer one again{schema.instead}"
        )


def _renamed(body: bytes | None, path: str, new: str) -> bytes | None:
    """A msgpack map with another name for the key at a path; what is none stays as it is."""
    try:
        whole = inner = msgspec.msgpack.decode(body or b"")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return body
    *above, old = path.split(".")
    for key in above:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or old not in inner:
        return body
    inner |= {new: inner.pop(old)}
    return msgspec.msgpack.encode(whole)


def _statements(script: str) -> Iterator[str]:
    """A script's statements; `executescript` would commit what was done before."""
    statement = ""
    for part in script.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    yield statement
