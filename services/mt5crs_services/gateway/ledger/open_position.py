"""An open position as the book holds it."""

import msgspec

from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Code, Position


class Touch(msgspec.Struct, frozen=True, array_like=True):
    """The first tick of the gateway's own stream that ends a position.

    Attributes:
        number: The tick's number in the stream.
        tick: The tick.
        code: STOP_LOSS or TAKE_PROFIT.
        rate: Price of the quote currency in the account's there. The stream had all that it
            depends on when the tick came; a gateway that begins again has not, for a while.
        by_time: See `OpenPosition`; the next gateway has to know of it.
    """

    number: int
    tick: Tick
    code: Code
    rate: float | None = None
    by_time: bool = False


class OpenPosition(msgspec.Struct):
    """A position and how far it has been guarded.

    Attributes:
        position: The position.
        opening: The tick it was opened on.
        rate: Price of the quote currency in the account's at the opening.
        seen: Number of the last tick that it need not be checked on; None: it waits for its
            opening tick in the gateway's own stream.
        by_time: The stream has not shown the opening tick, only later times than its.
        touch: The tick that ends it, until the strategy has had its say about earlier ones.
        due: Monotonic time at which it is closed without the strategy's word.
    """

    position: Position
    opening: Tick
    rate: float
    seen: int | None = None
    by_time: bool = False
    touch: Touch | None = None
    due: float = 0.0
