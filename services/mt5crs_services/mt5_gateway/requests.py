"""What the Windows gateway is asked: requests of its protocol, see `protocol`."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from mt5crs_shared.market.symbol_spec import Symbol
from mt5crs_shared.trading.orders import Side

MAX_SYMBOLS: Final = 1_000
"""Symbols in one answer."""

MAX_BARS: Final = 100_000
"""Bars in one answer."""

MAX_TICKS: Final = 50_000
"""Ticks in one answer."""

MAX_DEALS: Final = 3_000
"""Deals in one answer: 300 bytes each, and a client takes no more than a megabyte."""

FUTURE_US: Final = 86_400_000_000
"""Deals may be so much newer than this machine's clock says."""

COMMENT_SIZE: Final = 31
"""Characters of a comment at the broker, the order's token included; some keep fewer."""

LONGEST_WHO: Final = 64
"""Characters of a user's name."""

Count = Annotated[int, Meta(ge=0, le=2**53)]
Price = Annotated[float, Meta(ge=0.0, le=1e12)]
OrderId = Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,120}\Z")]
OrderComment = Annotated[str, Meta(pattern=r"^[\x20-\x7e]{0,18}\Z")]
BarTimeframe = Literal["M1", "M5", "M15", "M30", "H1", "H4", "D1"]


class AskTerminal(msgspec.Struct, frozen=True, tag="hello", forbid_unknown_fields=True):
    """Who are you, and to whom are you connected? Answered with `TerminalReport`."""


class SendOrder(msgspec.Struct, frozen=True, tag="send", forbid_unknown_fields=True):
    """Execute a market order once, or give its first result again; answered with `OrderReport`.

    A `GatewayFailure` in answer to it means that nothing was sent to the broker: unless it is
    ID_REUSED, the same id may be sent again. An order with a report is never sent again.

    Attributes:
        order_id: Made by the client, the same for the same decision.
        journal: Of `TerminalReport`: who does not know that the gateway has another journal now
            does not know either what was sent already.
        login: The account it is meant for.
        action: Open a position, or close the one named by `ticket`, or a part of it.
        symbol: Exact symbol.
        side: Of the deal itself.
        lots: Volume.
        magic: The strategy's number; 0 is that of orders by hand, and of nobody's here.
        price: Price that it was decided on; 0.0: none, and any is taken.
        deviation: Points by which a fresh price may be worse than `price`.
        stop_loss: Price; 0.0: none.
        take_profit: Price; 0.0: none.
        ticket: The position to close; 0 when opening.
        comment: For people; it follows the order's token.
        expires_us: Not sent to the broker after this moment of the gateway's clock, us; 0: always.
    """

    order_id: OrderId
    journal: str
    login: Count
    action: Literal["OPEN", "CLOSE"]
    symbol: Symbol
    side: Side
    lots: Annotated[float, Meta(gt=0.0, le=1e6)]
    magic: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    price: Price = 0.0
    deviation: Annotated[int, Meta(ge=0, le=100_000)] = 10
    stop_loss: Price = 0.0
    take_profit: Price = 0.0
    ticket: Count = 0
    comment: OrderComment = ""
    expires_us: Count = 0


class AskOrder(msgspec.Struct, frozen=True, tag="query", forbid_unknown_fields=True):
    """What became of an order? Answered with `OrderReport`; never executes it."""

    order_id: OrderId


class SettleOrder(
    msgspec.Struct, frozen=True, tag="settle", forbid_unknown_fields=True, omit_defaults=True
):
    """The operator's word on an order that the gateway cannot settle; `OrderReport`.

    One that is settled already, or stands in the terminal's books, is what they say.

    Attributes:
        order_id: The client's.
        broker_order: The broker's number of it, by the terminal's history; 0: it is not known, or
            the order was not executed.
        who: The user, for people.
        lots: Volume that was dealt, where the books do not show it; 0.0: nothing was, or the
            number says it.
        price: Of that deal; 0.0: it is not known.
        ticket: The position of that deal; 0: it is not known.
    """

    order_id: OrderId
    broker_order: Count
    who: Annotated[str, Meta(max_length=LONGEST_WHO)]
    lots: Annotated[float, Meta(ge=0.0, le=1e6)] = 0.0
    price: Price = 0.0
    ticket: Count = 0


class AskPositions(msgspec.Struct, frozen=True, tag="positions", forbid_unknown_fields=True):
    """Every open position of the account, also those of other programs; `PositionsReport`."""


class AskOrders(msgspec.Struct, frozen=True, tag="orders", forbid_unknown_fields=True):
    """Every order that waits at the broker, also those of other programs; `OrdersReport`."""


class AskDeals(msgspec.Struct, frozen=True, tag="deals", forbid_unknown_fields=True):
    """Deals and changes of the balance, the oldest first; `DealsReport`.

    Attributes:
        since_us: From this moment on.
        position: Of this position alone; 0: of all.
    """

    since_us: Count = 0
    position: Count = 0


class AskAccount(msgspec.Struct, frozen=True, tag="account", forbid_unknown_fields=True):
    """The account's money; `AccountAnswer`."""


class AskSymbols(msgspec.Struct, frozen=True, tag="symbols", forbid_unknown_fields=True):
    """What the broker says of symbols; `SymbolsReport`.

    Attributes:
        names: Exact symbols; none: those of the terminal's Market Watch.
    """

    names: Annotated[tuple[Symbol, ...], Meta(max_length=MAX_SYMBOLS)] = ()


class AskBars(msgspec.Struct, frozen=True, tag="bars", forbid_unknown_fields=True):
    """Closed bars, the oldest first; `BarsReport`.

    Attributes:
        symbol: Exact symbol.
        timeframe: Of the bars.
        count: So many of the newest ones.
        before_us: Only bars that had closed by this moment; 0: by now.
    """

    symbol: Symbol
    timeframe: BarTimeframe
    count: Annotated[int, Meta(ge=1, le=MAX_BARS)]
    before_us: Count = 0


class AskTicks(msgspec.Struct, frozen=True, tag="ticks", forbid_unknown_fields=True):
    """Ticks of the terminal's history, the oldest first; `TicksReport`.

    Attributes:
        symbol: Exact symbol.
        since_us: From this moment on.
        until_us: Up to this moment, without it; 0: up to now.
        count: At most so many.
        skip: So many of those at exactly `since_us` are known already.
    """

    symbol: Symbol
    since_us: Count
    until_us: Count = 0
    count: Annotated[int, Meta(ge=1, le=MAX_TICKS)] = MAX_TICKS
    skip: Annotated[int, Meta(ge=0, le=MAX_TICKS)] = 0


AnyRequest = (
    AskTerminal
    | SendOrder
    | AskOrder
    | SettleOrder
    | AskPositions
    | AskOrders
    | AskDeals
    | AskAccount
    | AskSymbols
    | AskBars
    | AskTicks
)
