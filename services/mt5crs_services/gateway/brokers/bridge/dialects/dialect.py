"""What a dialect has to be able to say and read, and the values that it says them in."""

import enum
import math
from typing import Annotated, Any, Protocol, TypeVar, runtime_checkable

import msgspec
from msgspec import Meta

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.trading.orders import Side

T = TypeVar("T")

SHOWN = 160
"""Characters of an answer that are shown to people."""

MOST_POSITIONS = 5_000
"""An answer with more positions than that is none."""


class BadReplyError(Mt5crsError):
    """A bridge's answer says nothing that can be used. The order's fate stays what it was."""


class Closing(enum.Enum):
    """How a bridge closes a position.

    BY_TICKET: it is named. BY_OPPOSITE_DEAL: a deal of the other side is made, which closes it on
    a netting account, and on a hedging account opens another position.
    """

    BY_TICKET = enum.auto()
    BY_OPPOSITE_DEAL = enum.auto()


class DealVerdict(enum.Enum):
    """What a bridge's answer means for an order.

    DONE: it was dealt, or a part of it. PLACED: the broker has it, and has not dealt. RETRY:
    nothing was dealt, and with another price it may be. REFUSED: nothing was, and nothing will be.
    DENIED: the bridge says no, in words that do not tell whether it had asked the broker; a look
    at the positions tells. UNKNOWN: the answer does not tell, and it may still be dealt.
    """

    DONE = enum.auto()
    PLACED = enum.auto()
    RETRY = enum.auto()
    REFUSED = enum.auto()
    DENIED = enum.auto()
    UNKNOWN = enum.auto()


class Instruction(msgspec.Struct, frozen=True):
    """What is to be dealt.

    Attributes:
        request_id: Names this one attempt; for dialects that repeat it in their answer.
        symbol: Exact symbol.
        side: Side of the deal itself: closing a BUY is a SELL.
        lots: Volume.
        magic: The strategy's number at the broker.
        comment: Names the order, at most 31 characters.
        price: The newest quote for that side.
        stop_loss: Price, 0.0: none.
        take_profit: Price, 0.0: none.
        ticket: The position to close; 0: one is opened.
    """

    request_id: str
    symbol: str
    side: Side
    lots: float
    magic: int
    comment: str
    price: float
    stop_loss: float = 0.0
    take_profit: float = 0.0
    ticket: int = 0


class DealWord(msgspec.Struct, frozen=True):
    """A bridge's word on an order.

    Attributes:
        verdict: What it means.
        ticket: The position, or the order at the broker; 0: it does not say.
        lots: Volume that was dealt; 0.0: it does not say.
        price: Price of the deal; 0.0: it does not say.
        detail: For people: why not.
        profit: Realised by it, in the account's currency; None: it does not say.
    """

    verdict: DealVerdict
    ticket: int = 0
    lots: float = 0.0
    price: float = 0.0
    detail: str = ""
    profit: float | None = None


class FarPosition(msgspec.Struct, frozen=True):
    """A position as a bridge lists it.

    Attributes:
        ticket: Its number.
        symbol: Exact symbol.
        side: BUY is long, SELL is short.
        lots: Volume.
        open_price: Price of its opening; 0.0: not said.
        stop_loss: 0.0: none; None: not said.
        take_profit: 0.0: none; None: not said.
        magic: None: not said.
        comment: None: not said.
    """

    ticket: int
    symbol: str
    side: Side
    lots: float
    open_price: float = 0.0
    stop_loss: float | None = None
    take_profit: float | None = None
    magic: int | None = None
    comment: str | None = None


class FarAccount(msgspec.Struct, frozen=True):
    """The account as a bridge reports it, amounts in its currency.

    Attributes:
        balance: Without floating profit.
        equity: With it.
        margin: That is held.
        free_margin: That is not.
        currency: Its code; empty: not said.
        login: Its number; 0: not said.
        server: The broker's server; empty: not said.
        demo: Whether it is one without money; None: not said.
        netting: It holds one position a symbol; None: not said.
    """

    balance: float
    equity: float
    margin: float
    free_margin: float
    currency: str = ""
    login: int = 0
    server: str = ""
    demo: bool | None = None
    netting: bool | None = None


class FarDeal(msgspec.Struct, frozen=True):
    """A deal of the account, or a change of its balance; amounts in its currency, costs negative.

    Attributes:
        number: Its number; later ones are higher.
        time_us: When it was.
        trade: It is a deal in a symbol; otherwise `kind` says what it is.
        kind: In the broker's words.
        position: Ticket of the position that it opened, changed or closed; 0: none.
        magic: Of its order.
        profit: Realised by it, or what was paid in or out.
        commission: With fees.
        swap: Realised by it.
        entry: Of a deal in a symbol: IN, OUT, INOUT or OUT_BY.
        reason: In the broker's words, such as EXPERT, CLIENT, SL, TP, SO.
        lots: Volume.
        price: Of the deal.
        comment: Of its order; brokers write their own where they close.
    """

    number: int
    time_us: int
    trade: bool
    kind: str
    position: int
    magic: int
    profit: float
    commission: float
    swap: float
    entry: str = ""
    reason: str = ""
    lots: float = 0.0
    price: float = 0.0
    comment: str = ""


class Dialect(Protocol):
    """One way to speak to a bridge. Every `read_...` raises :class:`BadReplyError`."""

    name: str
    """As the configuration has it."""

    closing: Closing
    """How it closes a position."""

    shows_account: bool
    """It can be asked what the account has, and which positions are open."""

    drops_stops: bool
    """Stop and target do not reach the broker, or nobody could see that it acted on them: the
    gateway guards the positions itself."""

    def ping(self) -> bytes:
        """A question that cannot trade."""

    def order(self, instruction: Instruction) -> bytes:
        """The request that deals."""

    def positions(self) -> bytes:
        """The question which positions are open; only where it `shows_account`."""

    def account(self) -> bytes:
        """The question what the account holds; only where it `shows_account`."""

    def read_ping(self, body: bytes) -> None:
        """See that an answer to `ping` is one of this dialect."""

    def read_order(self, body: bytes, instruction: Instruction) -> DealWord:
        """What became of an order."""

    def read_positions(self, body: bytes) -> list[FarPosition]:
        """Every open position of the account."""

    def read_account(self, body: bytes) -> FarAccount:
        """What the account holds."""


@runtime_checkable
class TellsDeals(Protocol):
    """What a dialect can besides that tells an account's deals."""

    def deals(self, since_us: int) -> bytes:
        """The question which deals there were since a moment."""

    def read_deals(self, body: bytes) -> list[FarDeal]:
        """Those deals, or the oldest of them."""


class HandFate(msgspec.Struct, frozen=True):
    """What somebody says has become of an order.

    Attributes:
        order_id: The order.
        comment: As in `Instruction`.
        who: Says so.
        ticket: The position; 0: nothing was dealt.
        lots: Volume that was dealt; 0.0: nothing was.
        price: Of the deal; 0.0: nothing was dealt.
    """

    order_id: str
    comment: str
    who: str
    ticket: int = 0
    lots: float = 0.0
    price: float = 0.0


class SettledFate(msgspec.Struct, frozen=True):
    """What a bridge holds for an order's fate, once it was told what people say.

    Attributes:
        dealt: Whether something was; None: it has never seen that order.
    """

    dealt: bool | None


@runtime_checkable
class TellsFates(Protocol):
    """What a dialect can besides whose bridge remembers orders and looks for them itself."""

    def fate(self, instruction: Instruction) -> bytes:
        """The question what became of an order; it is not executed by that."""

    def read_fate(self, body: bytes, instruction: Instruction) -> DealWord | None:
        """What became of it; None: it has never come there."""

    def settle(self, fate: HandFate) -> bytes:
        """What people say has become of an order."""

    def read_settle(self, body: bytes) -> SettledFate | None:
        """What the bridge knows of that order from now on; None: not yet, tell it again."""


class BlindDialect:
    """What is the same in every dialect that cannot be asked what the account has."""

    name: str
    shows_account = False
    drops_stops = True

    def positions(self) -> bytes:
        """See `Dialect.positions`."""
        raise NotImplementedError(f"the dialect {self.name} lists no positions")

    def account(self) -> bytes:
        """See `Dialect.account`."""
        raise NotImplementedError(f"the dialect {self.name} does not tell the account")

    def read_positions(self, body: bytes) -> list[FarPosition]:
        """See `Dialect.read_positions`."""
        raise BadReplyError(f"the dialect {self.name} lists no positions")

    def read_account(self, body: bytes) -> FarAccount:
        """See `Dialect.read_account`."""
        raise BadReplyError(f"the dialect {self.name} does not tell the account")


Ticket = Annotated[int, Meta(ge=0, le=2**63 - 1)]


def read_json(body: bytes, kind: type[T]) -> T:
    """An answer, as what it ought to be.

    Raises:
        BadReplyError: It is not.
    """
    try:
        # Bridges in MQL send a C string, with its end.
        return msgspec.json.decode(body.rstrip(b"\x00 \r\n"), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadReplyError(f"the bridge answered {quoted(body)}: {error}") from error


def quoted(body: bytes) -> str:
    """The beginning of an answer, for people."""
    return repr(body[:SHOWN]) + ("..." if len(body) > SHOWN else "")


def to_json(request: dict[str, Any]) -> bytes:
    """A request as every dialect sends it."""
    return msgspec.json.encode(request)


def side_of(said: object) -> Side:
    """Which side a list of positions means.

    Raises:
        BadReplyError: None that can be told.
    """
    # 0 and 1 are POSITION_TYPE_BUY and POSITION_TYPE_SELL of MQL5.
    word = str(said).upper().removeprefix("POSITION_TYPE_").removeprefix("OP_")
    if word in ("BUY", "LONG", "0"):
        return "BUY"
    if word in ("SELL", "SHORT", "1"):
        return "SELL"
    raise BadReplyError(f"a position's side is {said!r}, and BUY or SELL was expected")


def check_symbol(said: str, instruction: Instruction) -> None:
    """See that an answer is for the symbol of its order; one that names none is.

    Raises:
        BadReplyError: It is not.
    """
    if said not in ("", instruction.symbol):
        raise BadReplyError(f"an order in {instruction.symbol} was answered for {said}")


def dealt_word(ticket: int, lots: float, price: float, instruction: Instruction) -> DealWord:
    """An answer that says "filled", looked at: a deal has a ticket and a price.

    Bridges are known that say so of orders that were refused, with a ticket of 0 or a price of 0.
    """
    if ticket <= 0 or not price > 0.0:
        return DealWord(
            DealVerdict.UNKNOWN,
            detail=f"the bridge said that it was filled, with ticket {ticket} and price {price:g}",
        )
    if lots < 0.0 or not math.isfinite(lots) or lots > instruction.lots * (1 + 1e-9):
        detail = f"the bridge said that {lots:g} of {instruction.lots:g} lots were filled"
        return DealWord(DealVerdict.UNKNOWN, ticket, detail=detail)
    return DealWord(DealVerdict.DONE, ticket, lots, price)
