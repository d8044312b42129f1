"""Orders on their way: with a latency, an order fills on a later tick than the one it names."""

import msgspec

from mt5crs_services.gateway.quotes.market import Market, SymbolMarket
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Order


class Due(msgspec.Struct, frozen=True):
    """An order whose tick has come.

    Attributes:
        order: The order.
        tick: The tick it fills on.
        occurrence: That tick's occurrence among equal ones.
    """

    order: Order
    tick: Tick
    occurrence: int


class DelayedOrders:
    """Orders that wait for the first good tick at or after their own plus the latency.

    Args:
        market: The gateway's own streams.
        latency_us: The latency.
    """

    def __init__(self, market: Market, latency_us: int) -> None:
        self._market = market
        self._latency_us = latency_us
        self._orders: dict[str, list[Order]] = {}

    def due_now(self, order: Order) -> Due | None:
        """Where the own stream is ahead, the order's tick may have come already."""
        market = self._market.symbols[order.symbol]
        since = market.after(order.tick, order.occurrence)
        if since is None and market.passed(order.tick):
            since = market.later(order.tick)
        for number, tick in since or ():
            if self._fits(order, tick, market):
                return Due(order, tick, market.occurrence(tick, number))
        return None

    def gone(self, order: Order) -> bool:
        """Whether the order's tick came and went so long ago that nobody here remembers it."""
        market = self._market.symbols[order.symbol]
        return market.passed(order.tick) and (
            market.after(order.tick, order.occurrence) is None and market.later(order.tick) is None
        )

    def add(self, order: Order) -> None:
        """Wait for the order's tick."""
        self._orders.setdefault(order.symbol, []).append(order)

    def take_due(self, tick: Tick) -> list[Due]:
        """The orders that fill on the newest good tick of a stream."""
        waiting = self._orders.get(tick.symbol)
        if not waiting:
            return []
        market = self._market.symbols[tick.symbol]
        due = [order for order in waiting if self._fits(order, tick, market)]
        if not due:
            return []
        self._orders[tick.symbol] = [order for order in waiting if order not in due]
        occurrence = market.occurrence(tick, market.count)
        return [Due(order, tick, occurrence) for order in due]

    def _fits(self, order: Order, tick: Tick, market: SymbolMarket) -> bool:
        if tick.crossed:
            return False
        # Good ticks go back in time only where the clock had run ahead, at the order's own: what
        # comes after its return is later, whatever its time says.
        returned = tick.time_us < order.tick.time_us and market.has(order.tick, order.occurrence)
        return returned or tick.time_us >= order.tick.time_us + self._latency_us
