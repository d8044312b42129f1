"""One strategy's journal: decisions, orders, events, and the checkpoint that it restarts from."""

import logging
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mt5crs_shared.backlog import TickMark
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.messages import StrategyMetrics
from mt5crs_shared.orders import Fill, Order, OrderResult, Position
from mt5crs_shared.rates import RateState
from mt5crs_shared.sanity import SanityState
from mt5crs_worker.answers import Signal
from mt5crs_worker.bars import Bar

logger = logging.getLogger(__name__)

VERSION = 3
"""Of the tables and of :class:`Checkpoint`; a file of another version is set aside."""

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS meta (version INTEGER NOT NULL, epoch INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoint (
    id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL, saved REAL NOT NULL);
CREATE TABLE IF NOT EXISTS decisions (
    id INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, place INTEGER NOT NULL,
    bid REAL NOT NULL, ask REAL NOT NULL, bar_us INTEGER NOT NULL, signal INTEGER NOT NULL,
    probability REAL, action TEXT NOT NULL, lots REAL NOT NULL, order_ids TEXT NOT NULL,
    detail TEXT NOT NULL, note TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY, body BLOB NOT NULL, intended REAL NOT NULL,
    status TEXT NOT NULL DEFAULT 'INTENT', code TEXT, result BLOB);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
INSERT INTO meta SELECT {VERSION}, 0 WHERE NOT EXISTS (SELECT 1 FROM meta);
"""

_KEPT_DECISIONS = 200_000
"""Rows kept in `decisions`; trimmed when the journal is opened."""


class KeptRate(msgspec.Struct, frozen=True, array_like=True):
    """A converting symbol, as far as it has been read.

    Attributes:
        mark: The last tick taken.
        state: What its ticks came to.
    """

    mark: TickMark | None
    state: RateState


class Checkpoint(msgspec.Struct, frozen=True):
    """All that a strategy needs to go on after `mark` as if it had never stopped.

    Attributes:
        version: :data:`VERSION`.
        identity: What the state depends on (symbol, timeframe, class); another one begins anew.
        mark: The last tick taken; None: born, and no tick taken yet.
        decide_from_us: Event time from which ticks are decided on; earlier ones only warm up.
        sanity: The judge of ticks.
        open_bar: The bar that is not closed yet.
        window: Closed bars, `BarWindow.to_bytes`.
        pending: A bar was closed, and its decision waits for a quote that is not crossed.
        place: Content and place of the last tick: (time_us, {(bid, ask): count}).
        position: The open position.
        realised: Realised profit less commission.
        last_signal: The last signal.
        state: The strategy's own.
        metrics: Counters.
        rates: What is known of the symbols that convert the profit's currency.
    """

    version: int
    identity: str
    mark: TickMark | None
    decide_from_us: int
    sanity: SanityState
    open_bar: Bar | None
    window: bytes
    pending: bool
    place: tuple[int, list[tuple[float, float, int]]]
    position: Position | None
    realised: float
    last_signal: Signal
    state: dict[Any, Any]
    metrics: StrategyMetrics
    rates: dict[str, KeptRate] = {}


_decode_checkpoint = msgspec.msgpack.Decoder(Checkpoint).decode


class Decision(msgspec.Struct, frozen=True):
    """One evaluation, as the decision log has it; event time only, so that two runs compare.

    Attributes:
        time_us: Event time of the tick it was made on.
        place: The tick's place among equal ones.
        bid: Its bid.
        ask: Its ask.
        bar_us: Start of the newest closed bar.
        signal: -1 SELL, 0 HOLD, 1 BUY, 2 EXIT.
        probability: The model's, if there is one.
        action: What was done; see `bot.Action`.
        lots: Volume opened.
        order_ids: Orders that followed.
        detail: Why nothing, or less, was done.
        note: The strategy's own words.
    """

    time_us: int
    place: int
    bid: float
    ask: float
    bar_us: int
    signal: int
    probability: float | None
    action: str
    lots: float
    order_ids: tuple[str, ...]
    detail: str
    note: str


class JournalError(Mt5crsError):
    """The journal cannot be read or written. The strategy stops: it must not trade unrecorded."""


class ReplacedError(Mt5crsError):
    """A newer process of this strategy has taken over. This one ends and changes nothing."""


class Journal:
    """The SQLite file of one strategy; the process of the newest epoch is the only writer.

    A process that was stopped, replaced and woken again finds a newer epoch in the file at its
    next write, which raises :class:`ReplacedError` and writes nothing.

    Args:
        epoch: Number of this spawn.
        path: The file; made where it is missing. A damaged one, or one of another version, is
            set aside under a new name, and a fresh one begun.

    Raises:
        JournalError: The file cannot be opened or made.
        ReplacedError: A newer process has opened it.
    """

    def __init__(self, path: Path, epoch: int) -> None:
        self.path = path
        self._epoch = epoch
        self.set_aside: Path | None = None
        try:
            self._db = self._open_sound()
        except sqlite3.Error as error:
            raise JournalError(f"{path}: {error}") from error

    def load(self) -> Checkpoint | None:
        """The last checkpoint; None where there is none, or it cannot be read."""
        row = self._db.execute("SELECT body FROM checkpoint").fetchone()
        if row is None:
            return None
        try:
            checkpoint = _decode_checkpoint(row[0])
        except msgspec.MsgspecError as error:
            self.event("checkpoint_unreadable", str(error))
            return None
        return checkpoint if checkpoint.version == VERSION else None

    def save(self, checkpoint: Checkpoint, decisions: Sequence[Decision]) -> None:
        """Store a checkpoint together with the decisions made since the last one.

        Raises:
            JournalError: It cannot be written.
        """
        body = msgspec.msgpack.encode(checkpoint)
        rows = [
            (
                d.time_us,
                d.place,
                d.bid,
                d.ask,
                d.bar_us,
                d.signal,
                d.probability,
                d.action,
                d.lots,
                " ".join(d.order_ids),
                d.detail,
                d.note,
            )
            for d in decisions
        ]
        with self._writing("NORMAL"):
            self._db.execute("INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?)", (body, _now()))
            self._db.executemany(
                "INSERT INTO decisions (time_us, place, bid, ask, bar_us, signal, probability,"
                " action, lots, order_ids, detail, note) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                rows,
            )

    def intend(self, order: Order) -> OrderResult | None:
        """Record an order before it is sent; its result where an earlier process had one."""
        row = self._db.execute(
            "SELECT result FROM orders WHERE order_id = ?", (order.order_id,)
        ).fetchone()
        if row is not None:
            return msgspec.msgpack.decode(row[0], type=OrderResult) if row[0] else None
        with self._writing("FULL"):
            self._db.execute(
                "INSERT INTO orders (order_id, body, intended) VALUES (?, ?, ?)",
                (order.order_id, msgspec.msgpack.encode(order), _now()),
            )
        return None

    def settle(self, result: OrderResult) -> None:
        """Record what became of an order."""
        with self._writing("NORMAL"):
            self._db.execute(
                "UPDATE orders SET status = ?, code = ?, result = ? WHERE order_id = ?",
                (result.status, result.code, msgspec.msgpack.encode(result), result.order_id),
            )

    def book_exit(self, fill: Fill) -> None:
        """Record a deal by which the book itself closed the position."""
        result = OrderResult(fill.order_id, "FILLED", fill.code, fill=fill)
        with self._writing("NORMAL"):
            self._db.execute(
                "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, 'FILLED', ?, ?)",
                (fill.order_id, b"", _now(), fill.code, msgspec.msgpack.encode(result)),
            )

    def newest_filled(self) -> str | None:
        """The id of the newest order of this strategy's own that was filled."""
        row = self._db.execute(
            "SELECT order_id FROM orders WHERE status = 'FILLED' AND body != x''"
            # From the end, so that it takes no longer each day.
            " ORDER BY rowid DESC LIMIT 1"
        ).fetchone()
        return row[0] if row is not None else None

    def unsettled(self) -> list[Order]:
        """Orders that were recorded and whose fate is not: what a crash may leave behind."""
        rows = self._db.execute("SELECT body FROM orders WHERE result IS NULL ORDER BY intended")
        return [msgspec.msgpack.decode(body, type=Order) for (body,) in rows]

    def event(self, kind: str, detail: str) -> None:
        """Record something that the trader may ask about later."""
        logger.info("%s: %s", kind, detail)
        with self._writing("NORMAL"):
            self._db.execute(
                "INSERT INTO events (time, kind, detail) VALUES (?, ?, ?)", (_now(), kind, detail)
            )

    def abandon(self, error: JournalError) -> None:
        """After an error: set the file aside if it is damaged, so that the next process can go on.

        A full disk, or a file that may not be written, is not mended by that, and left alone.
        """
        cause = error.__cause__
        if isinstance(cause, sqlite3.DatabaseError) and _useless(cause):
            self._db.close()
            self.set_aside = _set_aside(self.path)
            logger.error("%s is damaged; set aside as %s", self.path, self.set_aside.name)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _writing(self, synchronous: str) -> "_Transaction":
        return _Transaction(self._db, self.path, synchronous, self._epoch)

    def _take_over(self) -> None:
        """From here on earlier processes of this strategy write nothing any more."""
        with self._writing("NORMAL"):
            self._db.execute("UPDATE meta SET epoch = ?", (self._epoch,))

    def _open_sound(self) -> sqlite3.Connection:
        try:
            return self._begin()
        except sqlite3.DatabaseError as error:
            if not _useless(error):
                raise
            self.set_aside = _set_aside(self.path)
            logger.warning("%s: %s; set aside as %s", self.path, error, self.set_aside.name)
            db = self._begin()
            self.event("journal_set_aside", f"{self.set_aside.name}: {error}")
            return db

    def _begin(self) -> sqlite3.Connection:
        self._db = self._open()
        try:
            self._take_over()
            self._trim()
        except JournalError as error:
            raise error.__cause__ or error from None
        return self._db

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, timeout=1.0)
        db.execute("PRAGMA journal_mode = WAL")
        # One transaction, not forced to the disk: fifty strategies begin at the same moment.
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(f"BEGIN;{_SCHEMA}COMMIT;")
        # Only what a start depends on: a check of every table would take longer each day.
        for table in ("meta", "checkpoint"):
            if db.execute(f"PRAGMA quick_check({table})").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("the file is damaged")
        (version,) = db.execute("SELECT version FROM meta").fetchone()
        if version != VERSION:
            raise sqlite3.DatabaseError(f"version {version}, not {VERSION}")
        return db

    def _trim(self) -> None:
        self._db.execute(
            "DELETE FROM decisions WHERE id <= (SELECT max(id) FROM decisions) - ?",
            (_KEPT_DECISIONS,),
        )


class _Transaction:
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
            raise JournalError(f"{self._path}: {error}") from error
        if newest > self._epoch:
            self._db.execute("ROLLBACK")
            raise ReplacedError(f"epoch {newest} has taken over from {self._epoch}")

    def __exit__(self, kind: type[BaseException] | None, error: object, _trace: object) -> None:
        try:
            self._db.execute("ROLLBACK" if kind else "COMMIT")
        except sqlite3.Error as failure:
            raise JournalError(f"{self._path}: {failure}") from failure
        if isinstance(error, sqlite3.Error):
            raise JournalError(f"{self._path}: {error}") from error


def _useless(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is at fault: damaged, foreign, or with other tables than ours.

    Not so where it is locked, read-only, or on a full or missing disk.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def _set_aside(path: Path) -> Path:
    """Move a file and what SQLite keeps beside it out of the way."""
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns() // 1_000_000}")
    path.replace(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return aside


def _now() -> float:
    return time.time()
