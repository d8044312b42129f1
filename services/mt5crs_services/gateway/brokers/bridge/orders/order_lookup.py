"""Orders whose fate is not known, looked up in what the account has."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from mt5crs_services.gateway.broker import Outcome, Status, Word
from mt5crs_services.gateway.brokers.bridge.account import evidence
from mt5crs_services.gateway.brokers.bridge.account.closings import Ended
from mt5crs_services.gateway.brokers.bridge.account.evidence import ContradictionError
from mt5crs_services.gateway.brokers.bridge.account.snapshots import AccountSnapshot
from mt5crs_services.gateway.brokers.bridge.account.told_deals import OrderDeals, ToldDeals
from mt5crs_services.gateway.brokers.bridge.account.unexplained_money import UnexplainedMoney
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarPosition
from mt5crs_services.gateway.brokers.bridge.orders.deal_maker import DealMaker
from mt5crs_services.gateway.brokers.bridge.orders.order_traffic import OrderTraffic
from mt5crs_services.gateway.brokers.bridge.orders.sent_order import OwnClosing, SeenGone, SentOrder
from mt5crs_services.gateway.brokers.bridge.orders.stray_positions import StrayPositions
from mt5crs_shared.trading.orders import Code, Order

FOUND = "found in the account"


class OrderLookup:
    """Finds out from snapshots what answers have not told.

    Args:
        traffic: The orders on their way.
        deals: Makes the deals.
        settle_after: Seconds that a bridge may be late.
        strays: Closes what was opened too late.
        told: What the broker's deals tell.
        monotonic: The monotonic clock, seconds.

    Attributes:
        contradiction: What cannot be true, for people; empty: nothing.
        listed: The positions of the account, as it was shown last; None: it was not.
    """

    def __init__(
        self,
        traffic: OrderTraffic,
        deals: DealMaker,
        settle_after: float,
        strays: StrayPositions,
        told: ToldDeals,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.contradiction = ""
        self.listed: Sequence[FarPosition] | None = None
        self._traffic = traffic
        self._orders = traffic.orders
        self._deals = deals
        self._settle_after = settle_after
        self._strays = strays
        self._told = told
        self._monotonic = monotonic

    def query(self, order: Order) -> Outcome:
        """What has become of an order, as far as it is known."""
        known = self._traffic.known.get(order.order_id)
        if known is not None:
            return known
        sent = self._orders.get(order.order_id)
        if sent is None:
            # An earlier process has sent it, or was about to.
            sent = SentOrder(order, self._deals.instruction(order), self._monotonic())
            self._go_on_with(sent)
        return Outcome(Status.PENDING if sent.doubt_at is None else Status.UNKNOWN)

    def take_up(self, closings: Iterable[OwnClosing]) -> None:
        """Orders of the gateway's own that an earlier process has sent, or was about to send."""
        for each in closings:
            if each.stray is None and self._deals.held_by(each.order) is None:
                continue  # It was booked.
            sent = SentOrder(each.order, self._deals.instruction(each.order), self._monotonic())
            sent.own, sent.kept, sent.stray = True, True, each.stray
            sent.code, sent.reason = each.code, each.reason
            self._go_on_with(sent)

    def _go_on_with(self, sent: SentOrder) -> None:
        sent.doubt(self._monotonic(), "the gateway was restarted while it was on its way")
        self._orders.add(sent)
        self._traffic.look_soon()

    def take(
        self, snapshot: AccountSnapshot, known: set[int], money: UnexplainedMoney
    ) -> Iterator[Word]:
        """What the account says of orders whose fate is not known.

        Args:
            snapshot: The account.
            known: Tickets that belong to no order on its way.
            money: What has moved the balance, but for deals that are known.
        """
        self.contradiction = ""
        self.listed = snapshot.positions
        for sent in self._orders.all:
            if sent.ended:
                # Its position's end is booked first, as what it is.
                if (held := self._deals.held_by(sent.order)) is None:
                    detail = "the broker had closed it already"
                    yield from self._traffic.refused(sent, Code.NO_POSITION, detail)
                # A terminal that is connecting lists none for a moment.
                sent.ended = not (held and evidence.listed_as(held.position, snapshot.positions))
            elif sent.look_first:
                yield from self._go_after_look(sent, snapshot)
            elif sent.doubt_at is not None and snapshot.asked_at >= sent.doubt_at:
                try:
                    yield from self._look_for(sent, snapshot, known, money)
                except ContradictionError as error:
                    self.contradiction = str(error)
        if self._orders.need_looks:
            self._traffic.look_soon()

    def look_again(self, after: float) -> None:
        """Have the account looked at once more, after so many seconds."""
        self._traffic.look_soon(after)

    def _look_for(
        self, sent: SentOrder, snapshot: AccountSnapshot, known: set[int], money: UnexplainedMoney
    ) -> Iterator[Word]:
        if (deals := self._told.of_order(sent.order)) is not None:
            if not self._may_be_more(sent, deals.lots):
                yield from self._traffic.dealt(sent, deals, FOUND)
            return
        if sent.stray is not None:
            yield from self._look_for_stray(sent, sent.stray, snapshot, money)
            return
        if sent.order.action == "OPEN":
            found = evidence.named(
                sent.order, sent.named, snapshot.positions, known
            ) or evidence.opened_by(sent.order, sent.instruction.comment, snapshot.positions, known)
            if found is not None:
                if self._may_be_more(sent, found.lots):
                    return
                detail = FOUND
                if found.lots > sent.order.lots + evidence.SAME_LOTS:
                    detail += f", with more lots than the {sent.order.lots:g} that were ordered"
                deal = OrderDeals(found.ticket, found.lots, found.open_price)
                yield from self._traffic.dealt(sent, deal, detail)
                return
            _ask_people(sent, evidence.suspected(sent.order, snapshot.positions, known))
        elif (done := self._closed(sent, snapshot, money)) is not None:
            yield from done
            return
        moved = money.may_be_of(sent.order.order_id)
        yield from self._without_trace(sent, snapshot, moved)

    def _may_be_more(self, sent: SentOrder, lots: float) -> bool:
        """Whether a part of an order is here and the broker may deal the rest: the bridge knows."""
        waits = self._traffic.fates.asks and not sent.unseen
        return waits and lots < sent.instruction.lots - evidence.SAME_LOTS

    def _closed(
        self, sent: SentOrder, snapshot: AccountSnapshot, money: UnexplainedMoney
    ) -> Iterator[Word] | None:
        """What follows where a position that was to be closed is not what it was."""
        order, held = sent.order, self._deals.held_by(sent.order)
        if held is None:
            return self._traffic.refused(sent, Code.NO_POSITION, "it was closed meanwhile")
        comment = sent.instruction.comment
        opposite = [p for p in snapshot.positions if comment in (p.comment or "")]
        listed = evidence.listed_as(held.position, snapshot.positions)
        left = listed.lots if listed is not None and listed.side == held.position.side else 0.0
        gone = round(held.position.lots - left, 8)
        if opposite and listed not in opposite:
            self._too_late(sent, opposite[0])
            return iter(())
        if gone > evidence.SAME_LOTS:
            if self._may_be_more(sent, gone):
                return iter(())
            if sent.closed_at:
                # What else is gone, somebody else has closed; that is booked by and by.
                lots = min(gone, sent.closed_lots or gone)
                return self._traffic.dealt(sent, OrderDeals(order.ticket, lots, sent.closed_at), "")
            seen = _seen_gone(
                sent, snapshot, money, self._deals.ended(held, gone), self._settle_after
            )
            if seen is None:
                return iter(())
            # What is gone since, too, somebody else has closed.
            lots = min(gone, seen.lots)
            return self._traffic.dealt(sent, OrderDeals(order.ticket, lots, seen.price), FOUND)
        sent.gone = None
        if sent.closed_at:
            raise ContradictionError(
                f"the bridge says that it has closed position {order.ticket}, and it is open: is"
                " the account a hedging one? This dialect needs a netting account"
            )
        return None

    def _too_late(self, sent: SentOrder, opposite: FarPosition) -> None:
        """The broker had closed the position, and the deal that was to close it opened another.

        Its end is booked as what it is; what was opened is closed at once.
        """
        sent.ended = True
        self._strays.close(opposite)
        self._traffic.look_soon(0.0)

    def _without_trace(
        self, sent: SentOrder, snapshot: AccountSnapshot, moved: float
    ) -> Iterator[Word]:
        sent.looked_at(snapshot.asked_at)
        if sent.suspect:
            sent.detail = f"position {sent.suspect} may have been its, and is listed no more"
            return
        if not sent.surely_not_dealt(self._monotonic(), self._settle_after):
            return
        if self._traffic.fates.asks and not sent.unseen:
            return  # The bridge has it, and looks for it itself.
        if sent.order.action == "OPEN" and abs(moved) >= evidence.SAME_MONEY and not sent.denied:
            sent.detail = "no position is there, but the balance has changed: it may be closed"
            return
        code = Code.BROKER if sent.denied else Code.NOT_DEALT
        yield from self._traffic.refused(sent, code, sent.detail)

    def _look_for_stray(
        self,
        sent: SentOrder,
        stray: FarPosition,
        snapshot: AccountSnapshot,
        money: UnexplainedMoney,
    ) -> Iterator[Word]:
        gone = evidence.gone_of(stray, snapshot.positions)
        if gone <= evidence.SAME_LOTS:
            sent.gone = None
            yield from self._without_trace(sent, snapshot, moved=0.0)
            return
        stray, price = msgspec.structs.replace(stray, lots=gone), sent.closed_at
        if not price:
            ended = self._deals.stray_ended(sent.order, stray)
            seen = _seen_gone(sent, snapshot, money, ended, self._settle_after)
            if seen is None:
                return
            price = seen.price
        sent.stray = stray
        yield from self._traffic.dealt(sent, OrderDeals(stray.ticket, gone, price), "")

    def _go_after_look(self, sent: SentOrder, snapshot: AccountSnapshot) -> Iterator[Word]:
        """Send an order that closes a position, now that the position is known to be there."""
        if snapshot.asked_at < sent.begun_at:
            return
        held = self._deals.held_by(sent.order)
        listed = evidence.listed_as(held.position, snapshot.positions) if held else None
        if listed is None:
            sent.ended = True
            self._traffic.look_soon(0.0)
            return
        yield from self._traffic.looked_at(sent)


def _seen_gone(
    sent: SentOrder,
    snapshot: AccountSnapshot,
    money: UnexplainedMoney,
    ended: Ended,
    settle_after: float,
) -> SeenGone | None:
    """What an order has closed; None: its position may only not be listed just now.

    Args:
        sent: The order.
        snapshot: Lacks its position, or a part of it.
        money: What has moved the balance.
        ended: What is gone.
        settle_after: Seconds for which that has to last.
    """
    if not money.has_moved_for(sent.order.ticket):
        missing = f"position {sent.order.ticket} is not listed"
        sent.detail = f"{missing}, and the balance has not moved"
        return None
    if sent.gone is None:
        sent.gone = SeenGone(snapshot.asked_at, ended.lots, money.price_of(ended))
    return sent.gone if snapshot.asked_at >= sent.gone.since + settle_after else None


def _ask_people(sent: SentOrder, found: FarPosition | None) -> None:
    """Have people asked whether an order has opened a position with another volume.

    Raises:
        ContradictionError: There is such a position.
    """
    if found is None:
        return
    order, sent.suspect = sent.order, found.ticket
    raise ContradictionError(
        f"order {order.order_id} ({order.lots:g} lots) may have opened position"
        f" {found.ticket} of {found.lots:g}: look in the terminal, and say `resolve"
        f" {order.order_id} filled --ticket {found.ticket}` or `not-filled`"
    )
