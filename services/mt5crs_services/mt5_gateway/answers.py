"""What the Windows gateway answers: see `protocol`."""

from typing import Literal

import msgspec

from mt5crs_services.mt5_gateway.requests import BarTimeframe
from mt5crs_services.mt5_gateway.terminal_records import (
    TerminalAccount,
    TerminalBar,
    TerminalDeal,
    TerminalOrder,
    TerminalPosition,
    TerminalSymbol,
    TerminalTick,
)
from mt5crs_shared.trading.orders import Finite

OrderStatus = Literal["FILLED", "PARTIAL", "REJECTED", "PENDING", "UNKNOWN", "NOT_SEEN"]
"""FILLED: all of it was dealt. PARTIAL: a part was, and no more will be. REJECTED: nothing was, and
nothing will be. PENDING: the broker has it and has not decided. UNKNOWN: nobody can say yet; the
gateway goes on asking the terminal. NOT_SEEN: this journal has no such order: it was not sent."""

FailureCode = Literal[
    "BAD_REQUEST",
    "WRONG_VERSION",
    "NOT_CONNECTED",
    "TERMINAL",
    "WRONG_ACCOUNT",
    "OTHER_JOURNAL",
    "EXPIRED",
    "ID_REUSED",
    "UNSETTLED",
    "UNKNOWN_SYMBOL",
    "CLOCK",
    "JOURNAL",
    "INTERNAL",
]


class TerminalReport(msgspec.Struct, frozen=True, tag="hello", forbid_unknown_fields=True):
    """The gateway, its terminal and the account that it is logged into.

    Attributes:
        gateway: Version of this program.
        journal: Id of the order journal, made with the file; `SendOrder.journal`.
        now_us: The gateway's clock.
        connected: The terminal has a connection to the broker's server.
        trade_allowed: Mt5Terminal, account and server all let programs trade.
        trouble: What is wrong, for people; empty: nothing.
        account: Who is logged in; None: the terminal does not say.
        build: Of the terminal.
        ping_ms: From the terminal to the broker's server.
        server_zone: The rule that its time is made UTC by; empty: not known yet.
        server_offset_s: By how much the server's clock is ahead of UTC now; None: not known yet.
        unsettled: Orders whose fate is not known.
    """

    gateway: str
    journal: str
    now_us: int
    connected: bool
    trade_allowed: bool
    trouble: str = ""
    account: TerminalAccount | None = None
    build: int = 0
    ping_ms: Finite = 0.0
    server_zone: str = ""
    server_offset_s: int | None = None
    unsettled: tuple[str, ...] = ()


class OrderReport(msgspec.Struct, frozen=True, tag="order", forbid_unknown_fields=True):
    """What became of an order: the same however often it is asked, once it is settled.

    Attributes:
        order_id: The client's.
        status: See `OrderStatus`.
        retcode: The broker's return code (10009 and so on); 0: there is none.
        detail: For people.
        symbol: Exact symbol; empty with NOT_SEEN.
        order: The broker's order; 0: none is known.
        deal: The (last) deal; 0: none is known.
        ticket: The position that was opened, or closed.
        lots: Volume that was dealt.
        price: Volume-weighted price of it.
        time_us: Of the (last) deal; 0: none, or the server's clock is not known.
        profit: Realised by its deals.
        commission: Charged for its deals, and fees; negative is a cost, as the broker has it.
        swap: Realised by its deals.
        stop_loss: The position's stop as the broker has it; 0.0: none.
        take_profit: Its target; 0.0: none.
        stops: SET: the position has the stops that were asked for. MISSING: it lacks one. Empty:
            none were asked for, or nobody could look yet.
        attempts: How often it was handed to the broker; more than once after requotes alone.
        found: Its outcome was found in the terminal's books, not in the answer to the order.
        tag: How the broker's books name it; see `order_token`.
        comment: What the broker said.
    """

    order_id: str
    status: OrderStatus
    retcode: int = 0
    detail: str = ""
    symbol: str = ""
    order: int = 0
    deal: int = 0
    ticket: int = 0
    lots: Finite = 0.0
    price: Finite = 0.0
    time_us: int = 0
    profit: Finite = 0.0
    commission: Finite = 0.0
    swap: Finite = 0.0
    stop_loss: Finite = 0.0
    take_profit: Finite = 0.0
    stops: Literal["", "SET", "MISSING"] = ""
    attempts: int = 0
    found: bool = False
    tag: str = ""
    comment: str = ""


class PositionsReport(msgspec.Struct, frozen=True, tag="positions", forbid_unknown_fields=True):
    """Answer to `AskPositions`."""

    login: int
    positions: tuple[TerminalPosition, ...]


class OrdersReport(msgspec.Struct, frozen=True, tag="orders", forbid_unknown_fields=True):
    """Answer to `AskOrders`."""

    login: int
    orders: tuple[TerminalOrder, ...]


class DealsReport(msgspec.Struct, frozen=True, tag="deals", forbid_unknown_fields=True):
    """Answer to `AskDeals`; `more`: ask again from the last one's time on."""

    login: int
    deals: tuple[TerminalDeal, ...]
    more: bool = False


class AccountAnswer(msgspec.Struct, frozen=True, tag="account", forbid_unknown_fields=True):
    """Answer to `AskAccount`."""

    account: TerminalAccount


class SymbolsReport(msgspec.Struct, frozen=True, tag="symbols", forbid_unknown_fields=True):
    """Answer to `AskSymbols`; `unknown`: those that the broker does not have."""

    login: int
    symbols: tuple[TerminalSymbol, ...]
    unknown: tuple[str, ...] = ()


class BarsReport(msgspec.Struct, frozen=True, tag="bars", forbid_unknown_fields=True):
    """Answer to `AskBars`."""

    symbol: str
    timeframe: BarTimeframe
    bars: tuple[TerminalBar, ...]


class TicksReport(msgspec.Struct, frozen=True, tag="ticks", forbid_unknown_fields=True):
    """Answer to `AskTicks`; `more`: there are later ones."""

    symbol: str
    ticks: tuple[TerminalTick, ...]
    more: bool = False


class GatewayFailure(msgspec.Struct, frozen=True, tag="failure", forbid_unknown_fields=True):
    """A request that was not done; nothing was changed by it.

    Attributes:
        code: Which kind.
        what: What is wrong.
        where: Where: a field of the request, or a function of the MetaTrader5 package.
        todo: What to do about it.
    """

    code: FailureCode
    what: str
    where: str = ""
    todo: str = ""


AnyAnswer = (
    TerminalReport
    | OrderReport
    | PositionsReport
    | OrdersReport
    | DealsReport
    | AccountAnswer
    | SymbolsReport
    | BarsReport
    | TicksReport
    | GatewayFailure
)
