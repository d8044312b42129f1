"""Positions that are closed from here: by a stop that the broker does not have, or by hand."""

import logging
from collections.abc import Collection

from mt5crs_services.gateway.brokers.bridge.orders.deal_maker import DealMaker
from mt5crs_services.gateway.brokers.bridge.orders.order_traffic import OrderTraffic
from mt5crs_services.gateway.brokers.holdings import Holdings
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_services.gateway.quotes.market import SymbolMarket
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Code, touched

logger = logging.getLogger(__name__)

CLOSED_BY = {Code.STOP_LOSS: "stop", Code.TAKE_PROFIT: "target"}


class PositionGuard:
    """Sends the gateway's own orders that close positions.

    Args:
        holdings: The open positions.
        deals: Makes the orders.
        traffic: Sends them.
        guards_all: The broker has no stops at all.
    """

    def __init__(
        self, holdings: Holdings, deals: DealMaker, traffic: OrderTraffic, guards_all: bool
    ) -> None:
        self._holdings = holdings
        self._deals = deals
        self._traffic = traffic
        self._guards_all = guards_all

    def on_touched(self, strategy: str, ticket: int) -> str | None:
        """A strategy saw its position touched: look soon whether the broker has ended it.

        Returns:
            What it is told meanwhile; None: no such position is open.
        """
        held = self._holdings.get(strategy)
        if held is None or held.position.ticket != ticket:
            return None
        self._traffic.look_soon(0.5)
        return f"position {ticket} is open at the broker"

    def on_tick(self, market: SymbolMarket, tick: Tick, unguarded: Collection[int]) -> None:
        """Close the positions that a tick touches, and whose stop the broker does not have.

        Args:
            market: The tick's symbol.
            tick: The newest of its stream.
            unguarded: Tickets of those whose stop the broker does not have.
        """
        for held in self._holdings.of_symbol(tick.symbol):
            position = held.position
            if not (self._guards_all or position.ticket in unguarded):
                continue
            if tick.time_us < position.open_time_us or market.replaying:
                continue
            code = touched(position, tick)
            if code is not None and market.protects(position.open_time_us):
                self._close(held, code, f"the broker has no {CLOSED_BY[code]} of it")

    def close(self, strategy: str, reason: str) -> str | None:
        """Have a position closed by hand; why not, for people; None: the deal comes by itself."""
        held = self._holdings.get(strategy)
        if held is None:
            return "it is not open"
        self._close(held, Code.MANUAL, reason)
        return None

    def _close(self, held: OpenPosition, code: Code, reason: str) -> None:
        order = self._deals.closing_order(held.position, code, reason)
        if self._traffic.close(order, code, reason):
            logger.warning("position %d is being closed: %s", held.position.ticket, reason)
