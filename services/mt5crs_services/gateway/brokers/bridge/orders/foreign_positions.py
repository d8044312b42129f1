"""Positions of the account that are no strategy's here, and how one becomes a strategy's own."""

from collections.abc import Callable, Collection

from mt5crs_services.gateway.broker import Dealt
from mt5crs_services.gateway.brokers.bridge.account.snapshots import AccountSnapshot
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import Dialect, FarPosition
from mt5crs_services.gateway.brokers.bridge.orders.deal_maker import DealMaker
from mt5crs_services.gateway.brokers.bridge.orders.sent_order import SentOrders
from mt5crs_services.gateway.brokers.holdings import Holdings
from mt5crs_shared.configuration.structs import StrategyConfig


class ForeignPositions:
    """Lists them, and makes the deal by which one is adopted.

    Args:
        holdings: The open positions of strategies.
        deals: Makes the deal.
        orders: Those on their way.
        latest: The newest snapshot; None: there is none yet.
        foreign: Tickets of positions that are not ours.
        dialect: What the bridge speaks.
    """

    def __init__(
        self,
        holdings: Holdings,
        deals: DealMaker,
        orders: SentOrders,
        latest: Callable[[], AccountSnapshot | None],
        foreign: Callable[[], Collection[int]],
        dialect: Dialect,
    ) -> None:
        self._holdings = holdings
        self._deals = deals
        self._orders = orders
        self._latest = latest
        self._foreign = foreign
        self._dialect = dialect

    @property
    def listed(self) -> dict[int, FarPosition] | None:
        """Those that are open, by ticket; None: nobody has said what is open."""
        latest = self._latest()
        if latest is None:
            return None
        tickets = set(self._foreign())
        return {each.ticket: each for each in latest.positions if each.ticket in tickets}

    def adopted(self, ticket: int, strategy: StrategyConfig, who: str) -> Dealt | str:
        """The deal that makes one a strategy's own; or why there is none.

        Args:
            ticket: The position.
            strategy: Whose it is to be.
            who: Says so, for people.
        """
        if not self._dialect.shows_account:
            return f"the dialect {self._dialect.name} cannot say what is open"
        if self._orders.all:
            return "an order is on its way, and may have opened it; ask again in a moment"
        owner = next((h.position for h in self._holdings.all if h.position.ticket == ticket), None)
        if owner is not None:
            return "" if owner.strategy == strategy.name else f"it is {owner.strategy}'s already"
        found, held = (self.listed or {}).get(ticket), self._holdings.get(strategy.name)
        if found is None:
            return "the broker lists no such position, or it has just been opened"
        if found.symbol != strategy.symbol:
            return f"it is one of {found.symbol}, and {strategy.name} trades {strategy.symbol}"
        if held is not None:
            return f"{strategy.name} holds position {held.position.ticket}; one at a time"
        if why := self._deals.odd_volume(found):
            return why
        quote = self._deals.newest(strategy.symbol)
        if quote is None:
            return f"no quote of {strategy.symbol} has come yet"
        return self._deals.adopted(found, strategy, quote, f"adopted by {who}")
