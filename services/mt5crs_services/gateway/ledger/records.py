"""What the ledger takes and gives, as values."""

import enum
from collections.abc import Mapping

import msgspec

from mt5crs_services.gateway.ledger.open_position import OpenPosition, Touch
from mt5crs_services.gateway.quotes.market import StreamState
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Fill, Order, OrderResult, Position

RuleStates = Mapping[str, Mapping[str, bytes]]
"""By risk rule that has heard of something, the states that this has changed, by their keys."""

NOTHING_HEARD: RuleStates = {}

_decode_touch = msgspec.msgpack.Decoder(Touch).decode


class OrderState(enum.StrEnum):
    """Where an order stands that has no result yet.

    NEW: it waits for its tick, and has not been sent. SENT: it is on its way to the broker, or was
    when a gateway died. PENDING: the broker has it. UNKNOWN: nobody can say.
    """

    NEW = "NEW"
    SENT = "SENT"
    PENDING = "PENDING"
    UNKNOWN = "UNKNOWN"


class OpenOrder(msgspec.Struct, frozen=True):
    """An order that has no result yet."""

    order: Order
    state: OrderState


class RecordedOrder(msgspec.Struct, frozen=True):
    """What the ledger has of an order.

    Attributes:
        request: The order; None where the book acted by itself.
        result: What became of it; None while it waits for its tick.
    """

    request: Order | None
    result: OrderResult | None


class AccountNote(msgspec.Struct, frozen=True):
    """Something about the account that its owner should know.

    Attributes:
        kind: One of `events.ACCOUNT_KINDS`.
        detail: For people.
        name: The strategy; empty: the account.
    """

    kind: str
    detail: str
    name: str = ""


class StreamUpdate(msgspec.Struct, frozen=True):
    """Where a symbol's stream stands, with the open positions that were checked up to there.

    Attributes:
        symbol: The symbol.
        state: Its stream.
        count: Number of the last tick that the positions have seen.
        positions: Every open position of the symbol.
    """

    symbol: str
    state: StreamState
    count: int
    positions: tuple[OpenPosition, ...]


class Booking(msgspec.Struct, frozen=True):
    """One deal and all that changes with it.

    Attributes:
        fill: The deal.
        result: The answer to its order.
        balance: The account's balance after it.
        order: The order; None where the book acted by itself.
        held: The position as it is after the deal; None: it is closed.
        stream: The symbol's stream, the positions as they are after the deal; None: not kept.
        reason: For people, where the broker acted by itself.
        rule_states: By risk rule that has heard of the deal, what that has changed.
        far_side: What a broker that is far away remembers from then on; empty: as before.
    """

    fill: Fill
    result: OrderResult
    balance: float
    order: Order | None
    held: OpenPosition | None
    stream: StreamUpdate | None
    reason: str = ""
    rule_states: RuleStates = NOTHING_HEARD
    far_side: str = ""


def open_position_of(row: tuple[object, ...]) -> OpenPosition:
    """The position in a row: timed, rate, seen, touch, and `ledger_queries.POSITION_COLUMNS`."""
    timed, rate, seen, touch, *columns = row
    names = Position.__struct_fields__
    position = msgspec.convert(dict(zip(names, columns, strict=True)), Position)
    opening = Tick(
        position.symbol,
        position.open_time_us,
        position.open_bid,
        position.open_ask,
        timed=bool(timed),
    )
    found = _decode_touch(touch) if isinstance(touch, bytes) else None
    return OpenPosition(
        position=position,
        opening=opening,
        rate=msgspec.convert(rate, float),
        seen=msgspec.convert(seen, int | None),
        by_time=found is not None and found.by_time,
        touch=found,
    )
