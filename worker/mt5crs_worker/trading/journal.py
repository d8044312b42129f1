"""One strategy's journal: decisions, orders, events, and the checkpoint that it restarts from."""

import contextlib
import logging
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mt5crs_shared.configuration.structs import RetentionConfig, StrategyConfig
from mt5crs_shared.market.backlog import TickMark
from mt5crs_shared.market.bars import Bar
from mt5crs_shared.market.rates import RateState
from mt5crs_shared.market.sanity import SanityState
from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_shared.storage.decision_log import Decision
from mt5crs_shared.storage.store import connect_readonly
from mt5crs_shared.trading.orders import Fill, Order, OrderResult, Position, Side
from mt5crs_worker.answers import Signal
from mt5crs_worker.features.source import KeptFeatures
from mt5crs_worker.trading.journal_file import (
    SCHEMA,
    JournalError,
    JournalFile,
    JournalVersionError,
)

logger = logging.getLogger(__name__)

CHECKPOINT_FORMAT = 1
"""Of `Checkpoint`; stored beside each one. It rises where a version could not read what the one
before has written, or would take it for something else; a new field with a default is neither."""


FEATURES_KEPT = 10_000
"""Answers of a feature API, of the newest bars: more than close between two checkpoints."""


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
        identity: What the state depends on (symbol, timeframe, class); another one begins anew.
        mark: The last tick taken; None: born, and no tick taken yet.
        decide_from_us: Event time from which ticks are decided on; earlier ones only warm up.
        sanity: The judge of ticks.
        open_bar: The bar that is not closed yet.
        window: Closed bars, `BarWindow.to_bytes`.
        pending: A bar was closed, and its decision waits for a quote that is not crossed.
        occurrences: How often each quote has come at the time of the last tick:
            (time_us, {(bid, ask): count}).
        position: The open position.
        realised: Realised profit less commission and swap.
        last_signal: The last signal.
        state: The strategy's own.
        metrics: Counters.
        rates: What is known of the symbols that convert the profit's currency.
        refused: The closed bar on which orders to open were refused last, and their sides.
        first_order: What decided when a first order was dealt; see `FirstOrder`.
        deals: How many deals are known of; None: not known.
    """

    identity: str
    mark: TickMark | None
    decide_from_us: int
    sanity: SanityState
    open_bar: Bar | None
    window: bytes
    pending: bool
    occurrences: tuple[int, list[tuple[float, float, int]]]
    position: Position | None
    realised: float
    last_signal: Signal
    state: dict[Any, Any]
    metrics: StrategyMetrics
    rates: dict[str, KeptRate] = {}
    refused: tuple[int, tuple[Side, ...]] | None = None
    first_order: str = ""
    deals: int | None = None


def identity_of(config: StrategyConfig) -> str:
    """What a checkpoint depends on; one of another identity is of no use."""
    return f"{config.symbol} {config.timeframe} {config.strategy or 'model'}"


_decode_checkpoint = msgspec.msgpack.Decoder(Checkpoint).decode

_DECISION = (*Decision.__struct_fields__, "time")
_INSERT_DECISION = (
    f"INSERT INTO decisions ({', '.join(_DECISION)}) VALUES ({', '.join('?' * len(_DECISION))})"
)


_INSERT_EVENT = "INSERT INTO events (time, kind, detail) VALUES (?, ?, ?)"


_SELECT_CHECKPOINT = (
    "SELECT checkpoint.body, window.body, format FROM checkpoint JOIN window USING (id)"
)


def read_checkpoint(journal: Path) -> Checkpoint | None:
    """The last checkpoint, for who looks on; the strategy may be writing.

    Returns:
        None: there is none, or it cannot be read.
    """
    try:
        with contextlib.closing(connect_readonly(journal)) as db:
            row = db.execute(_SELECT_CHECKPOINT).fetchone()
    except (OSError, sqlite3.Error):
        return None
    if row is None or row[2] != CHECKPOINT_FORMAT:
        return None
    try:
        return msgspec.structs.replace(_decode_checkpoint(row[0]), window=row[1])
    except msgspec.MsgspecError:
        return None


class Journal:
    """The SQLite file of one strategy; the process of the newest epoch is the only writer.

    A process that was stopped, replaced and woken again finds a newer epoch in the file at its
    next write, which raises :class:`ReplacedError` and writes nothing.

    Args:
        path: The file; made where it is missing. A damaged one, or one that is no journal, is set
            aside under a new name, and a fresh one begun.
        epoch: Number of this spawn.
        retention: How long decisions, orders and events are kept.

    Raises:
        JournalError: The file cannot be opened or made.
        JournalVersionError: It is of a newer version.
        ReplacedError: A newer process has opened it.
    """

    def __init__(self, path: Path, epoch: int, retention: RetentionConfig | None = None) -> None:
        self.path = path
        self._file = JournalFile(path, epoch, retention or RetentionConfig())
        self._db = self._file.db
        self._window: bytes | None = None
        if self._file.fault:
            self.event("journal_set_aside", self._file.fault)

    @property
    def set_aside(self) -> Path | None:
        """Where a file is now that was damaged, or no journal."""
        return self._file.set_aside

    def load(self) -> Checkpoint | None:
        """The last checkpoint; None where there is none, or it cannot be used.

        Orders, decisions and events are kept whatever it is.

        Raises:
            JournalVersionError: A newer version has saved it.
            JournalError: It cannot be read.
        """
        rows = self._file.select(_SELECT_CHECKPOINT)
        if not rows:
            return None
        ((body, window, written),) = rows
        formats = f"its format is {written}, and this program has {CHECKPOINT_FORMAT}"
        if written > CHECKPOINT_FORMAT:
            raise JournalVersionError(
                f"{self.path}: a newer mt5crs-supervisor has saved this checkpoint ({formats})."
                f" Use the newer one again{SCHEMA.instead}"
            )
        if written < CHECKPOINT_FORMAT:
            self.event("checkpoint_left", f"an older version has saved it ({formats})")
            return None
        try:
            checkpoint = _decode_checkpoint(body)
        except msgspec.MsgspecError as error:
            self.event("checkpoint_unreadable", str(error))
            return None
        return msgspec.structs.replace(checkpoint, window=window)

    def save(
        self,
        checkpoint: Checkpoint,
        decisions: Sequence[Decision],
        events: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Store a checkpoint together with the decisions made since the last one.

        Args:
            checkpoint: Where the strategy stands.
            decisions: What it has decided since.
            events: Kind and detail of what is true only if it goes on from here.

        Raises:
            JournalError: It cannot be written.
        """
        # The window, by far the largest part, only changes when a bar closes.
        window = None if checkpoint.window == self._window else checkpoint.window
        body = msgspec.msgpack.encode(msgspec.structs.replace(checkpoint, window=b""))
        now = time.time()
        rows = [(*msgspec.structs.astuple(decision), now) for decision in decisions]
        with self._file.writing("NORMAL"):
            self._db.execute(
                "INSERT OR REPLACE INTO checkpoint (id, body, saved, format) VALUES (1, ?, ?, ?)",
                (body, now, CHECKPOINT_FORMAT),
            )
            if window is not None:
                self._db.execute("INSERT OR REPLACE INTO window VALUES (1, ?)", (window,))
            self._db.executemany(_INSERT_DECISION, rows)
            self._db.executemany(_INSERT_EVENT, [(now, *event) for event in events])
            self._wrote(len(rows) + len(events))
        self._window = checkpoint.window
        for kind, detail in events:
            logger.info("%s: %s", kind, detail)

    def intend(self, order: Order) -> OrderResult | None:
        """Record an order before it is sent; its result where an earlier process had one."""
        rows = self._file.select("SELECT result FROM orders WHERE order_id = ?", order.order_id)
        if rows:
            ((result,),) = rows
            return msgspec.msgpack.decode(result, type=OrderResult) if result else None
        with self._file.writing("FULL"):
            self._db.execute(
                "INSERT INTO orders (order_id, body, time) VALUES (?, ?, ?)",
                (order.order_id, msgspec.msgpack.encode(order), time.time()),
            )
            self._wrote(1)
        return None

    def settle(self, result: OrderResult) -> None:
        """Record what became of an order."""
        with self._file.writing("NORMAL"):
            self._db.execute(
                "UPDATE orders SET status = ?, code = ?, result = ? WHERE order_id = ?",
                (result.status, result.code, msgspec.msgpack.encode(result), result.order_id),
            )

    def book_exit(self, fill: Fill) -> None:
        """Record a deal by which the book itself closed the position."""
        result = OrderResult(fill.order_id, "FILLED", fill.code, fill=fill)
        with self._file.writing("NORMAL"):
            self._db.execute(
                "INSERT OR REPLACE INTO orders VALUES (NULL, ?, ?, ?, 'FILLED', ?, ?)",
                (fill.order_id, b"", time.time(), fill.code, msgspec.msgpack.encode(result)),
            )

    def newest_filled(self) -> str | None:
        """The id of the newest order of this strategy's own that was filled."""
        rows = self._file.select(
            "SELECT order_id FROM orders WHERE status = 'FILLED' AND body != x''"
            " ORDER BY id DESC LIMIT 1"
        )
        return rows[0][0] if rows else None

    def unsettled(self) -> list[Order]:
        """Orders that were recorded and whose fate is not: what a crash may leave behind."""
        rows = self._file.select("SELECT body FROM orders WHERE result IS NULL ORDER BY id")
        return [msgspec.msgpack.decode(body, type=Order) for (body,) in rows]

    def known_features(self, bar: bytes) -> KeptFeatures | None:
        """What an API had said of a bar; None: it has not been asked, or that is damaged."""
        rows = self._file.select("SELECT body FROM features WHERE bar = ?", bar)
        try:
            return msgspec.msgpack.decode(rows[0][0], type=KeptFeatures) if rows else None
        except msgspec.MsgspecError as error:
            self.event("features_unreadable", str(error))
            return None

    def keep_features(self, bar: bytes, found: KeptFeatures) -> None:
        """Record what an API said of a bar, before anything is decided on it.

        Orders are forced to the disk after this was written, and this with them.
        """
        with self._file.writing("NORMAL"):
            self._db.execute(
                "INSERT OR REPLACE INTO features (bar, body) VALUES (?, ?)",
                (bar, msgspec.msgpack.encode(found)),
            )
            self._db.execute(
                "DELETE FROM features WHERE id <= (SELECT max(id) FROM features) - ?",
                (FEATURES_KEPT,),
            )

    def event(self, kind: str, detail: str, level: int = logging.INFO) -> None:
        """Record something that the trader may ask about later."""
        logger.log(level, "%s: %s", kind, detail)
        with self._file.writing("NORMAL"):
            self._db.execute(_INSERT_EVENT, (time.time(), kind, detail))
            self._wrote(1)

    def abandon(self, error: JournalError) -> None:
        """After an error: set the file aside if it is damaged, so that the next process can go on.

        A full disk, or a file that may not be written, is not mended by that, and left alone.
        """
        self._file.abandon(error)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _wrote(self, rows: int) -> None:
        """Count rows, and take the oldest away now and then; within a transaction."""
        self._file.wrote(rows)
        self._file.prune_if_due()
