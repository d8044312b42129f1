"""Bridges that remember orders are asked what has become of those that were not answered."""

import time
from collections.abc import Callable, Iterator

from mt5crs_services.gateway.brokers.bridge.bridge_link import Arrival, BridgeLink, BridgeMessage
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    BadReplyError,
    DealVerdict,
    DealWord,
    Dialect,
    TellsFates,
)
from mt5crs_services.gateway.brokers.bridge.orders.sent_order import SentOrder, SentOrders

FATE = "?fate:"
"""Before the id of an order: names the question what has become of it. No id begins so, which
begins with the name of a strategy or with a ticket."""


class OrderFates:
    """Asks again and again, until the bridge knows.

    Args:
        dialect: What the bridge speaks.
        link: The way to it.
        orders: Those on their way.
        every: Seconds between two questions about one of them.
        monotonic: The monotonic clock, seconds.

    Attributes:
        asks: The bridge can be asked.
    """

    def __init__(
        self,
        dialect: Dialect,
        link: BridgeLink,
        orders: SentOrders,
        every: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bridge = dialect if isinstance(dialect, TellsFates) else None
        self.asks = self._bridge is not None
        self._link = link
        self._orders = orders
        self._every = every
        self._monotonic = monotonic

    def ask(self) -> None:
        """Ask about the next of them that is due, where the link is ready."""
        if self._bridge is None or not self._link.ready:
            return
        now = self._monotonic()
        sent = next((each for each in self._orders.in_doubt if now >= each.ask_at), None)
        if sent is not None:
            sent.ask_at = now + self._every
            question = self._bridge.fate(sent.instruction)
            self._link.send(f"{FATE}{sent.order.order_id}", question, deals=False)

    def take(self, message: BridgeMessage) -> Iterator[tuple[SentOrder, DealWord]]:
        """What has become of an order, where an answer says it."""
        sent = self._orders.get(message.key.removeprefix(FATE))
        if sent is None or sent.doubt_at is None or message.arrival is not Arrival.ANSWERED:
            return
        assert self._bridge is not None, "it was asked"
        try:
            word = self._bridge.read_fate(message.body, sent.instruction)
        except BadReplyError as error:
            sent.detail = str(error)
            return
        sent.unseen = word is None
        if word is not None and word.verdict in (DealVerdict.DONE, DealVerdict.REFUSED):
            yield sent, word
        elif word is not None:
            sent.detail = word.detail
