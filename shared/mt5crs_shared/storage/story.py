"""What happened, of processes and of the account, as one story that is read from a cursor.

Events stand in files, deals, refused orders and locks in the ledger; see `event_files` and
`ledger_queries`.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from mt5crs_shared.events import ACCOUNT, DEAL, REFUSED
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import account_log, ledger_queries, ledger_schema
from mt5crs_shared.storage.account_log import AccountEvent
from mt5crs_shared.storage.event_files import EventReader, NumberedEvent
from mt5crs_shared.storage.ledger_queries import Deal, OrderRecord
from mt5crs_shared.trading.orders import Code, Fill
from mt5crs_shared.trading.trades import closed_by


class StoryLine(msgspec.Struct, frozen=True):
    """Something that happened.

    Attributes:
        time: Wall time, ISO 8601, UTC.
        name: Whom it happened to.
        kind: One of `events.KINDS`; see ``docs/cli.md``.
        detail: For people.
        times: How often in a row, where it was the same each time.
    """

    time: str
    name: str
    kind: str
    detail: str
    times: int = 1

    @property
    def moment(self) -> datetime:
        """Its time."""
        return datetime.fromisoformat(self.time)


class StoryCursor(msgspec.Struct, frozen=True):
    """How far a reader has come: the number of the last line of each kind that it has had."""

    event: int = 0
    deal: int = 0
    order: int = 0
    lock: int = 0


class StoryReader:
    """Reads what has come since the last time.

    Args:
        paths: The ``var`` folder.
        cursor: Where to begin.
    """

    def __init__(self, paths: VarPaths, cursor: StoryCursor) -> None:
        self._paths = paths
        self._events = EventReader(paths.events, cursor.event)
        self._cursor = cursor

    @property
    def cursor(self) -> StoryCursor:
        """How far it has come."""
        return msgspec.structs.replace(self._cursor, event=self._events.number)

    def read(self) -> list[StoryLine]:
        """What has come since, in the order of the clock.

        Raises:
            LedgerError: The ledger cannot be read; the cursor stays where it was.
        """
        from_ledger = self._read_ledger()
        lines = [*map(line_of_event, self._events.read()), *from_ledger]
        return sorted(lines, key=lambda line: line.time)

    def _read_ledger(self) -> list[StoryLine]:
        if not self._paths.ledger.exists():
            return []
        with contextlib.closing(ledger_schema.open_ledger(self._paths.ledger)) as db:
            ledger_queries.snapshot(db)
            newest = ledger_cursor(db)
            # A copy that was put back knows less than its reader.
            begin = msgspec.structs.replace(
                self._cursor,
                deal=min(self._cursor.deal, newest.deal),
                order=min(self._cursor.order, newest.order),
                lock=min(self._cursor.lock, newest.lock),
            )
            lines = list(_lines_between(db, begin, newest))
        self._cursor = newest
        return lines


def newest_cursor(paths: VarPaths) -> StoryCursor:
    """The end of the story as it stands.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    event = newest_event(paths)
    ledger = StoryCursor()
    # Of one that has no tables yet everything is new.
    if paths.ledger.exists() and ledger_schema.has_begun(paths.ledger):
        with contextlib.closing(ledger_schema.open_ledger(paths.ledger)) as db:
            ledger = ledger_cursor(db)
    return msgspec.structs.replace(ledger, event=event)


def newest_event(paths: VarPaths) -> int:
    """The number of the newest event; 0: there is none."""
    events = EventReader(paths.events)
    events.read()
    return events.number


def ledger_cursor(db: sqlite3.Connection) -> StoryCursor:
    """The end of what the ledger has; of its orders the part that is settled.

    An order that waits may be refused later: those behind it are told after it.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    (row,) = ledger_queries.select(
        db,
        "SELECT (SELECT coalesce(max(id), 0) FROM deals), coalesce("
        " (SELECT min(id) - 1 FROM orders WHERE result IS NULL), (SELECT max(id) FROM orders), 0),"
        " (SELECT coalesce(max(id), 0) FROM events)",
    )
    deal, order, lock = (int(str(number)) for number in row)
    return StoryCursor(deal=deal, order=order, lock=lock)


def _lines_between(
    db: sqlite3.Connection, begin: StoryCursor, end: StoryCursor
) -> Iterator[StoryLine]:
    yield from lines_of_deals(db, ledger_queries.deals_after(db, begin.deal))
    yield from map(line_of_refusal, ledger_queries.refused_between(db, begin.order, end.order))
    yield from map(line_of_account, account_log.read_account_events(db, begin.lock))


def line_of_event(numbered: NumberedEvent) -> StoryLine:
    """An event of a process."""
    event = numbered.event
    return StoryLine(numbered.time, event.name, event.kind, event.detail)


def lines_of_deals(db: sqlite3.Connection, deals: Iterable[Deal]) -> Iterator[StoryLine]:
    """Deals; of those that somebody has made by hand it is said who that was.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    for deal in deals:
        by_hand = deal.fill.code is Code.MANUAL
        reason = ledger_queries.order_reason(db, deal.fill.order_id) if by_hand else ""
        yield line_of_deal(deal, reason)


def line_of_deal(deal: Deal, reason: str = "") -> StoryLine:
    """``SELL 0.10 EURUSD at 1.08321 closes: profit -3.21 (stop loss), balance 9,996.79``.

    Args:
        deal: The deal.
        reason: What led to it, where that is worth telling: whose hand closed it.
    """
    fill = deal.fill
    detail = f"{fill.side} {fill.lots:g} {fill.symbol} at {fill.price:g} "
    if fill.entry == "IN":
        detail += "is adopted" if fill.code is Code.ADOPTED else "opens"
    else:
        detail += f"closes: {deal_in_words(fill)}, balance {deal.balance:,.2f}"
    detail += f"; {reason}" if reason else ""
    return StoryLine(_time(deal.recorded), fill.strategy, DEAL, detail)


def deal_in_words(fill: Fill) -> str:
    """What a closing deal has made: ``profit +9.25, commission 1.75 (stop loss)``.

    The trade's net has the opening deal's commission besides; `trades` shows it.
    """
    paid = f", commission {fill.commission:,.2f}" if fill.commission else ""
    return f"profit {fill.profit:+,.2f}{paid} ({closed_by(fill.code)})"


def line_of_refusal(order: OrderRecord) -> StoryLine:
    """An order that the gateway refused, with its reason."""
    lots = f" {order.lots:g}" if order.lots is not None else ""
    why = f": {order.detail}" if order.detail else ""
    detail = f"{order.action} {order.side}{lots} {order.symbol}: {order.code}{why}"
    return StoryLine(_time(order.recorded), order.strategy, REFUSED, detail)


def line_of_account(change: AccountEvent) -> StoryLine:
    """Something that was held back, or let go."""
    return StoryLine(_time(change.recorded), change.name or ACCOUNT, change.kind, change.detail)


def _time(recorded: float) -> str:
    moment = datetime.fromtimestamp(recorded, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "Z"
