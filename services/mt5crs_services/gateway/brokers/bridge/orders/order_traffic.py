"""Orders that are with a bridge, from the moment they leave until their fate is known."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from mt5crs_services.gateway.broker import (
    Answered,
    Dealt,
    Outcome,
    SendAgain,
    Status,
    Word,
)
from mt5crs_services.gateway.brokers.bridge.account import evidence
from mt5crs_services.gateway.brokers.bridge.account.snapshots import Snapshots
from mt5crs_services.gateway.brokers.bridge.account.told_deals import OrderDeals
from mt5crs_services.gateway.brokers.bridge.bridge_link import Arrival, BridgeLink, BridgeMessage
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    BadReplyError,
    Closing,
    DealVerdict,
    DealWord,
    Dialect,
    FarPosition,
)
from mt5crs_services.gateway.brokers.bridge.orders.deal_maker import DealMaker
from mt5crs_services.gateway.brokers.bridge.orders.order_fates import FATE, OrderFates
from mt5crs_services.gateway.brokers.bridge.orders.sent_order import (
    LOOKS,
    GivenUp,
    Outcomes,
    OwnClosing,
    SentOrder,
    SentOrders,
    goes_again,
)
from mt5crs_shared.configuration.execution_structs import ExecutionConfig
from mt5crs_shared.trading.orders import Code, Order
from mt5crs_shared.trading.slippage import PRICE_OF_QUOTE

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two snapshots while the fate of an order is not known, at most."""

TRY_AGAIN = 0.2
"""Seconds before an order is sent once more whose price was not to be had."""

FORGOTTEN_AFTER = 600.0
"""Seconds after which an order that was to be sent once more, and was not, is forgotten."""

CLOSE_AGAIN = 2.0
"""Seconds before a closing of the gateway's own that was refused is tried again."""


class OrderTraffic:
    """Sends orders, and finds out what becomes of them.

    Where an answer does not come, or says nothing, the order's fate is looked up in snapshots.

    Args:
        settings: Of the configuration.
        dialect: What the bridge speaks.
        link: The way to it.
        snapshots: What the account has.
        deals: Makes the deals.
        age_limits: Seconds that each strategy's orders may be old.
        keep: Has the gateway's own orders on the disk: what a restart forgets is sent twice.
        taken: Tickets of positions that are a strategy's already, or nobody's.
        monotonic: The monotonic clock, seconds.

    Attributes:
        orders: Those on their way.
        known: What became of others, until it is recorded.
        fates: What the bridge says has become of one, where it remembers them.
        unbooked: Deals of the gateway's own orders, by id, until they are in the ledger.
    """

    def __init__(
        self,
        settings: ExecutionConfig,
        dialect: Dialect,
        link: BridgeLink,
        snapshots: Snapshots,
        deals: DealMaker,
        age_limits: Mapping[str, float],
        keep: Callable[[tuple[OwnClosing, ...]], None],
        taken: Callable[[], Collection[int]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._taken = taken
        self._settings = settings
        self._look_every = min(LOOK_EVERY, settings.settle_after / LOOKS)
        self._dialect = dialect
        self._link = link
        self._snapshots = snapshots
        self._deals = deals
        self._age_limits = age_limits
        self._keep = keep
        self._monotonic = monotonic
        self.orders = SentOrders()
        self.fates = OrderFates(dialect, link, self.orders, self._look_every, monotonic)
        # A deal of the other side would open a position where the first one is closed already.
        self._look_first = dialect.closing is Closing.BY_OPPOSITE_DEAL and dialect.shows_account
        self.known = Outcomes()
        self._ready_again: dict[str, SentOrder] = {}
        self._given_up = GivenUp()
        self._own_again: dict[int, float] = {}
        self.unbooked: dict[str, Dealt] = {}

    def submit(self, order: Order) -> Outcome:
        """Send an order of a strategy."""
        if order.action == "CLOSE" and self.orders.closes(order.strategy):
            detail = "the gateway is closing that position already"
            return Outcome(Status.REJECTED, Code.UNSETTLED, detail)
        sent = SentOrder(order, self._deals.instruction(order), self._monotonic())
        before = self._ready_again.pop(order.order_id, None)
        sent.attempts += before.attempts if before is not None else 0
        if order.action == "CLOSE" and self._look_first and before is None:
            sent.look_first = True
            self.orders.add(sent)
            self._snapshots.want()
            return Outcome(Status.PENDING)
        if not self._send(sent):
            detail = "the connection to the bridge was lost; nothing was sent"
            return Outcome(Status.REJECTED, Code.BRIDGE_AWAY, detail)
        self.orders.add(sent)
        return Outcome(Status.PENDING)

    def close(
        self, order: Order, code: Code, reason: str, stray: FarPosition | None = None
    ) -> bool:
        """Close a position by an order of the gateway's own; False: it is being closed already."""
        now = self._monotonic()
        if self.orders.closes(order.strategy) or now < self._own_again.get(order.ticket, 0.0):
            return False
        sent = SentOrder(order, self._deals.instruction(order), now, code=code, own=True)
        sent.reason, sent.stray = reason, stray
        sent.look_first = self._look_first and stray is None
        sent.resend_at = None if sent.look_first else now
        self.orders.add(sent)
        if sent.look_first:
            self._snapshots.want()
        return True

    def on_booked(self, order_id: str) -> None:
        """A deal of an order is in the ledger."""
        self._remove(order_id)
        self.known.remove(order_id)
        self.unbooked.pop(order_id, None)

    def tend(self) -> None:
        """Send what is to be sent again, or is the gateway's own."""
        now = self._monotonic()
        for sent in self.orders.all:
            if sent.resend_at is None or now < sent.resend_at or not self._link.ready:
                continue
            if sent.own and not sent.kept:
                self._keep((*self.orders.kept, sent.closing))
                sent.kept = True
            sent.instruction, sent.resend_at = self._deals.instruction(sent.order), None
            if not self._send(sent):
                sent.resend_at = now + TRY_AGAIN
        self.fates.ask()

    def next_due(self) -> float:
        """Seconds until `tend` has something to do."""
        due = [sent.resend_at for sent in self.orders.all if sent.resend_at is not None]
        return max(min(due) - self._monotonic(), 0.0) if due else 3_600.0

    def take(self, message: BridgeMessage) -> Iterator[Word]:
        """What the answer to an order says, or to the question what has become of one."""
        if message.key.startswith(FATE):
            for told in self.fates.take(message):
                yield from self._follow(*told)
            return
        sent = self.orders.get(message.key)
        if sent is None:
            self._close_late(message)
            return
        if message.arrival is Arrival.TIMED_OUT:
            self._doubt(sent, f"the bridge has not answered within {self._settings.timeout:g} s")
            return
        try:
            word = self._dialect.read_order(message.body, sent.instruction)
        except BadReplyError as error:
            self._doubt(sent, str(error))
            return
        yield from self._follow(sent, word)

    def _close_late(self, message: BridgeMessage) -> None:
        """An order was dealt after it had been given up: its position is closed at once."""
        found = self._given_up.opened(message.key, message.body, self._dialect)
        if found is None or found[1].ticket in self._taken():
            return  # Or it was adopted meanwhile.
        sent, stray = found
        order = self._deals.stray_order(sent.order.strategy, sent.order.magic, stray)
        self.close(order, Code.MANUAL, f"order {message.key} was dealt too late", stray)

    def _send(self, sent: SentOrder) -> bool:
        self._snapshots.spoil()
        body = self._dialect.order(sent.instruction)
        return self._link.send(sent.order.order_id, body, deals=True)

    def _doubt(self, sent: SentOrder, detail: str, denied: bool = False) -> None:
        logger.warning("order %s: its fate is not known: %s", sent.order.order_id, detail)
        sent.doubt(self._monotonic(), detail, denied)
        self.look_soon(0.0 if denied else None)

    def look_soon(self, after: float | None = None) -> None:
        """Have a snapshot made in so many seconds; None: as while a fate is not known."""
        if self._dialect.shows_account:
            self._snapshots.want(self._look_every if after is None else after)

    def _follow(self, sent: SentOrder, word: DealWord) -> Iterator[Word]:
        """Do what follows from a bridge's word."""
        order = sent.order
        limits = self._age_limits.get(order.strategy, 0.0) - (self._monotonic() - sent.begun_at)
        moved, taken = self._deals.moved(order), order.action == "OPEN" and self._taken()
        if word.verdict is DealVerdict.DONE and order.action == "CLOSE" and self._look_first:
            # The position may have ended a moment before, and this deal have opened another one.
            sent.closed_at, sent.closed_lots = word.price, word.lots
            self._doubt(sent, "the account is looked at before it is believed", denied=True)
        elif word.verdict is DealVerdict.DONE and taken and word.ticket in taken:
            self._doubt(sent, f"the bridge names position {word.ticket}, which is another's")
        elif word.verdict is DealVerdict.DONE:
            deal = OrderDeals(word.ticket, word.lots, word.price, word.profit)
            yield from self.dealt(sent, deal, word.detail)
        elif goes_again(sent, word, moved, (limits, self._settings.max_deviation)):
            yield from self._again(sent)
        elif word.verdict in (DealVerdict.REFUSED, DealVerdict.RETRY) or (
            word.verdict is DealVerdict.DENIED and not self._dialect.shows_account
        ):
            yield from self.refused(sent, Code.BROKER, word.detail)
        else:
            # "Time-out" in words is no refusal: it may be dealt still.
            denied = word.verdict is DealVerdict.DENIED and "time" not in word.detail.lower()
            sent.named = word.ticket
            self._doubt(sent, word.detail, denied)

    def dealt(self, sent: SentOrder, deal: OrderDeals, detail: str) -> Iterator[Word]:
        """What follows from an order that was dealt, with something for people."""
        order, found = sent.order, self._deals.of(sent, deal)
        if not found:
            yield from self.refused(sent, Code.NO_POSITION, "it was closed meanwhile")
            return
        # What the broker says is looked at once more: stops, and the balance.
        self.look_soon()
        if sent.own:
            self.unbooked.update({dealt.fill.order_id: dealt for dealt in found})
            yield from found
            self._remove(order.order_id)
            return
        if not deal.price:
            detail = f"{detail}; {PRICE_OF_QUOTE}".removeprefix("; ")
        yield self._answer(sent, _outcome(sent, found[0], detail))

    def looked_at(self, sent: SentOrder) -> Iterator[Word]:
        """The position that an order closes is there; it may leave."""
        sent.look_first, sent.attempts = False, 0
        yield from self._again(sent, after=0.0)

    def _again(self, sent: SentOrder, after: float = TRY_AGAIN) -> Iterator[Word]:
        """It has not been dealt, and is sent again; a strategy's order passes its rules first."""
        if sent.own:
            sent.attempts += 1
            sent.resend_at = self._monotonic() + after
            return
        self.orders.remove(sent.order.order_id)
        # Those that the rules have refused meanwhile did not come back.
        recent = self._monotonic() - FORGOTTEN_AFTER
        again = {name: each for name, each in self._ready_again.items() if each.begun_at > recent}
        self._ready_again = again | {sent.order.order_id: sent}
        yield SendAgain(sent.order.order_id)

    def refused(self, sent: SentOrder, code: Code, detail: str) -> Iterator[Word]:
        """What follows from an order that was not dealt, and will not be."""
        self._remove(sent.order.order_id)
        if code is Code.NOT_DEALT:
            self._given_up.add(sent)
        if sent.own:
            self._own_again[sent.order.ticket] = self._monotonic() + CLOSE_AGAIN
            self.look_soon(CLOSE_AGAIN)
            logger.error("position %d could not be closed: %s", sent.order.ticket, detail)
            return
        yield self._answer(sent, Outcome(Status.REJECTED, code, detail))

    def _remove(self, order_id: str) -> None:
        sent = self.orders.get(order_id)
        self.orders.remove(order_id)
        if sent is not None and sent.kept:
            self._keep(self.orders.kept)

    def _answer(self, sent: SentOrder, outcome: Outcome) -> Answered:
        self.known.add(sent.order.order_id, outcome)
        return Answered(sent.order.order_id, outcome)


def _outcome(sent: SentOrder, dealt: Dealt, detail: str) -> Outcome:
    whole = dealt.fill.lots >= sent.instruction.lots - evidence.SAME_LOTS
    return Outcome(Status.FILLED if whole else Status.PARTIAL, detail=detail, dealt=dealt)
