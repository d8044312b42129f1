"""Positions, or parts of them, that the broker has no more: booked as what they are."""

from collections.abc import Iterator, Sequence

from mt5crs_services.gateway.broker import Dealt
from mt5crs_services.gateway.brokers.bridge.account.closings import Ended, ending_fill, told_fill
from mt5crs_services.gateway.brokers.bridge.account.evidence import SAME_LOTS
from mt5crs_services.gateway.brokers.bridge.account.missing_positions import MissingPositions
from mt5crs_services.gateway.brokers.bridge.account.snapshots import AccountSnapshot
from mt5crs_services.gateway.brokers.bridge.account.told_deals import ToldDeals
from mt5crs_services.gateway.brokers.bridge.account.unexplained_money import UnexplainedMoney
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarAccount
from mt5crs_services.gateway.brokers.bridge.orders.deal_maker import DealMaker, rest_of
from mt5crs_services.gateway.brokers.bridge.orders.sent_order import SentOrders
from mt5crs_services.gateway.brokers.holdings import Holdings

REASON = "the broker has closed it"


class EndedPositions:
    """Makes the deals by which the broker, or somebody by hand, has ended positions.

    Args:
        holdings: The open positions.
        deals: Estimates what has become of one.
        orders: Those on their way.
        missing: Which of them are gone.
        money: What has moved the balance.
        told: What the broker's deals tell.

    Attributes:
        trouble: What does not fit, for people; empty: nothing.
    """

    def __init__(
        self,
        holdings: Holdings,
        deals: DealMaker,
        orders: SentOrders,
        missing: MissingPositions,
        money: UnexplainedMoney,
        told: ToldDeals,
    ) -> None:
        self.trouble = ""
        self._holdings = holdings
        self._deals = deals
        self._orders = orders
        self._missing = missing
        self._money = money
        self._told = told

    def book_told(self, snapshot: AccountSnapshot) -> Iterator[Dealt]:
        """Those whose end one of the broker's deals tells: as it says, and at once."""
        on_way = [sent.order for sent in self._orders.all]
        while (deal := self._told.ending(self._missing.gone(snapshot), on_way)) is not None:
            held = next(h for h in self._holdings.all if h.position.ticket == deal.position)
            fill = told_fill(self._deals.ended(held, deal.lots), deal)
            yield Dealt(fill, rest_of(held, deal.lots), reason=REASON)

    def book_missing(self, snapshot: AccountSnapshot) -> Iterator[Dealt]:
        """Those that are gone for so long that they must have ended: with what the balance shows.

        Args:
            snapshot: The account. What orders have closed is booked before.
        """
        ended = self._missing.ended(snapshot)
        self.trouble = self._missing.contradiction
        for together in self._money.together(ended):
            shares = self._money.shares(together)
            if shares is None:
                self.trouble = _does_not_fit(together, snapshot.account, self._orders)
                return
            for each, profit in zip(together, shares, strict=True):
                yield Dealt(ending_fill(each, profit), rest_of(each.held, each.lots), reason=REASON)


def _does_not_fit(ended: Sequence[Ended], account: FarAccount, orders: SentOrders) -> str:
    names = ", ".join(map(_gone_of, ended))
    doubted = ", ".join(sent.order.order_id for sent in orders.in_doubt)
    also = f", or has order {doubted}, of which nobody knows, moved it" if doubted else ""
    return (
        f"the broker does not list position {names} any more, and its balance of"
        f" {account.balance:,.2f} does not fit to that: is the terminal logged into another"
        f" account{also}? Nothing is sent; where the position was closed,"
        f" `resolve {ended[0].held.position.ticket} filled --price P`"
    )


def _gone_of(each: Ended) -> str:
    position = each.held.position
    if each.lots >= position.lots - SAME_LOTS:
        return str(position.ticket)
    return f"{position.ticket} (or {each.lots:g} lots of it)"
