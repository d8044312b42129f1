"""Orders that an earlier process wrote down, and whose fate nobody has: asked, sent, or missed."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from mt5crs_shared.trading.orders import Code, Order, OrderResult
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.trading.journal import Journal


class Way(Protocol):
    """The way to the gateway; see `gateway_client.GatewayClient`."""

    def query(self, order_id: str) -> OrderResult:
        """What became of an order."""

    def submit(self, order: Order) -> OrderResult:
        """Execute it, or record it as missed."""


def settle(
    journal: Journal,
    gateway: Way,
    instance: StrategyInstance,
    fresh: Callable[[Order], bool],
) -> None:
    """Find out what became of each such order; one that the gateway never saw is sent or missed.

    An intact checkpoint lies before the tick, and the decision is made again with its order. What
    is left are those whose decision is not: the checkpoint was damaged, or the tick is skipped.

    Args:
        journal: Where they stand.
        gateway: Whom to ask.
        instance: The strategy, which has taken over the ledger's position.
        fresh: Whether an order is still young enough to be sent.
    """
    for order in journal.unsettled():
        result = gateway.query(order.order_id)
        if result.code is Code.NOT_SEEN and fresh(order):
            result = gateway.submit(msgspec.structs.replace(order, epoch=instance.epoch))
            instance.settle(result)
        elif result.code is Code.NOT_SEEN:
            why = "the process that decided it died before it was sent"
            result = OrderResult(order.order_id, "REJECTED", Code.STALE, why)
        journal.settle(result)
        journal.event("settled", f"{order.order_id}: {result.status} {result.code}")
