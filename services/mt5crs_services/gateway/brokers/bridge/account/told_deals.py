"""What a broker's own deals tell of positions that have ended, and of orders without an answer.

Where a bridge tells them, nothing has to be made out of the balance: each deal has its price, and
what it has made.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mt5crs_services.gateway.brokers.bridge.account.evidence import SAME_LOTS, Comments
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarDeal
from mt5crs_shared.trading.orders import Fill, Order

MOST = 1_000
"""Deals that are remembered: an account on which others trade tells theirs, too."""

BY_PROGRAM = "EXPERT"
"""Why there is a deal that a program has ordered."""

CLOSES = ("OUT", "OUT_BY")
"""Entries of deals that close a position, or a part of it."""


class OrderDeals(NamedTuple):
    """What was dealt for an order.

    Attributes:
        ticket: The position.
        lots: All of it.
        price: On the average.
    """

    ticket: int
    lots: float
    price: float


class ToldDeals:
    """Remembers deals as long as there is something that they could explain.

    Args:
        kept: As an earlier process left them.
        comments: Names the orders.
    """

    def __init__(self, kept: Iterable[FarDeal], comments: Comments) -> None:
        self._deals = list(kept)
        self._untold: list[Fill] = []
        self._comments = comments

    @property
    def kept(self) -> tuple[FarDeal, ...]:
        """For the next process."""
        return tuple(self._deals)

    def take(self, deals: Iterable[FarDeal]) -> None:
        """Deals that were not told before."""
        known = {deal.number for deal in self._deals}
        for deal in sorted(deals, key=lambda deal: deal.number):
            if not deal.trade or deal.number in known:
                continue
            fill = next((fill for fill in self._untold if self._is(deal, fill)), None)
            if fill is None:
                self._deals.append(deal)
            else:
                self._untold.remove(fill)
        del self._deals[:-MOST]

    def after(self, fill: Fill) -> tuple[FarDeal, ...]:
        """What is to be kept once a closing deal is in the ledger."""
        deal = self._deal_of(fill)
        return tuple(each for each in self._deals if each is not deal)

    def booked(self, fill: Fill) -> None:
        """A closing deal is in the ledger, whoever has said so."""
        deal = self._deal_of(fill)
        if deal is None:
            self._untold.append(fill)
        else:
            self._deals.remove(deal)

    def settled(self) -> None:
        """Every position and every order is what it is known to be."""
        self._deals.clear()
        self._untold.clear()

    def of_order(self, order: Order) -> OrderDeals | None:
        """What was dealt for an order whose fate is not known; None: nothing that was told."""
        found = [deal for deal in self._deals if self._is_for(deal, order)]
        lots = round(sum(deal.lots for deal in found), 8)
        if lots <= SAME_LOTS:
            return None
        price = sum(deal.price * deal.lots for deal in found) / lots
        return OrderDeals(found[-1].position, lots, price)

    def ending(self, gone: Mapping[int, float], on_way: Iterable[Order]) -> FarDeal | None:
        """The first deal that has closed what is gone, and that is of no order on its way.

        Args:
            gone: Lots that the broker lists no more, by ticket, and that are in no book yet.
            on_way: Those orders.
        """
        orders = list(on_way)
        for deal in self._deals:
            fits = deal.lots <= gone.get(deal.position, 0.0) + SAME_LOTS
            if fits and deal.entry in CLOSES and not any(self._is_for(deal, o) for o in orders):
                return deal
        return None

    def _is_for(self, deal: FarDeal, order: Order) -> bool:
        """Whether a deal is an order's: by its comment, or by all else where that was changed."""
        opens = order.action == "OPEN"
        if opens != (deal.entry == "IN"):
            return False
        if self._comments.of(order.order_id) in deal.comment:
            return True
        nameless = deal.reason == BY_PROGRAM and not self._comments.ours(deal.comment)
        return not opens and nameless and (deal.position, deal.magic) == (order.ticket, order.magic)

    def _deal_of(self, fill: Fill) -> FarDeal | None:
        return next((deal for deal in self._deals if self._is(deal, fill)), None)

    def _is(self, deal: FarDeal, fill: Fill) -> bool:
        """Whether a deal is that of a closing fill: by its comment, or else by what was closed."""
        if deal.entry not in CLOSES or deal.position != fill.ticket:
            return False
        same = abs(deal.lots - fill.lots) <= SAME_LOTS
        return same or self._comments.of(fill.order_id) in deal.comment
