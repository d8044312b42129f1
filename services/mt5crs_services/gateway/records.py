"""What the ledger takes and gives, as values."""

import msgspec

from mt5crs_services.gateway.open_position import Holding, Touch
from mt5crs_services.gateway.quotes.market import StreamState
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.orders import Fill, Order, OrderResult, Position

_decode_touch = msgspec.msgpack.Decoder(Touch).decode


class Recorded(msgspec.Struct, frozen=True):
    """What the ledger has of an order.

    Attributes:
        request: The order; None where the book acted by itself.
        result: What became of it; None while it waits for its tick.
    """

    request: Order | None
    result: OrderResult | None


class StreamUpdate(msgspec.Struct, frozen=True):
    """Where a symbol's stream stands, with the open positions that were checked up to there.

    Attributes:
        symbol: The symbol.
        state: Its stream.
        count: Number of the last tick that the positions have seen.
        holdings: Every open position of the symbol.
    """

    symbol: str
    state: StreamState
    count: int
    holdings: tuple[Holding, ...]


class Booking(msgspec.Struct, frozen=True):
    """One deal and all that changes with it.

    Attributes:
        fill: The deal.
        result: The answer to its order.
        balance: The account's balance after it.
        order: The order; None where the book acted by itself.
        opened: The position that it opened.
        stream: The symbol's stream, the positions as they are after the deal.
        reason: For people, where the book acted by itself.
    """

    fill: Fill
    result: OrderResult
    balance: float
    order: Order | None
    opened: Holding | None
    stream: StreamUpdate
    reason: str = ""


def holding_of(row: tuple[object, ...]) -> Holding:
    """The position in a row: timed, rate, seen, touch, and `ledger_schema.POSITION_COLUMNS`."""
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
    return Holding(
        position=position,
        opening=opening,
        rate=msgspec.convert(rate, float),
        seen=msgspec.convert(seen, int | None),
        touch=_decode_touch(touch) if isinstance(touch, bytes) else None,
    )
