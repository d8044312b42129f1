"""Orders on their way through a bridge, and those that are remembered for a while afterwards."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from mt5crs_services.gateway.broker import Outcome
from mt5crs_services.gateway.brokers.bridge.account.evidence import gone_of
from mt5crs_services.gateway.brokers.bridge.account.unexplained_money import Opening
from mt5crs_services.gateway.brokers.bridge.bridge_link import LATE_SOCKETS
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    BadReplyError,
    DealVerdict,
    DealWord,
    Dialect,
    FarPosition,
    Instruction,
)
from mt5crs_shared.trading.orders import Code, Order

ATTEMPTS = 3
"""How often an order is sent whose price the broker would not take."""

LOOKS = 3
"""Snapshots without a trace after which an order whose answer was given up was not dealt. One
bridge serves requests in turn: what it had received before the first of them it has come to."""


OUTCOMES = 1_000
"""Outcomes that are remembered."""


class OwnClosing(msgspec.Struct, frozen=True):
    """An order of the gateway's own, as it is on the disk before it leaves.

    Attributes:
        order: The order.
        code: What its deal is booked as.
        reason: For people.
        stray: The position is this one, which is in no ledger; None: it is the strategy's.
    """

    order: Order
    code: Code
    reason: str
    stray: FarPosition | None = None


class SeenGone(NamedTuple):
    """What the first of the snapshots in a row has shown that lack a position.

    Attributes:
        since: When that was asked for, monotonic, seconds.
        lots: What was gone of it.
        price: At which it was closed by the balance; 0.0: that cannot be told alone.
    """

    since: float
    lots: float
    price: float


class SentOrder(msgspec.Struct):
    """An order that has been sent, or is about to be.

    Attributes:
        order: The order.
        instruction: As it was sent last.
        begun_at: Monotonic time at which it came here, seconds.
        attempts: How often it was sent.
        code: What its deal is booked as.
        own: It is the gateway's own, and stands in no ledger.
        reason: For people, where it is.
        look_first: It leaves once a snapshot has shown its position.
        resend_at: Monotonic time at which it is to be sent again; None: it is not.
        doubt_at: Monotonic time since which nobody knows what has become of it; None: it is
            being answered.
        denied: The bridge said no; one look is enough.
        looks: Snapshots since then that have no trace of it.
        detail: For people: what has been heard of it.
        closed_at: The bridge said that it closed a position at this price; 0.0: it did not say.
        closed_lots: And so much of it; 0.0: it did not say.
        ended: The broker has closed its position already; that is booked before it is answered.
        named: The position that the bridge has named, in an answer that could not be believed.
        suspect: A position that may be its, with another volume; people were asked.
        ask_at: Monotonic time from which on the bridge is asked what has become of it.
        unseen: The bridge, which remembers orders, has never seen it.
        gone: What of the position that it closes is listed no more, while the balance has moved.
        stray: It closes this position, which is in no ledger.
        kept: It is one of the gateway's own, and on the disk.
    """

    order: Order
    instruction: Instruction
    begun_at: float
    attempts: int = 1
    code: Code = Code.FILLED
    own: bool = False
    reason: str = ""
    look_first: bool = False
    resend_at: float | None = None
    doubt_at: float | None = None
    denied: bool = False
    looks: int = 0
    detail: str = ""
    closed_at: float = 0.0
    closed_lots: float = 0.0
    ended: bool = False
    named: int = 0
    suspect: int = 0
    ask_at: float = 0.0
    unseen: bool = False
    gone: SeenGone | None = None
    stray: FarPosition | None = None
    kept: bool = False

    @property
    def closing(self) -> OwnClosing:
        """It as it is on the disk, where it is one of the gateway's own."""
        return OwnClosing(self.order, self.code, self.reason, self.stray)

    def doubt(self, now: float, detail: str, denied: bool = False) -> None:
        """Nobody knows what has become of it, from now on."""
        self.look_first = False
        self.resend_at = None
        if self.doubt_at is None:
            self.doubt_at = now
            self.looks = 0
        self.denied = denied
        self.detail = detail

    def doubted(self, now: float) -> float:
        """Seconds for which nobody has known its fate; 0.0: it is known, or being answered."""
        return now - self.doubt_at if self.doubt_at is not None else 0.0

    def in_words(self, now: float) -> str:
        """What nobody knows, for people, and what they can do about it."""
        order = self.order
        return (
            f"nobody knows what became of order {order.order_id} ({order.action} {order.side}"
            f" {order.lots:g} {order.symbol} of {order.strategy}) for {self.doubted(now):.0f} s:"
            f" {self.detail}. Look in the terminal for the comment `{self.instruction.comment}`,"
            f" and say `resolve {order.order_id} filled` or `not-filled`"
        )

    def looked_at(self, asked_at: float) -> None:
        """A snapshot has no trace of it.

        Args:
            asked_at: When its first question left: an earlier one tells nothing.
        """
        if self.doubt_at is not None and asked_at >= self.doubt_at:
            self.looks += 1

    def surely_not_dealt(self, now: float, settle_after: float) -> bool:
        """Whether the looks at it say that the broker has not dealt it, and will not.

        Args:
            now: Monotonic time, seconds.
            settle_after: Seconds that a bridge may be late.
        """
        if self.doubt_at is None or self.looks == 0:
            return False
        if self.denied:
            return True
        return self.looks >= LOOKS and now >= self.doubt_at + settle_after


class SentOrders:
    """The orders on their way, by id."""

    def __init__(self) -> None:
        self._orders: dict[str, SentOrder] = {}

    @property
    def all(self) -> list[SentOrder]:
        """Every one."""
        return list(self._orders.values())

    @property
    def in_doubt(self) -> list[SentOrder]:
        """Those whose fate is not known."""
        orders = self._orders.values()
        return [sent for sent in orders if sent.doubt_at is not None and not sent.ended]

    def unknown_for(self, patience: float, now: float) -> str:
        """The oldest whose fate has not been known for so many seconds, for people; empty: none."""
        waited = (sent.in_words(now) for sent in self.in_doubt if sent.doubted(now) >= patience)
        return next(waited, "")

    def openings(self, now: float) -> list[Opening]:
        """Those that are to open a position, at a monotonic time."""
        return [
            Opening(order_id, sent.begun_at, sent.doubted(now), sent.looks >= LOOKS)
            for order_id, sent in self._orders.items()
            if sent.order.action == "OPEN"
        ]

    @property
    def need_looks(self) -> bool:
        """A snapshot would tell something of one of them."""
        return any(sent.doubt_at is not None or sent.ended for sent in self._orders.values())

    @property
    def closes_stray(self) -> bool:
        """A position is being closed that no strategy knows of."""
        return any(sent.stray is not None for sent in self._orders.values())

    def strays_gone(self, listed: Sequence[FarPosition]) -> dict[int, float]:
        """Lots that a list lacks of each position that is being closed, and is in no ledger."""
        return {
            sent.stray.ticket: gone_of(sent.stray, listed) if sent.doubt_at is not None else 0.0
            for sent in self._orders.values()
            if sent.stray is not None
        }

    @property
    def kept(self) -> tuple[OwnClosing, ...]:
        """Those of the gateway's own that have left, for the next process."""
        return tuple(sent.closing for sent in self._orders.values() if sent.kept)

    def closes(self, strategy: str) -> bool:
        """Whether one of them closes a strategy's position, as far as it is known."""
        orders = [sent.order for sent in self._orders.values() if not sent.ended]
        return any(o.strategy == strategy and o.action == "CLOSE" for o in orders)

    def get(self, order_id: str) -> SentOrder | None:
        """One of them; None: it is not on its way."""
        return self._orders.get(order_id)

    def add(self, sent: SentOrder) -> None:
        """It is on its way from now on."""
        self._orders[sent.order.order_id] = sent

    def remove(self, order_id: str) -> None:
        """It is not any more."""
        self._orders.pop(order_id, None)


def goes_again(sent: SentOrder, word: DealWord, moved: float, limits: tuple[float, float]) -> bool:
    """Whether an order that was refused for its price is sent once more.

    Args:
        sent: The order.
        word: The answer.
        moved: How far the price has gone against it since it was decided, in points.
        limits: Seconds that it may be old, and how far the price may have gone.
    """
    age_limit, most_moved = limits
    return (
        word.verdict is DealVerdict.RETRY
        and sent.attempts < ATTEMPTS
        and age_limit > 0.0
        and moved <= most_moved
    )


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
