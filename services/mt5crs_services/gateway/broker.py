"""What stands behind the gateway: everything that a broker has to be able to do, and say.

Above it, once for every broker: ids that are never executed twice, epochs, leases, risk rules, the
states of an order, the ledger. A broker executes, and reports; it writes nothing into the ledger
itself, and what it reports has not happened for anybody before it is booked.
"""

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_services.gateway.ledger.records import StreamUpdate
from mt5crs_services.gateway.quotes.market import SymbolMarket
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.orders import Code, Fill, Order, Position


class Status(enum.StrEnum):
    """What a broker says of an order.

    FILLED: the whole of it was dealt. PARTIAL: a part was, and no more will be. REJECTED: nothing
    was, and nothing will be. PENDING: it is there, and not decided. UNKNOWN: nobody can say; it is
    asked again, and never sent again.
    """

    FILLED = "FILLED"
    PARTIAL = "PARTIAL"
    REJECTED = "REJECTED"
    PENDING = "PENDING"
    UNKNOWN = "UNKNOWN"


class Dealt(msgspec.Struct, frozen=True):
    """A deal, and what changes with it.

    Attributes:
        fill: The deal.
        held: The position as it is afterwards; None: it is closed.
        stream: Where the symbol's stream stands, for a broker that keeps that in the ledger.
        reason: For people, where the broker acted by itself.
    """

    fill: Fill
    held: OpenPosition | None
    stream: StreamUpdate | None = None
    reason: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What became of an order, as far as the broker knows.

    Attributes:
        status: See `Status`.
        code: Why.
        detail: For people.
        dealt: The deal; with FILLED and PARTIAL.
    """

    status: Status
    code: Code = Code.FILLED
    detail: str = ""
    dealt: Dealt | None = None


class Terms(msgspec.Struct, frozen=True):
    """What an order would meet at the broker at this moment; risk rules look at it.

    Attributes:
        held: The strategy's open position.
        before_opening: The quote came before the one that the position was opened on.
        rate: Price of the quote currency in the account's; None: not known.
        needed_margin: Margin that the position would hold, in the account's currency.
        free_margin: Margin that is free, in the account's currency.
    """

    held: Position | None
    before_opening: bool
    rate: float | None
    needed_margin: float
    free_margin: float


class Worth(msgspec.Struct, frozen=True):
    """What the open positions are worth, in the account's currency.

    Attributes:
        floating: Profit if they were closed now, by strategy.
        margin: Margin that they hold.
    """

    floating: Mapping[str, float]
    margin: float


class Broker(Protocol):
    """One account at one broker. No call may wait for the other side."""

    simulated: bool
    """The market is a feed of ours, which waits for its readers: nothing grows old meanwhile."""

    far_away: bool
    """Its side can do something while nobody here knows of it: an order is on the disk as SENT
    before it leaves, and one whose fate is not known is asked for, also by the next process."""

    def terms(self, order: Order, tick: Tick, place: int) -> Terms:
        """What an order would meet."""

    def submit(self, order: Order, tick: Tick, place: int) -> Outcome:
        """Execute an order that has passed every rule.

        Args:
            order: The order.
            tick: The quote it is to fill on; a broker that is elsewhere has its own.
            place: That tick's place among equal ones.
        """

    def query(self, order: Order) -> Outcome:
        """What has become of an order whose fate was not known; never executes it."""

    def poll(self, caught_up: bool) -> Iterator[Dealt]:
        """Deals that came unasked: stops, targets, a margin call, closing by hand.

        Each is booked before the next one is asked for.

        Args:
            caught_up: The gateway's own streams are; before that, equity is an earlier one's.
        """

    def poll_before(self, order: Order, tick: Tick, place: int) -> Iterator[Dealt]:
        """Those of them that came before an order which is about to be executed."""

    def on_touched(
        self, strategy: str, ticket: int, tick: Tick, rate: float | None
    ) -> Dealt | str | None:
        """A strategy saw a tick that ends its position.

        Args:
            strategy: Its name.
            ticket: The position.
            tick: That tick.
            rate: The strategy's rate of the quote currency to the account's there.

        Returns:
            The deal that ended it; or why there is none; None: no such position is open.
        """

    def on_tick(self, market: SymbolMarket, tick: Tick, good: bool) -> None:
        """The next tick of a symbol's own stream; `good`: it is believed."""

    def on_booked(self, dealt: Dealt) -> None:
        """A deal is in the ledger: from here on it has happened."""

    def positions(self) -> Mapping[str, Position]:
        """Each strategy's open position."""

    def worth(self) -> Worth:
        """What they are worth at the last good quotes."""

    def next_due(self) -> float:
        """Seconds until `poll` has something to say without being woken."""

    def unsaved(self) -> Sequence[StreamUpdate]:
        """Where streams stand that have gone on since `on_saved`."""

    def on_saved(self, streams: Sequence[StreamUpdate]) -> None:
        """They are in the ledger."""
