"""Orders that have come, and have no end yet: those that wait for their turn, and those sent."""

import time
from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.ledger.records import OpenOrder, OrderState
from mt5crs_shared.trading.orders import Order

ASK_AGAIN = (0.1, 5.0)
"""Shortest and longest wait, in seconds, between two questions about an order's fate."""


class _Sent(msgspec.Struct):
    """An order that has been sent, and whose fate is not known.

    Attributes:
        order: The order.
        state: As the ledger has it.
        since: Monotonic time at which it left, seconds.
        ask_at: Monotonic time of the next question, seconds.
        pause: Seconds until the one after it.
    """

    order: Order
    state: OrderState
    since: float
    ask_at: float = 0.0
    pause: float = ASK_AGAIN[0]


class _Waiting(msgspec.Struct, frozen=True):
    """An order that a broker which is far away could not take when it came."""

    order: Order
    since: float


class OrdersUnderWay:
    """Remembers them, in the ledger too.

    Args:
        ledger: Where they are on the disk.
        ages: Seconds that each strategy's orders may be old.
        monotonic: The monotonic clock, seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        ages: Mapping[str, float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._ages = ages
        self._monotonic = monotonic
        self._sent: dict[str, _Sent] = {}
        self._waiting: deque[_Waiting] = deque()

    def go_on_with(self, found: OpenOrder) -> None:
        """An order that an earlier gateway has left open: it waited, or may have been sent."""
        if found.state is OrderState.NEW:
            self._waiting.append(_Waiting(found.order, self._monotonic()))
        else:
            # It is asked for, and never sent again.
            self._sent[found.order.order_id] = _Sent(found.order, found.state, self._monotonic())

    def wait(self, order: Order) -> None:
        """The broker cannot take it now.

        Raises:
            LedgerError: It could not be recorded.
        """
        self._ledger.record(order, OrderState.NEW)
        self._waiting.append(_Waiting(order, self._monotonic()))

    def take_waiting(self) -> tuple[Order, float] | None:
        """The next one that waits, and for how many seconds it has; None: none does."""
        if not self._waiting:
            return None
        waiting = self._waiting.popleft()
        return waiting.order, self._monotonic() - waiting.since

    def wait_on(self, order: Order, seconds: float) -> None:
        """It could not be taken, and is the next one again."""
        self._waiting.appendleft(_Waiting(order, self._monotonic() - seconds))

    def too_old(self, order: Order, waited: float) -> bool:
        """Whether an order that has waited so many seconds is not to be sent any more."""
        return waited > self._ages.get(order.strategy, 0.0)

    def sent(self, order: Order) -> None:
        """It is about to leave.

        Raises:
            LedgerError: It could not be recorded; it must not leave.
        """
        self._ledger.record(order, OrderState.SENT)
        now = self._monotonic()
        self._sent[order.order_id] = _Sent(order, OrderState.SENT, now, now + ASK_AGAIN[0])

    def stands_at(self, order: Order, state: OrderState) -> None:
        """What is known of one that has been sent.

        Raises:
            LedgerError: It could not be recorded.
        """
        sent = _Sent(order, OrderState.SENT, self._monotonic())
        entry = self._sent.setdefault(order.order_id, sent)
        if entry.state is not state:
            self._ledger.record(order, state)
            entry.state = state

    def again(self, order_id: str) -> None:
        """It has not been dealt, and is the next that leaves, if its rules still let it.

        Raises:
            LedgerError: It could not be recorded.
        """
        entry = self._sent.get(order_id)
        if entry is not None:
            self._ledger.record(entry.order, OrderState.NEW)
            del self._sent[order_id]
            self._waiting.appendleft(_Waiting(entry.order, entry.since))

    def ended(self, order_id: str) -> None:
        """Its fate is known, and recorded."""
        self._sent.pop(order_id, None)

    def find(self, order_id: str) -> Order | None:
        """One that has been sent, and has no end yet."""
        entry = self._sent.get(order_id)
        return entry.order if entry is not None else None

    def other(self, order: Order) -> Order | None:
        """Another order of the same strategy that has no end yet."""
        orders = [entry.order for entry in self._sent.values()]
        orders += [waiting.order for waiting in self._waiting]
        same = (o for o in orders if o.strategy == order.strategy and o.order_id != order.order_id)
        return next(same, None)

    def take_due(self) -> list[Order]:
        """Those that are to be asked for now."""
        now = self._monotonic()
        due = [entry for entry in self._sent.values() if now >= entry.ask_at]
        for entry in due:
            entry.ask_at = now + entry.pause
            entry.pause = min(2.0 * entry.pause, ASK_AGAIN[1])
        return [entry.order for entry in due]

    def next_due(self) -> float:
        """Seconds until one is to be asked for."""
        if self._waiting:
            return 0.05
        asked = min((entry.ask_at for entry in self._sent.values()), default=None)
        return max(asked - self._monotonic(), 0.0) if asked is not None else 3_600.0
