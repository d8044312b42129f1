"""Orders that are not on their way any more, and are remembered for a while."""

from collections import OrderedDict

from mt5crs_services.gateway.broker import Outcome
from mt5crs_services.gateway.brokers.bridge.bridge_link import LATE_SOCKETS
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    BadReplyError,
    DealVerdict,
    Dialect,
    FarPosition,
)
from mt5crs_services.gateway.brokers.bridge.sent_order import SentOrder

OUTCOMES = 1_000
"""Outcomes that are remembered."""


class Outcomes:
    """What became of orders, for the case that it could not be recorded at once."""

    def __init__(self) -> None:
        self._outcomes: OrderedDict[str, Outcome] = OrderedDict()

    def get(self, order_id: str) -> Outcome | None:
        """What became of an order; None: that is not known."""
        return self._outcomes.get(order_id)

    def add(self, order_id: str, outcome: Outcome) -> None:
        """It is known."""
        self._outcomes[order_id] = outcome
        while len(self._outcomes) > OUTCOMES:
            self._outcomes.popitem(last=False)

    def remove(self, order_id: str) -> None:
        """It is recorded."""
        self._outcomes.pop(order_id, None)


class GivenUp:
    """Orders that were taken for never dealt, in case that their answer comes all the same."""

    def __init__(self) -> None:
        self._orders: OrderedDict[str, SentOrder] = OrderedDict()

    def add(self, sent: SentOrder) -> None:
        """Its strategy has been told that it was not dealt."""
        self._orders[sent.order.order_id] = sent
        while len(self._orders) > LATE_SOCKETS:
            self._orders.popitem(last=False)

    def opened(
        self, order_id: str, body: bytes, dialect: Dialect
    ) -> tuple[SentOrder, FarPosition] | None:
        """The position that one of them has opened after all, by its late answer; None: none."""
        sent = self._orders.pop(order_id, None)
        if sent is None or sent.order.action != "OPEN":
            return None
        try:
            word = dialect.read_order(body, sent.instruction)
        except BadReplyError:
            return None
        if word.verdict is not DealVerdict.DONE:
            return None
        order, price = sent.order, word.price or sent.instruction.price
        lots = word.lots or order.lots
        return sent, FarPosition(word.ticket, order.symbol, order.side, lots, price)
