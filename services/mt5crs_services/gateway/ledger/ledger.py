"""The account's ledger: orders, deals, positions and streams in one SQLite file.

One transaction holds all that belongs together, and is on the disk before anybody hears of it.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from mt5crs_services.gateway.ledger import shadow_rows, writing
from mt5crs_services.gateway.ledger.account import Total
from mt5crs_services.gateway.ledger.ledger_file import LedgerFile
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_services.gateway.ledger.records import (
    NOTHING_HEARD,
    AccountNote,
    Booking,
    OpenOrder,
    OrderState,
    RecordedOrder,
    RuleStates,
    StreamUpdate,
    open_position_of,
)
from mt5crs_services.gateway.ledger.shadow_rows import Beside, ShadowDeal
from mt5crs_services.gateway.quotes.market import StreamState
from mt5crs_shared import events
from mt5crs_shared.configuration.structs import RetentionConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.storage import account_log, ledger_queries
from mt5crs_shared.storage.ledger_queries import POSITION_COLUMNS
from mt5crs_shared.storage.ledger_schema import PAPER, LedgerError
from mt5crs_shared.trading.locks import TradingLock, in_words
from mt5crs_shared.trading.orders import Charge, Fill, Order, OrderResult

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
        book: Whose deals it has: `PAPER`, or a real account; each has a file of its own.

    Attributes:
        beside: Writes something more beside each order, in its transaction.

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
        book: str = PAPER,
    ) -> None:
        self.path = path
        self.first_balance = first_balance
        self.installation = installation
        self.beside: Beside = lambda db, order, result: None
        kept = retention or RetentionConfig()
        self._file = LedgerFile(path, currency, first_balance, kept, installation, book)
        self._db = self._file.db
        self._writing = self._file.writing

    def epochs(self) -> dict[str, int]:
        """The newest epoch of each strategy."""
        return dict(self._db.execute("SELECT strategy, epoch FROM epochs").fetchall())

    def raise_epoch(self, strategy: str, epoch: int) -> None:
        """Remember a strategy's newest epoch."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?)", (strategy, epoch))

    def find(self, order_id: str) -> RecordedOrder | None:
        """What is known of an order; None where it was never seen."""
        row = self._select("SELECT request, result FROM orders WHERE order_id = ?", order_id)
        if row is None:
            return None
        return RecordedOrder(
            request=_decode_order(row[0]) if isinstance(row[0], bytes) and row[0] else None,
            result=_decode_result(row[1]) if isinstance(row[1], bytes) else None,
        )

    def open_orders(self) -> list[OpenOrder]:
        """Orders that have no result yet, in the order they came."""
        rows = self._db.execute(
            "SELECT request, status FROM orders WHERE result IS NULL ORDER BY id"
        )
        return [OpenOrder(_decode_order(body), OrderState(state)) for body, state in rows]

    def record(self, order: Order, state: OrderState) -> None:
        """Record an order that has no result yet, and where it stands."""
        with self._writing():
            self._file.wrote(1)
            writing.insert_order(self._db, order, None, state)
            self.beside(self._db, order, None)

    def rule_states(self, rule: str) -> dict[str, bytes]:
        """What a risk rule remembers, by the key of its scope."""
        rows = self._db.execute("SELECT key, state FROM rule_states WHERE rule = ?", (rule,))
        return dict(rows.fetchall())

    def unheard_by(self, rule: str) -> Iterator[Fill | Charge]:
        """Deals and charges that a risk rule has not heard of; see `happened_after`."""
        row = self._select("SELECT deal, charge FROM rules WHERE rule = ?", rule) or (0, 0)
        return ledger_queries.happened_after(self._db, *msgspec.convert(row, tuple[int, int]))

    def keep_rules(self, states: RuleStates) -> None:
        """Record what risk rules remember, having heard of every deal and charge."""
        with self._writing():
            writing.keep_rules(self._db, states)

    def forget(self, order_id: str) -> None:
        """Take back the record of an order that waited and could not be executed."""
        with self._writing():
            self._db.execute("DELETE FROM orders WHERE order_id = ?", (order_id,))

    def refuse(self, order: Order, result: OrderResult, lock: TradingLock | None = None) -> None:
        """Record that an order was refused, and the lock that follows from it.

        Alone it does not wait for the disk: after a power cut the same order is refused once more.
        """
        with self._writing("NORMAL" if lock is None else "FULL"):
            self._file.wrote(1)
            writing.insert_order(self._db, order, result)
            self.beside(self._db, order, result)
            if lock is not None:
                self._insert_lock(lock)

    def book(self, booking: Booking) -> None:
        """Record a deal, its order, the position's change and the stream, all or nothing."""
        fill = booking.fill
        with self._writing():
            self._file.wrote(1)
            if booking.order is not None:
                writing.insert_order(self._db, booking.order, booking.result)
            else:
                writing.insert_own_order(self._db, booking)
            self.beside(self._db, booking.order, booking.result)
            writing.insert_deal(self._db, fill, booking.balance)
            writing.add_up(self._db, fill)
            writing.change_position(self._db, fill, booking.held)
            if booking.stream is not None:
                writing.update_stream(self._db, booking.stream)
            writing.keep_rules(self._db, booking.rule_states)
            writing.keep_far_side(self._db, booking.far_side)
            if booking.reason:
                writing.insert_event(self._db, fill.code, booking.reason)

    def complete_shadow(self, row: ShadowDeal) -> None:
        """Record what would have become of an order on paper, now that its tick has come."""
        with self._writing("NORMAL"):
            shadow_rows.complete_shadow(self._db, row)

    @property
    def prune_is_due(self) -> bool:
        """`save` has something to do, whether streams have gone on or not."""
        return self._file.prune_is_due

    def save(self, streams: Iterable[StreamUpdate]) -> None:
        """Record where the streams stand; what a crash undoes of it is read again."""
        with self._writing("NORMAL"):
            for stream in streams:
                writing.update_stream(self._db, stream)
            self._file.prune_if_due()

    def symbols(self, configured: Mapping[str, SymbolSpec]) -> dict[str, SymbolSpec]:
        """The symbols to watch: those configured, and what the open positions need besides.

        What is configured is remembered, for positions that outlive their place in the YAML.
        """
        rows = [(name, msgspec.json.encode(spec)) for name, spec in configured.items()]
        with self._writing():
            self._db.executemany("INSERT OR REPLACE INTO symbols VALUES (?, ?)", rows)
        return {**ledger_queries.guarded(self._db), **configured}

    def open_positions(self) -> list[OpenPosition]:
        """The open positions, as an earlier process left them."""
        rows = self._db.execute(
            f"SELECT timed, rate, seen, touch, {POSITION_COLUMNS} FROM positions ORDER BY ticket"
        )
        return [open_position_of(row) for row in rows]

    def streams(self) -> dict[str, StreamState]:
        """Where each symbol's stream stood."""
        rows = self._db.execute("SELECT symbol, body FROM streams").fetchall()
        return {symbol: _decode_stream(body) for symbol, body in rows}

    def deals(self) -> list[ledger_queries.Deal]:
        """Every deal, in the order they were booked."""
        return ledger_queries.deals(self._db)

    def totals(self) -> dict[str, Total]:
        """What each strategy has made so far."""
        rows = self._db.execute("SELECT strategy, made, deals, deal_us FROM totals")
        return {strategy: Total(*total) for strategy, *total in rows}

    def tickets(self) -> dict[int, int]:
        """The number of the last position of each magic number."""
        return dict(self._db.execute("SELECT magic, number FROM tickets").fetchall())

    def closing(self, strategy: str, ticket: int) -> Fill | None:
        """The deal that closed a strategy's position; of several, the last."""
        fill = self.closed(ticket)
        return fill if fill is not None and fill.strategy == strategy else None

    def closed(self, ticket: int) -> Fill | None:
        """The deal that closed a position, whoever held it; of several, the last."""
        return ledger_queries.closing_of(self._db, ticket)

    def far_side(self) -> str:
        """What a broker that is far away has to remember; empty: nothing yet."""
        row = self._select("SELECT value FROM meta WHERE key = 'far_side'")
        return str(row[0]) if row is not None else ""

    def owner_of(self, ticket: int) -> str | None:
        """Whose a position is, or was last; None: no strategy's."""
        return ledger_queries.owner_of(self._db, ticket)

    def symbol_of(self, ticket: int) -> str:
        """The symbol of a position that is, or was, a strategy's."""
        return ledger_queries.symbol_of_position(self._db, ticket)

    def keep_far_side(
        self,
        state: str,
        notes: Iterable[AccountNote] = (),
        charges: Iterable[Charge] = (),
        rule_states: RuleStates = NOTHING_HEARD,
    ) -> None:
        """Record what a broker that is far away has to remember and has charged, all or nothing."""
        with self._writing():
            for charge in charges:
                writing.insert_charge(self._db, charge)
            writing.keep_rules(self._db, rule_states)
            writing.keep_far_side(self._db, state)
            for note in notes:
                writing.insert_event(self._db, note.kind, note.detail, note.name)

    def locks(self) -> list[TradingLock]:
        """What holds orders back."""
        return account_log.read_locks(self._db)

    def change_locks(
        self, put: Iterable[TradingLock], taken_off: Iterable[tuple[TradingLock, str]]
    ) -> None:
        """Record locks that hold from now on, and those that do no more, with the reason."""
        with self._writing():
            for lock in put:
                self._insert_lock(lock)
            for lock, reason in taken_off:
                writing.delete_lock(self._db, lock)
                writing.insert_event(self._db, events.UNLOCKED, reason, lock.scope)

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

    def _insert_lock(self, lock: TradingLock) -> None:
        writing.insert_lock(self._db, lock)
        writing.insert_event(self._db, events.LOCKED, in_words(lock), lock.scope)

    def _select(self, query: str, *values: object) -> tuple[object, ...] | None:
        try:
            row: tuple[object, ...] | None = self._db.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise LedgerError(f"{self.path}: {error}") from error
        return row
