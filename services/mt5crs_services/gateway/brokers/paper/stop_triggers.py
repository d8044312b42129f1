"""Which tick of the gateway's own stream ends a position: pure functions of both."""

from mt5crs_services.gateway.ledger.open_position import OpenPosition, Touch
from mt5crs_services.gateway.quotes.market import SymbolMarket
from mt5crs_shared.market.ticks import Tick, content
from mt5crs_shared.trading.orders import touched


def find_opening(held: OpenPosition, market: SymbolMarket) -> None:
    """Find the opening tick in the stream, and look at every tick since that counts.

    Where it has not come yet the position goes on waiting for it.
    """
    since = market.since(held.opening, held.position.open_occurrence)
    if since is None:
        return
    held.seen = market.count
    held.by_time = not market.has(held.opening, held.position.open_occurrence)
    for number, tick in since:
        code = touched(held.position, tick)
        if code is not None:
            held.touch = Touch(number, tick, code, by_time=held.by_time)
            return


def look_at(held: OpenPosition, market: SymbolMarket, tick: Tick) -> None:
    """Look at the newest tick of the stream that counts; `held.touch` says what came of it."""
    if held.by_time and not market.passed(held.opening):
        # The clock had run ahead, and came back to before the opening: that is still to come.
        held.seen, held.by_time, held.touch = None, False, None
    if held.touch is not None:
        return
    if held.seen is None:
        if tick.time_us >= held.opening.time_us or not tick.timed:
            find_opening(held, market)
    elif market.count > held.seen and market.protects(held.position.open_time_us):
        code = touched(held.position, tick)
        if code is not None:
            held.touch = Touch(market.count, tick, code, by_time=held.by_time)


def is_before_opening(
    held: OpenPosition, market: SymbolMarket, tick: Tick, occurrence: int
) -> bool:
    """Whether a tick came before the opening: by the stream's order, where it has both.

    Times say so too, but not where the publisher's clock had run ahead at the opening.
    """
    if not tick.timed or tick.time_us >= held.position.open_time_us:
        return False
    found = market.number(tick, occurrence)
    if found is None:
        return not market.clock_returned
    # An opening that only its strategy has heard was taken before: it knew of the position.
    opened = market.number(held.opening, held.position.open_occurrence)
    return opened is not None and found < opened


def touch_before(
    held: OpenPosition, market: SymbolMarket, tick: Tick, occurrence: int
) -> Touch | None:
    """The position's touch, where it lies at or before a tick in the symbol's stream."""
    touch = held.touch
    if touch is None:
        return None
    number = market.number(tick, occurrence)
    if number is not None:
        return touch if touch.number <= number else None
    return touch if touch.tick.time_us <= tick.time_us else None


def touch_named_by(held: OpenPosition, market: SymbolMarket, tick: Tick) -> Touch | None:
    """The position's touch, where its strategy names a tick that it saw touch.

    Of equal ticks the strategy does not say which one it means; at any of them the deal is the
    same.
    """
    touch = held.touch
    if touch is not None and content(touch.tick) == content(tick):
        return touch
    return touch_before(held, market, tick, 0)
