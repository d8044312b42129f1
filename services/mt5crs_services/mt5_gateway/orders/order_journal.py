"""The gateway's order journal: what was handed to the broker, on the disk before it is."""

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from mt5crs_services.mt5_gateway.answers import OrderReport
from mt5crs_services.mt5_gateway.requests import SendOrder
from mt5crs_shared.configuration.structs import RetentionConfig
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.storage.store import Pruned, Schema, Store

_TABLES = """
CREATE TABLE meta (epoch INTEGER NOT NULL, journal TEXT NOT NULL, zone TEXT NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, order_id TEXT NOT NULL UNIQUE, request BLOB NOT NULL,
    recorded REAL NOT NULL, sent REAL NOT NULL, attempts INTEGER NOT NULL, settled INTEGER NOT NULL,
    broker_order INTEGER NOT NULL, tag TEXT NOT NULL, report BLOB NOT NULL);
CREATE INDEX orders_unsettled ON orders (id) WHERE settled = 0;
CREATE INDEX orders_broker_order ON orders (broker_order);
INSERT INTO meta VALUES (0, '', '');
"""


class OrderJournalError(Mt5crsError):
    """The order journal cannot be read or written: nothing is sent to the broker."""


_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(SendOrder).decode
_decode_report = msgspec.msgpack.Decoder(OrderReport).decode


class KeptOrder(msgspec.Struct, frozen=True):
    """An order of the journal.

    Attributes:
        request: As it was asked.
        recorded: Wall time at which it was taken, seconds since the epoch.
        sent: Wall time before it was last handed to the broker.
        attempts: How often it was, counted before each.
        settled: Its outcome is known, and the report final.
        broker_order: The broker's number of it; 0: not known.
        report: What is known.
    """

    request: SendOrder
    recorded: float
    sent: float
    attempts: int
    settled: bool
    broker_order: int
    report: OrderReport


_COLUMNS = "request, recorded, sent, attempts, settled, broker_order, report"


class OrderJournal(Store):
    """Orders by their id; the newest process that opened the file is its writer.

    Args:
        path: The file; made where it is missing.
        now: This machine's clock, seconds since the epoch.

    Attributes:
        id: Made with the file.
        zone: Of the server's clock, as an earlier process has found it; empty: none has.

    Raises:
        OrderJournalError: It cannot be opened or made.
    """

    schema = Schema(
        name="order journal",
        steps=(_TABLES,),
        mark="SELECT max(epoch) FROM meta",
        unnumbered="SELECT 1 FROM meta WHERE 0",
        failed=OrderJournalError,
        unfit=OrderJournalError,
        essential=("meta", "orders"),
        pruned=(Pruned("orders", "recorded", kept="settled = 0"),),
    )
    gone = OrderJournalError
    wal_gone = OrderJournalError

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._epoch = 0
        self._now = now
        super().__init__(path, "FULL", RetentionConfig())
        ((self.id, self.zone),) = self.select("SELECT journal, zone FROM meta")

    def take(self) -> None:
        """Become the writer; an empty file gets its id."""
        (epoch, journal) = self.db.execute("SELECT epoch, journal FROM meta").fetchone()
        self._epoch = epoch + 1
        given = (self._epoch, journal or uuid.uuid4().hex)
        self.db.execute("UPDATE meta SET epoch = ?, journal = ?", given)

    def check_writer(self) -> None:
        """See that no newer process writes it."""
        (newest,) = self.db.execute("SELECT epoch FROM meta").fetchone()
        if newest != self._epoch:
            raise OrderJournalError(f"{self.path}: another gateway has taken it over")

    def find(self, order_id: str) -> KeptOrder | None:
        """An order; None: it was never taken."""
        rows = self.select(f"SELECT {_COLUMNS} FROM orders WHERE order_id = ?", order_id)
        return _kept(rows[0]) if rows else None

    def unsettled(self) -> list[KeptOrder]:
        """Orders whose outcome is not known, the oldest first."""
        rows = self.select(f"SELECT {_COLUMNS} FROM orders WHERE settled = 0 ORDER BY id")
        return [_kept(row) for row in rows]

    def owner(self, broker_order: int) -> str:
        """The id of the order that the broker knows by this number; empty: it is none of ours."""
        query = "SELECT order_id FROM orders WHERE broker_order = ? AND broker_order > 0"
        rows = self.select(query, broker_order)
        return str(rows[0][0]) if rows else ""

    def knows_tag(self, tag: str) -> bool:
        """Whether an order of ours has this token."""
        return bool(self.select("SELECT 1 FROM orders WHERE tag = ? LIMIT 1", tag))

    def begin(self, request: SendOrder, report: OrderReport) -> KeptOrder:
        """Keep an order that is about to be handed to the broker, or that is refused here.

        Raises:
            OrderJournalError: It cannot be written.
        """
        now = self._now()
        settled = report.status == "REJECTED"
        with self.writing("FULL"):
            self.db.execute(
                "INSERT INTO orders (order_id, request, recorded, sent, attempts, settled,"
                " broker_order, tag, report) VALUES (?, ?, ?, ?, 0, ?, 0, ?, ?)",
                (
                    request.order_id,
                    _encode(request),
                    now,
                    now,
                    settled,
                    report.tag,
                    _encode(report),
                ),
            )
            self.wrote(1)
            self.prune_if_due()
        return KeptOrder(request, now, now, 0, settled, 0, report)

    def attempt(self, kept: KeptOrder) -> KeptOrder:
        """Count an attempt, before it is made.

        Raises:
            OrderJournalError: It cannot be written.
        """
        after = msgspec.structs.replace(kept, sent=self._now(), attempts=kept.attempts + 1)
        with self.writing("FULL"):
            self.db.execute(
                "UPDATE orders SET sent = ?, attempts = ? WHERE order_id = ?",
                (after.sent, after.attempts, kept.request.order_id),
            )
        return after

    def note(self, kept: KeptOrder, report: OrderReport, *, settled: bool) -> KeptOrder:
        """Keep what became of an order.

        Raises:
            OrderJournalError: It cannot be written.
        """
        order = report.order or kept.broker_order
        with self.writing("FULL"):
            self.db.execute(
                "UPDATE orders SET settled = ?, broker_order = ?, report = ? WHERE order_id = ?",
                (settled, order, _encode(report), kept.request.order_id),
            )
        return msgspec.structs.replace(kept, settled=settled, broker_order=order, report=report)

    def remember_zone(self, zone: str) -> None:
        """Keep the zone of the server's clock.

        Raises:
            OrderJournalError: It cannot be written.
        """
        with self.writing("NORMAL"):
            self.db.execute("UPDATE meta SET zone = ?", (zone,))


def _kept(row: tuple[Any, ...]) -> KeptOrder:
    request, recorded, sent, attempts, settled, order, report = row
    return KeptOrder(
        _decode_request(request),
        recorded,
        sent,
        attempts,
        bool(settled),
        order,
        _decode_report(report),
    )
