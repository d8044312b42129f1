"""What a broker's own deals tell of positions that have ended, and of orders without an answer.

Where a bridge tells them, nothing has to be made out of the balance: each deal has its price, and
what it has made.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import msgspec

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
        lots: All of it; 0.0: what was ordered.
        price: On the average; 0.0: nobody says, and the newest quote stands in.
        profit: Realised by it, in the account's currency; None: nobody says, and it is made out.
    """

    ticket: int
    lots: float
    price: float
    profit: float | None = None


class BookedClosing(msgspec.Struct):
    """A closing in the ledger whose deal, or a part of it, may be told later.

    Attributes:
        ticket: The position.
        lots: What was closed; 0.0: a deal of it was told, and others have its comment.
        comment: Names its order.
    """

    ticket: int
    lots: float
    comment: str


class KeptDeals(msgspec.Struct, frozen=True):
    """What is to outlive a process of `ToldDeals`.

    Attributes:
        deals: What was told, and is in no book yet.
        booked: What is in the ledger, and may be told later.
    """

    deals: tuple[FarDeal, ...] = ()
    booked: tuple[BookedClosing, ...] = ()


NOTHING_TOLD = KeptDeals()


class ToldDeals:
    """Remembers deals as long as there is something that they could explain.

    Args:
        kept: As an earlier process left them.
        comments: Names the orders.
    """

    def __init__(self, kept: KeptDeals, comments: Comments) -> None:
        self._deals = list(kept.deals)
        self._booked = [msgspec.structs.replace(each) for each in kept.booked]
        self._newest = 0
        self._comments = comments

    @property
    def kept(self) -> KeptDeals:
        """For the next process."""
        booked = tuple(msgspec.structs.replace(each) for each in self._booked)
        return KeptDeals(tuple(self._deals), booked)

    def take(self, deals: Iterable[FarDeal]) -> None:
        """Deals that were not told before; where nothing followed from them, they come again."""
        known = {deal.number for deal in self._deals}
        for deal in sorted(deals, key=lambda deal: deal.number):
            new = deal.number > self._newest and deal.number not in known
            self._newest = max(self._newest, deal.number)
            if new and deal.trade and not self._is_booked(deal):
                self._deals.append(deal)
        del self._deals[:-MOST]

    def after(self, fill: Fill) -> KeptDeals:
        """What is to be kept once a closing deal is in the ledger."""
        then = ToldDeals(self.kept, self._comments)
        then.booked(fill)
        return then.kept

    def booked(self, fill: Fill) -> None:
        """A closing deal is in the ledger, whoever has said so."""
        told = next((d for d in self._deals if fill.order_id == told_id(d)), None)
        if told is not None:
            self._deals.remove(told)
            return
        comment = self._comments.of(fill.order_id)
        closing = BookedClosing(fill.ticket, fill.lots, comment)
        named = [deal for deal in self._deals if comment in deal.comment]
        alike = [deal for deal in self._deals if self._is_alike(deal, closing)][:1]
        known = named or alike or self._parts_of(closing)
        self._deals = [deal for deal in self._deals if deal not in known]
        closing.lots = 0.0 if named else round(fill.lots - sum(deal.lots for deal in known), 8)
        if named or closing.lots > SAME_LOTS:
            self._booked = [*self._booked[1 - MOST :], closing]

    def settled(self, held: Collection[int]) -> None:
        """Every position and every order is what it is known to be.

        Args:
            held: Tickets of what is open: what closes one was told before the list has shown it.
        """
        self._deals = [
            deal
            for deal in self._deals
            if deal.position in held
            and deal.entry in CLOSES
            and not self._comments.ours(deal.comment)
        ]
        self._booked = [each for each in self._booked if each.ticket in held]

    def made(self, held: Collection[int]) -> float:
        """What the closings of open positions have made that are in no book yet."""
        return sum(d.profit for d in self._deals if d.position in held and d.entry != "IN")

    def of_order(self, order: Order) -> OrderDeals | None:
        """What was dealt for an order whose fate is not known; None: nothing that was told."""
        found = [deal for deal in self._deals if self._is_for(deal, order)]
        lots = round(sum(deal.lots for deal in found), 8)
        if lots <= SAME_LOTS:
            return None
        price = sum(deal.price * deal.lots for deal in found) / lots
        return OrderDeals(found[-1].position, lots, price, sum(deal.profit for deal in found))

    def ending(self, gone: Mapping[int, float], on_way: Iterable[Order]) -> FarDeal | None:
        """The first deal that has closed what is gone, and that is of no order on its way.

        One of the broker, or by somebody's hand, comes before one of an order that was given up. A
        position that somebody has turned around is another one since: the balance tells of it.

        Args:
            gone: Lots that the broker lists no more, by ticket, and that are in no book yet.
            on_way: Those orders.
        """
        orders = list(on_way)
        turned = {deal.position for deal in self._deals if deal.entry == "INOUT"}
        found = [
            deal
            for deal in self._deals
            if deal.entry in CLOSES
            and deal.position not in turned
            and deal.lots <= gone.get(deal.position, 0.0) + SAME_LOTS
            and not any(self._is_for(deal, order) for order in orders)
        ]
        return min(found, key=lambda deal: self._comments.ours(deal.comment), default=None)

    def _is_for(self, deal: FarDeal, order: Order) -> bool:
        """Whether a deal is an order's: by its comment, or by all else where that was changed."""
        opens = order.action == "OPEN"
        if opens != (deal.entry == "IN"):
            return False
        if self._comments.of(order.order_id) in deal.comment:
            return True
        nameless = deal.reason == BY_PROGRAM and not self._comments.ours(deal.comment)
        return not opens and nameless and (deal.position, deal.magic) == (order.ticket, order.magic)

    def _is_booked(self, deal: FarDeal) -> bool:
        """Whether a deal is one of what is in the ledger; it is taken note of."""
        for each in self._booked:
            if each.comment in deal.comment:
                each.lots = 0.0
                return True
        booked = self._booked
        alike = [each for each in booked if self._is_alike(deal, each)]
        alike = alike or [each for each in booked if self._is_part(deal, each)]
        if not alike:
            return False
        alike[0].lots = round(alike[0].lots - deal.lots, 8)
        if alike[0].lots <= SAME_LOTS:
            self._booked.remove(alike[0])
        return True

    def _parts_of(self, closing: BookedClosing) -> list[FarDeal]:
        """Deals that no order of ours is named by, and that are parts of a closing's volume."""
        found, left = [], closing.lots
        for deal in self._deals:
            if self._is_part(deal, closing) and deal.lots <= left + SAME_LOTS:
                found.append(deal)
                left -= deal.lots
        return found

    def _is_part(self, deal: FarDeal, closing: BookedClosing) -> bool:
        """Whether a deal that names no order of ours may be a part of the same: a program's."""
        if deal.reason != BY_PROGRAM or deal.entry not in CLOSES:
            return False
        nameless = not self._comments.ours(deal.comment)
        small = deal.lots <= closing.lots + SAME_LOTS
        return nameless and small and deal.position == closing.ticket

    def _is_alike(self, deal: FarDeal, closing: BookedClosing) -> bool:
        """Whether a deal that names no order of ours has closed the same."""
        if deal.entry not in CLOSES or self._comments.ours(deal.comment):
            return False
        return deal.position == closing.ticket and abs(deal.lots - closing.lots) <= SAME_LOTS


def told_id(deal: FarDeal) -> str:
    """The id of the order that nobody has sent, and that such a deal stands for."""
    return f"{deal.position}:{deal.lots:g}:{deal.number}:told"
