"""What people say has become of an order is done here, and told to a bridge that waits for it."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable

from mt5crs_services.gateway.broker import HandDeal, Word
from mt5crs_services.gateway.brokers.bridge.account import evidence
from mt5crs_services.gateway.brokers.bridge.account.told_deals import OrderDeals
from mt5crs_services.gateway.brokers.bridge.bridge_link import Arrival, BridgeLink, BridgeMessage
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    BadReplyError,
    Dialect,
    FarPosition,
    HandFate,
    TellsFates,
)
from mt5crs_services.gateway.brokers.bridge.orders.deal_maker import DealMaker
from mt5crs_services.gateway.brokers.bridge.orders.order_lookup import OrderLookup
from mt5crs_services.gateway.brokers.bridge.orders.order_traffic import OrderTraffic
from mt5crs_services.gateway.brokers.bridge.orders.sent_order import SentOrder
from mt5crs_shared.trading.orders import Code

logger = logging.getLogger(__name__)

HAND_FATE = "?hand:"
"""Before the id of an order: names the word to the bridge about it. No id begins so."""

TELL_EVERY = 5.0
"""Seconds between two tries to tell the bridge."""


class HandFates:
    """Takes people's word, and sees that a bridge which remembers orders has it too.

    Such a bridge holds back what comes after an order whose fate it does not know, for ever where
    the broker's books have lost it. What it has not confirmed is told again, also by the next
    process.

    Args:
        traffic: The orders on their way.
        lookup: Knows what the account has shown last.
        deals: Makes the deals.
        dialect: What the bridge speaks.
        link: The way to it.
        keep: Has on the disk what the bridge was not told yet.
        kept: What an earlier process has kept.
        monotonic: The monotonic clock, seconds.
    """

    def __init__(
        self,
        traffic: OrderTraffic,
        lookup: OrderLookup,
        deals: DealMaker,
        dialect: Dialect,
        link: BridgeLink,
        keep: Callable[[tuple[HandFate, ...]], None],
        kept: Iterable[HandFate],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._traffic = traffic
        self._lookup = lookup
        self._deals = deals
        self._bridge = dialect if isinstance(dialect, TellsFates) else None
        self._link = link
        self._keep = keep
        self._untold = deque(kept if self._bridge is not None else ())
        self._tell_at = 0.0
        self._monotonic = monotonic

    @property
    def due(self) -> bool:
        """The bridge is to be told now: it would refuse an order that comes before."""
        return bool(self._untold) and self._monotonic() >= self._tell_at

    def settle(self, order_id: str, deal: HandDeal | None, who: str) -> Word | str:
        """Take somebody's word for what has become of an order; see `Broker.settle`."""
        sent = self._traffic.orders.get(order_id)
        if sent is None:
            return "no order of that id is on its way"
        if sent.doubt_at is None:
            return "it is being answered; ask again in a moment"
        if deal is None:
            self._tell_later(sent, who)
            found = list(self._traffic.refused(sent, Code.NOT_DEALT, _said(who)))
            return found[0] if found else "it was given up"
        if far_off := self._deals.far_off(sent.order.symbol, deal.price):
            return far_off
        return self._dealt(sent, deal, who)

    def tell(self) -> None:
        """Tell the bridge what it has not confirmed, one at a time."""
        if self.due and self._link.ready and self._bridge is not None:
            fate = self._untold[0]
            key, body = f"{HAND_FATE}{fate.order_id}", self._bridge.settle(fate)
            if self._link.send(key, body, deals=False):
                self._tell_at = self._monotonic() + TELL_EVERY
                # One that cannot be told holds back no other.
                self._untold.rotate(-1)

    def take(self, message: BridgeMessage) -> None:
        """What the bridge says to it."""
        order_id = message.key.removeprefix(HAND_FATE)
        if message.arrival is not Arrival.ANSWERED or self._bridge is None:
            return
        fate = next((each for each in self._untold if each.order_id == order_id), None)
        try:
            known = self._bridge.read_settle(message.body)
        except BadReplyError as error:
            logger.warning("order %s: the bridge was told its fate: %s", order_id, error)
            return
        if known is None or fate is None:
            return
        if known.dealt is not None and known.dealt != bool(fate.lots):
            # Its position is listed, or is gone, whatever was said; that is told by itself.
            here, there = ("was", "was not") if fate.lots else ("was not", "was")
            logger.warning(
                "order %s: %s says that it %s dealt, and by the broker's books it %s",
                order_id,
                fate.who,
                here,
                there,
            )
        self._hold([each for each in self._untold if each is not fate])
        self._tell_at = 0.0

    def _dealt(self, sent: SentOrder, deal: HandDeal, who: str) -> Word | str:
        listed, opens, ours = self._lookup.listed, sent.order.action == "OPEN", self._deals.tickets
        if opens and (why := evidence.why_not_opened(sent.order, deal, ours, listed)):
            return why
        if why := self._odd_lots(sent, deal):
            return why
        ticket = deal.ticket if opens else sent.order.ticket
        there = next((p for p in listed or () if opens and p.ticket == ticket), None)
        lots, price = deal.lots, deal.price
        if there is not None:
            # It was dealt as it is listed, where nothing else is said.
            lots, price = lots or there.lots, price or there.open_price
        price = price or self._deals.price(sent.order)
        self._tell_later(sent, who, ticket, lots or sent.instruction.lots, price)
        found = list(self._traffic.dealt(sent, OrderDeals(ticket, lots, price), _said(who)))
        return found[0] if found else "its position is closed already"

    def _odd_lots(self, sent: SentOrder, deal: HandDeal) -> str:
        """Why so many lots cannot have been dealt; empty: they can, or nobody says how many."""
        order, held = sent.order, self._deals.held_by(sent.order)
        there = [p.lots for p in self._lookup.listed or () if p.ticket == deal.ticket]
        most = max([held.position.lots if held is not None else order.lots, *there])
        if deal.lots > most + evidence.SAME_LOTS:
            return f"{deal.lots:g} lots are more than the {most:g} that there are"
        said = FarPosition(deal.ticket, order.symbol, order.side, deal.lots, deal.price)
        return self._deals.odd_volume(said) if deal.lots else ""

    def _tell_later(
        self, sent: SentOrder, who: str, ticket: int = 0, lots: float = 0.0, price: float = 0.0
    ) -> None:
        """Before it is booked: a word that is told, and lost here, comes back as the answer."""
        if self._bridge is not None:
            order_id, name = sent.order.order_id, sent.instruction.comment
            fate = HandFate(order_id, name, who, ticket, lots, price)
            self._hold([fate, *(each for each in self._untold if each.order_id != order_id)])
            self._tell_at = 0.0

    def _hold(self, untold: list[HandFate]) -> None:
        self._keep(tuple(untold))
        self._untold = deque(untold)


def _said(who: str) -> str:
    return f"{who} has looked in the terminal"
