"""What strategies are told without having asked just now."""

from mt5crs_shared.messages import Charged, FromGateway, OrderAnswer, PositionClosed, Unregistered
from mt5crs_shared.trading.orders import Fill, Order, OrderResult

Mail = tuple[str, FromGateway]
"""A strategy's name, and what it is told."""


class Outbound:
    """Collects it: first the answers to orders, then what the broker has done by itself."""

    def __init__(self) -> None:
        self._answers: list[Mail] = []
        self._own: list[Mail] = []

    def answer(self, order: Order, result: OrderResult | None) -> None:
        """What became of an order; None: that is not known yet."""
        if result is not None:
            self._answers.append((order.strategy, OrderAnswer(result)))

    def closed(self, fill: Fill) -> None:
        """The broker has closed a position, or a part of it."""
        self._own.append((fill.strategy, PositionClosed(fill.strategy, fill.ticket, fill)))

    def has_more(self, fill: Fill) -> None:
        """A position that it did not ask for is a strategy's: it is to look at the ledger."""
        self._own.append((fill.strategy, Unregistered(fill.strategy)))

    def charged(self, strategy: str) -> None:
        """The broker has charged it something."""
        self._own.append((strategy, Charged(strategy)))

    def take(self) -> list[Mail]:
        """All since the last call."""
        taken = [*self._answers, *self._own]
        self._answers, self._own = [], []
        return taken
