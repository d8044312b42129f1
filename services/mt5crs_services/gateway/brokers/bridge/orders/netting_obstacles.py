"""Positions of another owner that a netting account would net a new order against."""

from collections.abc import Callable

from mt5crs_services.gateway.brokers.bridge.account.snapshots import Snapshots
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import Closing, Dialect
from mt5crs_services.gateway.brokers.bridge.orders.foreign_positions import ForeignPositions
from mt5crs_services.gateway.brokers.holdings import Holdings
from mt5crs_shared.configuration.execution_structs import AccountConfig
from mt5crs_shared.trading.orders import Order

LOOK_AGAIN = 1.0
"""Seconds after which the account is looked at again where something was in the way."""

SAYS_SO = "`hedging: true` in global.account where it holds a position for each order"


class NettingObstacles:
    """Finds the position that an order to open one must not meet.

    Args:
        holdings: The open positions of strategies.
        snapshots: What the account has.
        foreign: Positions that are no strategy's.
        closed: Whether the ledger has the deal that closed a position.
        dialect: What the bridge speaks.
        account: Says whether it holds a position for each order, where the bridge does not.
    """

    def __init__(
        self,
        holdings: Holdings,
        snapshots: Snapshots,
        foreign: ForeignPositions,
        closed: Callable[[int], bool],
        dialect: Dialect,
        account: AccountConfig | None,
    ) -> None:
        self._holdings = holdings
        self._snapshots = snapshots
        self._foreign = foreign
        self._closed = closed
        self._dialect = dialect
        self._hedging = account is not None and account.hedging

    def find(self, order: Order) -> str:
        """What an order would be netted against, and what to do about it; empty: nothing.

        By the last look at the account; where that shows something, a new look is taken soon.
        """
        nets = self._nets
        if order.action != "OPEN" or nets is False or (nets is None and self._hedging):
            return ""
        for held in self._holdings.of_symbol(order.symbol):
            other = held.position
            if other.strategy != order.strategy:
                found = f"{other.strategy} holds position {other.ticket} ({other.side}"
                advice = f"`mt5crs-supervisor flatten {other.strategy}` closes it"
                return self._worded(order, f"{found} {other.lots:g})", advice)
        latest = self._snapshots.latest
        for far in latest.positions if latest is not None else ():
            if far.symbol == order.symbol and not self._is_ours(far.ticket):
                self._snapshots.want(LOOK_AGAIN)
                found = f"position {far.ticket} ({far.side} {far.lots:g}) is no strategy's here"
                adopting = f"`mt5crs-supervisor adopt {far.ticket} {order.strategy}`"
                return self._worded(order, found, f"close it in the terminal, or {adopting}")
        return ""

    @property
    def _nets(self) -> bool | None:
        """Whether the account holds one position a symbol; None: the bridge does not say."""
        if self._dialect.closing is Closing.BY_OPPOSITE_DEAL:
            return True
        latest = self._snapshots.latest
        return latest.account.netting if latest is not None else None

    def _is_ours(self, ticket: int) -> bool:
        """A strategy holds it, or has closed it since the last look."""
        if any(held.position.ticket == ticket for held in self._holdings.all):
            return True
        return ticket not in (self._foreign.listed or {}) and self._closed(ticket)

    def _worded(self, order: Order, found: str, advice: str) -> str:
        account = "a netting account" if self._nets else "an account that may net"
        unless = "" if self._nets else f"; or say {SAYS_SO}"
        return (
            f"on {account} a new {order.side} of {order.symbol} would be netted against what is"
            f" open: {found}; {advice}{unless}"
        )
