"""Whether a strategy's tick can be true, as far as the own stream has come."""

import math
from typing import NamedTuple

from mt5crs_services.gateway.quotes.market import SymbolMarket
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.trading.orders import Position

REACH = 0.01
"""A quote this share beyond those before and after it is none of the market's."""

LONG_REACH = 0.10
"""The same for one from before everything that the stream remembers."""

AHEAD_US = 86_400_000_000
"""How far the strategy's stream may be ahead of the own one before its tick is waited for."""


class Doubt(NamedTuple):
    """Why a tick is not believed.

    Attributes:
        detail: For people.
        passing: The own stream has not come there yet: it will say.
    """

    detail: str
    passing: bool


def doubt(market: SymbolMarket, tick: Tick, occurrence: int) -> Doubt | None:
    """Compare a strategy's tick with the own stream.

    A tick that only the strategy heard (an outside publisher, a connection of ours that was away)
    is believed where its quote is close to those around it. Ahead of the own stream it is, too;
    further away it has to wait until that has come there.

    Args:
        market: The own stream of its symbol.
        tick: The tick.
        occurrence: Its occurrence among equal ones.

    Returns:
        None where it is believed; also where the stream has no quote at all to compare with.
    """
    if market.has(tick, occurrence):
        return None
    around = market.around(tick)
    known = around.quotes
    if not known:
        return None
    low = min(min(quote.bid, quote.ask) for quote in known)
    high = max(max(quote.bid, quote.ask) for quote in known)
    reach = LONG_REACH if around.begins_later else REACH
    near = all(
        math.isfinite(price) and low * (1.0 - reach) <= price <= high * (1.0 + reach)
        for price in (tick.bid, tick.ask)
    )
    newest = known[-1]
    if not around.passed and tick.time_us > newest.time_us + AHEAD_US:
        return Doubt(f"its time is {_when(tick)}, and the newest here {_when(newest)}", True)
    if near:
        return None
    quoted = f"{tick.bid:g}/{tick.ask:g} at {_when(tick)}"
    seen = f"{low:g} to {high:g} around then"
    return Doubt(f"{quoted} was not seen here, and is out of reach of {seen}", not around.passed)


def touch_doubt(market: SymbolMarket, tick: Tick) -> Doubt | None:
    """The same for a tick that is said to have ended a position.

    One from the future, on which stops act where a second one confirms it, is not among those that
    are believed. Where it was heard here too, nobody waits for that future: it ended the position,
    or it did not.
    """
    found = doubt(market, tick, 0)
    if found is None or not found.passing or not tick.timed:
        return found
    looked_at = market.was_looked_at(tick)
    if looked_at is None:
        return found
    return None if looked_at else Doubt(found.detail, passing=False)


def closing_doubt(
    market: SymbolMarket, position: Position, tick: Tick, occurrence: int
) -> Doubt | None:
    """Why a tick that is to end a position cannot be told from one before its opening.

    Its strategy took it after the opening, so the publisher's clock had run ahead there and has
    come back. A stream that has seen neither the tick nor the clock's return is behind.

    Args:
        market: The own stream of its symbol.
        position: The position.
        tick: A tick of the same symbol.
        occurrence: Its occurrence among equal ones.

    Returns:
        None where the stream can tell.
    """
    if not tick.timed or tick.time_us >= position.open_time_us:
        return None
    if market.clock_returned or market.has(tick, occurrence):
        return None
    opened = format_iso(position.open_time_us)
    return Doubt(
        f"its time is {_when(tick)}, position {position.ticket} was opened at {opened}, and the"
        " clock has not gone back here",
        True,
    )


def _when(tick: Tick) -> str:
    return format_iso(tick.time_us)
