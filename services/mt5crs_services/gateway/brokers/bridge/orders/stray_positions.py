"""Positions that orders of ours have opened too late, and that are in no ledger."""

import logging
from collections.abc import Callable, Mapping

from mt5crs_services.gateway.brokers.bridge.account.evidence import SAME_LOTS, Comments
from mt5crs_services.gateway.brokers.bridge.account.snapshots import AccountSnapshot
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarPosition
from mt5crs_services.gateway.brokers.bridge.orders.deal_maker import DealMaker
from mt5crs_services.gateway.brokers.bridge.orders.order_traffic import OrderTraffic
from mt5crs_services.gateway.brokers.holdings import Holdings
from mt5crs_shared.trading.orders import Code

logger = logging.getLogger(__name__)


class StrayPositions:
    """Closes them at once.

    A deal that is to close a position comes too late, and opens another; or an order is dealt after
    it was given up for lost.

    Args:
        holdings: The open positions of strategies.
        traffic: The orders on their way.
        deals: Makes the orders that close.
        comments: Names the orders.
        owners: The strategy of each magic number.
        closed: Whether the ledger has the deal that closed a position.

    """

    def __init__(
        self,
        holdings: Holdings,
        traffic: OrderTraffic,
        deals: DealMaker,
        comments: Comments,
        owners: Mapping[int, str],
        closed: Callable[[int], bool],
    ) -> None:
        self._listed = False
        self._begun: dict[int, float] = {}
        self._holdings = holdings
        self._traffic = traffic
        self._deals = deals
        self._comments = comments
        self._owners = owners
        self._closed = closed

    @property
    def open(self) -> bool:
        """There are some; until they are closed an order could be dealt against one of them."""
        return self._listed or self._traffic.orders.closes_stray

    def close_all(self, snapshot: AccountSnapshot) -> None:
        """Close what orders have opened that are not on their way any more."""
        ours = {held.position.ticket for held in self._holdings.all}
        on_way = [sent.instruction.comment for sent in self._traffic.orders.all]
        self._listed = False
        for found in snapshot.positions:
            if found.ticket in ours or any(each in (found.comment or "") for each in on_way):
                continue
            # One that was booked as closed, and is there again, was never closed; of one that was
            # closed in part the rest is.
            rest = found.lots < self._begun.get(found.ticket, 0.0) - SAME_LOTS
            if rest or not self._closed(found.ticket):
                self._listed |= self.close(found)

    def close(self, found: FarPosition) -> bool:
        """Close a position where it is one of them; whether it is."""
        owner = self._owners.get(found.magic or 0)
        watched = self._deals.watches(found.symbol)
        if owner is None or not watched or not self._comments.ours(found.comment):
            return False
        closing = self._deals.stray_order(owner, found.magic or 0, found)
        reason = "an order has opened it that was not meant to any more"
        if self._traffic.close(closing, Code.MANUAL, reason, found):
            self._begun[found.ticket] = found.lots
            logger.error("position %d is being closed: %s", found.ticket, reason)
        return True
