"""What stands behind the gateway: everything that a broker has to be able to do, and say.

Above it, once for every broker: ids that are never executed twice, epochs, leases, risk rules, the
states of an order, the ledger. A broker executes, and reports; it writes nothing into the ledger
itself, and what it reports has not happened for anybody before it is booked.
"""

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_services.gateway.ledger.records import AccountNote, StreamUpdate
from mt5crs_services.gateway.quotes.market import SymbolMarket
from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Charge, Code, Fill, Order, Position


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
        code: Why; with REJECTED.
        detail: For people.
        dealt: The deal; with FILLED and PARTIAL.
    """

    status: Status
    code: Code | None = None
    detail: str = ""
    dealt: Dealt | None = None


class Answered(msgspec.Struct, frozen=True):
    """A broker that is far away has come to know what became of an order.

    Attributes:
        order_id: Which one.
        outcome: What.
    """

    order_id: str
    outcome: Outcome


class SendAgain(msgspec.Struct, frozen=True):
    """An order has not been dealt, and may be sent once more if its rules still let it.

    Attributes:
        order_id: Which one.
    """

    order_id: str


Word = Dealt | Answered | SendAgain
"""What a broker has to say by itself."""


KeepFarSide = Callable[[str, Sequence[AccountNote], Sequence[Charge]], None]
"""Has on the disk, all or nothing, what a broker that is far away has to remember, what people
should know of the account, and what the broker has charged, with what follows from that."""


class HandDeal(msgspec.Struct, frozen=True):
    """What somebody has found in the terminal about an order whose fate was not known.

    Attributes:
        ticket: The position; 0: the order's own.
        lots: Volume that was dealt; 0.0: all of it.
        price: Of the deal; 0.0: that of the newest quote.
    """

    ticket: int = 0
    lots: float = 0.0
    price: float = 0.0


class Terms(msgspec.Struct, frozen=True):
    """What an order would meet at the broker at this moment; risk rules look at it.

    Attributes:
        held: The strategy's open position.
        before_opening: The quote came before the one that the position was opened on.
        rate: Price of the quote currency in the account's; None: not known.
        needed_margin: Margin that the position would hold, in the account's currency.
        free_margin: Margin that is free, in the account's currency.
        balance: Of a real account, as far as it is known; None: it is made of paper.
        obstacle: Which position of another owner a new one would be netted against, and what to do;
            empty: none.
    """

    held: Position | None
    before_opening: bool
    rate: float | None
    needed_margin: float
    free_margin: float
    balance: float | None = None
    obstacle: str = ""


class Worth(msgspec.Struct, frozen=True):
    """What the open positions are worth, in the account's currency.

    Attributes:
        floating: Profit if they were closed now, by strategy.
        margin: Margin that they hold.
        prices: At which they would be closed now, by strategy.
    """

    floating: Mapping[str, float]
    margin: float
    prices: Mapping[str, float] = {}


class NotYetError(Mt5crsError):
    """A position cannot be closed just yet: the gateway has begun a moment ago.

    It stays open; who wants it closed asks again.
    """


class Broker(Protocol):
    """One account at one broker. No call may wait for the other side.

    What a broker that is far away raises, or answers wrongly, is taken for UNKNOWN, and the gateway
    says so (DEGRADED); it goes on with everything else.
    """

    simulated: bool
    """The market is a feed of ours, which waits for its readers: nothing grows old meanwhile."""

    far_away: bool
    """Its side can do something while nobody here knows of it: an order is on the disk as SENT
    before it leaves, and one whose fate is not known is asked for, also by the next process."""

    @property
    def ready(self) -> bool:
        """An order can leave now. Otherwise it waits, and passes its rules when it leaves."""

    @property
    def book(self) -> str:
        """Whose money it is, for people; see `AccountReport.book`."""

    @property
    def trouble(self) -> str:
        """What is wrong with its side, and what to do about it; empty: nothing."""

    def terms(self, order: Order, tick: Tick, occurrence: int) -> Terms:
        """What an order would meet."""

    def submit(self, order: Order, tick: Tick, occurrence: int) -> Outcome:
        """Execute an order that has passed every rule.

        Args:
            order: The order.
            tick: The quote it is to fill on; a broker that is elsewhere has its own.
            occurrence: That tick's occurrence among equal ones.
        """

    def query(self, order: Order) -> Outcome:
        """What has become of an order whose fate was not known; never executes it."""

    def settle(self, order_id: str, deal: HandDeal | None, who: str) -> Word | str:
        """Take somebody's word for what has become of an order whose fate is not known.

        Args:
            order_id: The order; or the ticket of a position that is not there any more; or
                ``balance``, where one that was not expected is right.
            deal: What was dealt; None: nothing was.
            who: Says so, for people.

        Returns:
            What follows; or why nothing does, for people; empty: it is taken note of.
        """

    def poll(self, caught_up: bool) -> Iterator[Word]:
        """Deals that came unasked (stops, targets, a margin call, closing by hand), and answers.

        Each is booked before the next one is asked for.

        Args:
            caught_up: The gateway's own streams are; before that, equity is an earlier one's.
        """

    def tend(self) -> None:
        """What it does by itself, once orders that waited have had their turn."""

    def poll_before(self, order: Order, tick: Tick, occurrence: int) -> Iterator[Dealt]:
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

    def close(self, strategy: str, reason: str) -> Dealt | str | None:
        """Close a strategy's position now, at the operator's word.

        Args:
            strategy: Its name; it has one.
            reason: For people.

        Returns:
            The deal that ended it; or why there is none; None: its side has been asked, and the
            deal comes by itself.

        Raises:
            NotYetError: There is no quote of this moment yet, or the account was not seen.
        """

    @property
    def foreign(self) -> Sequence[Position] | None:
        """Open positions of the account that are no strategy's here; their `strategy` is empty.

        None: its side has not said what is open, or cannot.
        """

    def adopt(self, ticket: int, strategy: StrategyConfig, who: str) -> Dealt | str:
        """Make a position that is nobody's here a strategy's own.

        Args:
            ticket: The position.
            strategy: Whose it is to be.
            who: Says so, for people.

        Returns:
            The deal that does it; or why there is none, for people; empty: it is the strategy's.
        """

    def on_tick(self, market: SymbolMarket, tick: Tick, good: bool) -> None:
        """The next tick of a symbol's own stream; `good`: it is believed."""

    def after(self, fill: Fill) -> str:
        """What one that is far away will remember once a deal is booked, in that transaction."""

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

    def shut_down(self) -> None:
        """Give back what it holds of the world outside; the process ends."""


class NearBroker:
    """What is the same in every broker that executes here and now: nothing is ever on its way."""

    far_away = False
    ready = True
    trouble = ""
    book = "paper"
    foreign: Sequence[Position] | None = ()

    def settle(self, order_id: str, deal: HandDeal | None, who: str) -> str:
        """The fate of an order is always known here; see `Broker.settle`."""
        return "the fate of every order is known here"

    def adopt(self, ticket: int, strategy: StrategyConfig, who: str) -> str:
        """Every position is a strategy's; see `Broker.adopt`."""
        return "there is no position but the strategies' own"

    def after(self, fill: Fill) -> str:
        """Nothing: all that it knows is in the ledger; see `Broker.after`."""
        return ""

    def tend(self) -> None:
        """Nothing: all is done in `poll`; see `Broker.tend`."""

    def shut_down(self) -> None:
        """Nothing is held; see `Broker.shut_down`."""


class FarBroker:
    """What is the same in every broker whose side is far away: stops and targets are its own."""

    far_away = True

    def after(self, fill: Fill) -> str:
        """Nothing besides the deal; see `Broker.after`."""
        return ""

    def poll_before(self, order: Order, tick: Tick, occurrence: int) -> Iterator[Dealt]:
        """Nothing: what its side has done, it says itself; see `Broker.poll_before`."""
        yield from ()

    def unsaved(self) -> Sequence[StreamUpdate]:
        """Nothing: where the own streams stand decides nothing there; see `Broker.unsaved`."""
        return ()

    def on_saved(self, streams: Sequence[StreamUpdate]) -> None:
        """See `Broker.on_saved`."""
