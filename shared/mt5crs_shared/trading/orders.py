"""Orders and what becomes of them: the words that a strategy and the gateway share."""

import enum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mt5crs_shared.market.ticks import Tick

Side = Literal["BUY", "SELL"]

Whole = Annotated[int, Meta(ge=-(2**53), le=2**53)]
"""A number that fits everywhere: a message with a larger one is not read."""

Finite = Annotated[float, Meta(ge=-1e15, le=1e15)]
"""A number of somebody else's that can be calculated with: no NaN, and nothing no account has."""

Epoch = Annotated[int, Meta(ge=0, le=2**53)]
"""Number of a spawn."""


class Code(enum.StrEnum):
    """Why an order ended as it did. Stable: journals and scripts rely on these words.

    The table of them in ``docs/orders.md`` is made from this enum; see :data:`MEANINGS`.
    """

    FILLED = "FILLED"
    STOP_LOSS = "STOP_LOSS"
    TAKE_PROFIT = "TAKE_PROFIT"
    STOP_OUT = "STOP_OUT"
    MANUAL = "MANUAL"
    FENCED = "FENCED"
    NO_LEASE = "NO_LEASE"
    UNKNOWN_STRATEGY = "UNKNOWN_STRATEGY"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    BAD_VOLUME = "BAD_VOLUME"
    BAD_PRICE = "BAD_PRICE"
    BAD_STOPS = "BAD_STOPS"
    CROSSED_QUOTE = "CROSSED_QUOTE"
    NO_MARGIN = "NO_MARGIN"
    POSITION_EXISTS = "POSITION_EXISTS"
    FOREIGN_POSITION = "FOREIGN_POSITION"
    NO_POSITION = "NO_POSITION"
    NO_RATE = "NO_RATE"
    STALE = "STALE"
    TICK_GONE = "TICK_GONE"
    UNKNOWN_TICK = "UNKNOWN_TICK"
    ID_REUSED = "ID_REUSED"
    NOT_SEEN = "NOT_SEEN"
    PARTIAL = "PARTIAL"
    LOCKED = "LOCKED"
    RISK = "RISK"
    BRIDGE_AWAY = "BRIDGE_AWAY"
    BROKER = "BROKER"
    NOT_DEALT = "NOT_DEALT"
    UNSETTLED = "UNSETTLED"
    ADOPTED = "ADOPTED"
    INTERNAL = "INTERNAL"


MEANINGS: dict[Code, str] = {
    Code.FILLED: "Executed in full.",
    Code.STOP_LOSS: "The stop was touched; the position was closed.",
    Code.TAKE_PROFIT: "The target was touched; the position was closed.",
    Code.STOP_OUT: "Equity fell below what the margin demands; the position was closed.",
    Code.MANUAL: "The position was closed by hand: by `flatten`, or in the broker's terminal.",
    Code.FENCED: "The order came from a process that has been replaced by a newer one.",
    Code.NO_LEASE: "The process has no valid lease of the supervisor; it may not open positions.",
    Code.UNKNOWN_STRATEGY: (
        "The gateway has no strategy of that name in its configuration, or it has another magic"
        " number."
    ),
    Code.UNKNOWN_SYMBOL: "The symbol is not the strategy's, or not in symbols.yaml.",
    Code.BAD_VOLUME: (
        "The volume is not a multiple of the lot step between smallest and largest, or more than"
        " the strategy's `max_position_size`."
    ),
    Code.BAD_PRICE: "The order's quote has a price that is not positive and finite.",
    Code.BAD_STOPS: "Stop or target is on the wrong side of the price.",
    Code.CROSSED_QUOTE: "The order's quote is crossed (ask < bid); nothing is decided on it.",
    Code.NO_MARGIN: (
        "The account's free margin is too small; or a real account's balance is not above zero."
    ),
    Code.POSITION_EXISTS: "The strategy holds a position already; one at a time.",
    Code.FOREIGN_POSITION: (
        "On a netting account (or one of which nobody says that it is none) a position of another"
        " owner is open in the symbol, which the order would be netted against; the detail says"
        " what to do."
    ),
    Code.NO_POSITION: "There is no open position with that ticket.",
    Code.NO_RATE: "No price yet to convert the profit's currency into the account's.",
    Code.STALE: "Too old when it could be sent; recorded as missed, not sent.",
    Code.TICK_GONE: (
        "The tick it would fill on, `latency_ms` after its own, is further back than the gateway"
        " remembers. Only with a publisher that outruns its readers."
    ),
    Code.UNKNOWN_TICK: (
        "The gateway's own stream contradicts the order's tick: it has gone on without it, and the"
        " quotes around that moment are more than 1 % away. Or the tick came before the position"
        " that it is to close was opened."
    ),
    Code.ID_REUSED: "The id belongs to another order; nothing was done.",
    Code.NOT_SEEN: "The gateway has never seen that order id.",
    Code.PARTIAL: "A part of the volume was executed; the rest was not to be had.",
    Code.LOCKED: (
        "Trading is held back, by `pause`, the kill switch or a risk rule; the detail says by whom,"
        " since when and why."
    ),
    Code.RISK: "A risk rule of the configuration (`global.risk`) refuses it; the detail says why.",
    Code.BRIDGE_AWAY: "The bridge to the broker could not be reached; nothing was sent.",
    Code.BROKER: "The broker or its bridge refused it; the detail has the return code.",
    Code.NOT_DEALT: (
        "Its answer did not come, and the broker's account shows that it was not dealt."
    ),
    Code.UNSETTLED: (
        "Another order of the strategy is with the broker, and nobody knows yet what became of it."
    ),
    Code.ADOPTED: (
        "Nobody's position at the broker is the strategy's from then on, by `adopt`; its result is"
        " counted from the broker's opening price."
    ),
    Code.INTERNAL: "The gateway failed on it; see its log. Nothing was executed.",
}


NO_REFUSALS = frozenset(
    {
        *(Code.FILLED, Code.PARTIAL, Code.ADOPTED),
        *(Code.STOP_LOSS, Code.TAKE_PROFIT, Code.STOP_OUT, Code.MANUAL),
    }
)


def is_refusal(code: object) -> bool:
    """Whether that says why an order was not executed."""
    return isinstance(code, Code) and code not in NO_REFUSALS


class Order(msgspec.Struct, frozen=True):
    """A decision on its way to the gateway.

    Attributes:
        order_id: Made of what caused it, so that the same decision has the same id.
        strategy: Name of the strategy.
        epoch: The spawn of the strategy that sends it.
        symbol: Exact symbol.
        magic: The strategy's number at the broker.
        action: Open a position, or close the one named by `ticket`.
        side: Side of the deal itself: closing a BUY is a SELL.
        lots: Volume.
        tick: The quote it was decided on; a market order fills on it.
        occurrence: The tick's occurrence among equal ones (same time, bid and ask), from 0.
        stop_loss: Price, 0.0: none.
        take_profit: Price, 0.0: none.
        ticket: The position to close; 0 when opening.
        reason: For people: what led to it.
        rate: Price of the quote currency in the account's at that tick; None: not known.
    """

    order_id: str
    strategy: str
    epoch: Epoch
    symbol: str
    magic: Whole
    action: Literal["OPEN", "CLOSE"]
    side: Side
    lots: float
    tick: Tick
    occurrence: Whole = 0
    stop_loss: float = 0.0
    take_profit: float = 0.0
    ticket: Whole = 0
    reason: str = ""
    rate: float | None = None


class Fill(msgspec.Struct, frozen=True):
    """One deal: a position opened, or closed.

    Attributes:
        order_id: The order's; ``<ticket>:stop_loss`` and the like where the book closed it.
        strategy: Name of the strategy.
        symbol: Exact symbol.
        ticket: The position.
        entry: It opened the position (IN) or closed it (OUT).
        side: Side of the deal.
        lots: Volume.
        price: Price of the deal.
        time_us: Event time: that of the tick it filled on.
        code: FILLED, STOP_LOSS, TAKE_PROFIT, STOP_OUT or MANUAL.
        profit: Realised by this deal, in the account's currency, commission not deducted.
        commission: Charged for this deal, in the account's currency, >= 0.
        stop_loss: The position's stop, 0.0: none.
        take_profit: The position's target, 0.0: none.
    """

    order_id: str
    strategy: str
    symbol: str
    ticket: int
    entry: Literal["IN", "OUT"]
    side: Side
    lots: float
    price: float
    time_us: int
    code: Code
    profit: float = 0.0
    commission: float = 0.0
    stop_loss: float = 0.0
    take_profit: float = 0.0


class Charge(msgspec.Struct, frozen=True):
    """What a broker has charged a strategy for one of its deals; on paper there is none.

    It comes after the deal, whose `Fill` stays as it was booked. Amounts are in the account's
    currency.

    Attributes:
        deal: The deal's number at the broker: each is charged once.
        strategy: Name of the strategy.
        ticket: The position.
        time_us: When the deal was, by the broker, us since the epoch.
        commission: With fees; >= 0 is a cost, as in `Fill`.
        swap: As the broker has it: negative is a cost.
    """

    deal: int
    strategy: str
    ticket: int
    time_us: int
    commission: float
    swap: float

    @property
    def made(self) -> float:
        """What it adds to the balance: `swap` - `commission`."""
        return self.swap - self.commission


class Position(msgspec.Struct, frozen=True):
    """An open position as the ledger holds it.

    Attributes:
        ticket: Its number.
        strategy: Whose it is.
        symbol: Exact symbol.
        magic: The strategy's number.
        side: BUY is long, SELL is short.
        lots: Volume.
        open_price: Price of the opening deal.
        open_time_us: Event time of the opening tick.
        stop_loss: Price, 0.0: none.
        take_profit: Price, 0.0: none.
        open_bid: Bid of the opening tick, which names the tick in the stream.
        open_ask: Ask of the opening tick.
        open_occurrence: The opening tick's occurrence among equal ones.
    """

    ticket: int
    strategy: str
    symbol: str
    magic: int
    side: Side
    lots: float
    open_price: float
    open_time_us: int
    stop_loss: float = 0.0
    take_profit: float = 0.0
    open_bid: float = 0.0
    open_ask: float = 0.0
    open_occurrence: int = 0

    @property
    def signed_lots(self) -> float:
        """Volume, negative when short."""
        return self.lots if self.side == "BUY" else -self.lots


def remaining(position: Position, lots: float) -> Position | None:
    """What is left of a position after so many lots of it were closed; None: nothing."""
    left = round(position.lots - lots, 8)
    return msgspec.structs.replace(position, lots=left) if left > 0.0 else None


class OrderResult(msgspec.Struct, frozen=True):
    """The gateway's word on an order, the same however often it is asked.

    Attributes:
        order_id: The order's id.
        status: FILLED, REJECTED (nothing was done), or UNKNOWN (ask again; never send again).
        code: Why.
        detail: For people.
        fill: The deal, where there was one.
        position: The position that it opened, as the ledger has it: with a latency, its opening
            quote is not the one that was decided on.
    """

    order_id: str
    status: Literal["FILLED", "REJECTED", "UNKNOWN"]
    code: Code
    detail: str = ""
    fill: Fill | None = None
    position: Position | None = None


def touched(position: Position, tick: Tick) -> Code | None:
    """Whether a tick ends a position: STOP_LOSS, TAKE_PROFIT or None.

    A BUY is closed at the bid, a SELL at the ask. Where one tick reaches both, the stop counts.
    A crossed quote (ask < bid) is nobody's offer: it reaches no target, but a stop it does.
    Worker and gateway both ask this, each on its own stream, and so agree.
    """
    long = position.side == "BUY"
    price = tick.bid if long else tick.ask
    sign = 1.0 if long else -1.0
    if position.stop_loss and sign * (price - position.stop_loss) <= 0.0:
        return Code.STOP_LOSS
    if position.take_profit and not tick.crossed and sign * (price - position.take_profit) >= 0.0:
        return Code.TAKE_PROFIT
    return None
