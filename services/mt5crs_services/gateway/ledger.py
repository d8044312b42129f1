"""The account's ledger: orders, deals, positions and streams in one SQLite file.

One transaction holds all that belongs together, and is on the disk before anybody hears of it.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from mt5crs_services.gateway.account import Total, made_by, parts_of
from mt5crs_services.gateway.ledger_file import LedgerFile
from mt5crs_services.gateway.open_position import Holding
from mt5crs_services.gateway.quotes.market import StreamState
from mt5crs_services.gateway.records import Booking, Recorded, StreamUpdate, holding_of
from mt5crs_shared.configuration.structs import RetentionConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.orders import Fill, Order, OrderResult
from mt5crs_shared.storage import ledger_schema
from mt5crs_shared.storage.ledger_schema import DEAL_COLUMNS, POSITION_COLUMNS, LedgerError
from mt5crs_shared.storage.store import Durability

_encode = msgspec.msgpack.Encoder().encode
_decode_order = msgspec.msgpack.Decoder(Order).decode
_decode_result = msgspec.msgpack.Decoder(OrderResult).decode
_decode_stream = msgspec.msgpack.Decoder(StreamState).decode


class Ledger:
    """The ledger of one account; its process is the only writer.

    Args:
        path: The file; made where it is missing.
        currency: The account's currency.
        first_balance: The account's first balance, used when the file is made.
        retention: How long orders and events are kept.
        installation: Id of the ``var`` folder; a ledger keeps that of its own.

    Raises:
        LedgerError: The file is damaged, of a newer version, of another account, or cannot be
            opened.
    """

    def __init__(
        self,
        path: Path,
        currency: str,
        first_balance: float,
        retention: RetentionConfig | None = None,
        installation: str = "",
    ) -> None:
        self.path = path
        self.first_balance = first_balance
        kept = retention or RetentionConfig()
        self._file = LedgerFile(path, currency, first_balance, kept, installation)
        self._db = self._file.db

    def epochs(self) -> dict[str, int]:
        """The newest epoch of each strategy."""
        return dict(self._db.execute("SELECT strategy, epoch FROM epochs").fetchall())

    def raise_epoch(self, strategy: str, epoch: int) -> None:
        """Remember a strategy's newest epoch."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?)", (strategy, epoch))

    def find(self, order_id: str) -> Recorded | None:
        """What is known of an order; None where it was never seen."""
        row = self._select("SELECT request, result FROM orders WHERE order_id = ?", order_id)
        if row is None:
            return None
        return Recorded(
            request=_decode_order(row[0]) if isinstance(row[0], bytes) and row[0] else None,
            result=_decode_result(row[1]) if isinstance(row[1], bytes) else None,
        )

    def pending(self) -> list[Order]:
        """Orders that wait for their tick, in the order they came."""
        rows = self._db.execute("SELECT request FROM orders WHERE result IS NULL ORDER BY id")
        return [_decode_order(body) for (body,) in rows]

    def intend(self, order: Order) -> None:
        """Record an order that waits for its tick."""
        with self._writing():
            self._insert_order(order, None)

    def forget(self, order_id: str) -> None:
        """Take back the record of an order that waited and could not be executed."""
        with self._writing():
            self._db.execute("DELETE FROM orders WHERE order_id = ?", (order_id,))

    def refuse(self, order: Order, result: OrderResult) -> None:
        """Record that an order was refused.

        It does not wait for the disk: after a power cut the same order is refused once more.
        """
        with self._writing("NORMAL"):
            self._insert_order(order, result)

    def book(self, booking: Booking) -> None:
        """Record a deal, its order, the position's change and the stream, all or nothing."""
        fill = booking.fill
        with self._writing():
            if booking.order is not None:
                self._insert_order(booking.order, booking.result)
            else:
                self._insert_own_order(booking)
            self._insert_deal(fill, booking.balance)
            self._add_up(fill)
            if fill.entry == "OUT":
                self._db.execute("DELETE FROM positions WHERE ticket = ?", (fill.ticket,))
            elif booking.opened is not None:
                self._insert_position(booking.opened)
            self._update_stream(booking.stream)
            if booking.reason:
                self._insert_event(fill.code, booking.reason)

    def save(self, streams: Iterable[StreamUpdate]) -> None:
        """Record where the streams stand; what a crash undoes of it is read again."""
        with self._writing("NORMAL"):
            for stream in streams:
                self._update_stream(stream)
            self._file.prune_if_due()

    def symbols(self, configured: Mapping[str, SymbolSpec]) -> dict[str, SymbolSpec]:
        """The symbols to watch: those configured, and what the open positions need besides.

        What is configured is remembered, for positions that outlive their place in the YAML.
        """
        rows = [(name, msgspec.json.encode(spec)) for name, spec in configured.items()]
        with self._writing():
            self._db.executemany("INSERT OR REPLACE INTO symbols VALUES (?, ?)", rows)
        return {**ledger_schema.guarded(self._db), **configured}

    def holdings(self) -> list[Holding]:
        """The open positions, as an earlier process left them."""
        rows = self._db.execute(
            f"SELECT timed, rate, seen, touch, {POSITION_COLUMNS} FROM positions ORDER BY ticket"
        )
        return [holding_of(row) for row in rows]

    def streams(self) -> dict[str, StreamState]:
        """Where each symbol's stream stood."""
        rows = self._db.execute("SELECT symbol, body FROM streams").fetchall()
        return {symbol: _decode_stream(body) for symbol, body in rows}

    def deals(self) -> list[ledger_schema.Deal]:
        """Every deal, in the order they were booked."""
        return ledger_schema.deals(self._db)

    def totals(self) -> dict[str, Total]:
        """What each strategy has made so far."""
        rows = self._db.execute("SELECT strategy, made, deals FROM totals")
        return {strategy: Total(made, deals) for strategy, made, deals in rows}

    def tickets(self) -> dict[int, int]:
        """The number of the last position of each magic number."""
        return dict(self._db.execute("SELECT magic, number FROM tickets").fetchall())

    def closing(self, strategy: str, ticket: int) -> Fill | None:
        """The deal that closed a strategy's position."""
        row = self._select(
            f"SELECT {DEAL_COLUMNS} FROM deals WHERE strategy = ? AND ticket = ? AND entry = 'OUT'",
            strategy,
            ticket,
        )
        return ledger_schema.fill_of(row) if row is not None else None

    def check_in_place(self) -> None:
        """Make sure that what is written goes to the file that everybody else sees.

        Raises:
            LedgerGoneError: Somebody has removed or replaced it.
            WalGoneError: Somebody has removed what SQLite keeps beside it.
        """
        self._file.check_in_place()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _select(self, query: str, *values: object) -> tuple[object, ...] | None:
        try:
            row: tuple[object, ...] | None = self._db.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise LedgerError(f"{self.path}: {error}") from error
        return row

    def _writing(self, durability: Durability = "FULL") -> contextlib.AbstractContextManager[None]:
        return self._file.writing(durability)

    def _insert_order(self, order: Order, result: OrderResult | None) -> None:
        body = _encode(result) if result is not None else None
        ticket = result.fill.ticket if result is not None and result.fill else order.ticket
        self._file.wrote(1)
        values = (
            order.order_id,
            order.strategy,
            order.epoch,
            order.symbol,
            order.action,
            order.side,
            order.lots,
            order.tick.time_us,
            order.reason,
            _encode(order),
            result.status if result is not None else "PENDING",
            result.code if result is not None else None,
            result.detail if result is not None else "",
            ticket,
            body,
            time.time(),
        )
        # An order that waited is there already, without a result.
        self._db.execute(
            f"INSERT INTO orders VALUES (NULL{', ?' * len(values)}) ON CONFLICT (order_id) DO"
            " UPDATE SET status = excluded.status, code = excluded.code, detail = excluded.detail,"
            " ticket = excluded.ticket, result = excluded.result WHERE result IS NULL",
            values,
        )

    def _insert_own_order(self, booking: Booking) -> None:
        fill, result = booking.fill, booking.result
        values = (
            fill.order_id,
            fill.strategy,
            fill.symbol,
            fill.side,
            fill.lots,
            fill.time_us,
            booking.reason,
            result.status,
            result.code,
            fill.ticket,
            _encode(result),
            time.time(),
        )
        self._db.execute(
            "INSERT INTO orders VALUES (NULL, ?, ?, 0, ?, 'CLOSE', ?, ?, ?, ?, x'', ?, ?, '',"
            " ?, ?, ?)",
            values,
        )

    def _insert_deal(self, fill: Fill, balance: float) -> None:
        values = (*msgspec.structs.astuple(fill), balance, time.time())
        self._db.execute(f"INSERT INTO deals VALUES (NULL{', ?' * len(values)})", values)

    def _add_up(self, fill: Fill) -> None:
        self._db.execute(
            "INSERT INTO totals VALUES (?, ?, 1) ON CONFLICT (strategy) DO UPDATE SET"
            " made = made + excluded.made, deals = deals + 1",
            (fill.strategy, made_by(fill)),
        )
        if fill.entry == "IN":
            self._db.execute(
                "INSERT INTO tickets VALUES (?, ?) ON CONFLICT (magic) DO UPDATE SET"
                " number = max(number, excluded.number)",
                parts_of(fill.ticket),
            )

    def _insert_position(self, holding: Holding) -> None:
        values = (
            *msgspec.structs.astuple(holding.position),
            holding.opening.timed,
            holding.rate,
            holding.seen,
            None,
        )
        self._db.execute(f"INSERT INTO positions VALUES (?{', ?' * (len(values) - 1)})", values)

    def _update_stream(self, stream: StreamUpdate) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO streams VALUES (?, ?)", (stream.symbol, _encode(stream.state))
        )
        for holding in stream.holdings:
            seen = max(holding.seen, stream.count) if holding.seen is not None else None
            touch = _encode(holding.touch) if holding.touch is not None else None
            self._db.execute(
                "UPDATE positions SET seen = ?, touch = ? WHERE ticket = ?",
                (seen, touch, holding.position.ticket),
            )

    def _insert_event(self, kind: str, detail: str) -> None:
        self._db.execute(
            "INSERT INTO events (recorded, kind, detail) VALUES (?, ?, ?)",
            (time.time(), kind, detail),
        )
