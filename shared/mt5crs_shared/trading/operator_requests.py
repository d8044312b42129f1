"""What the operator asks of the gateway; each request may be repeated without harm."""

import msgspec

from mt5crs_shared.trading.locks import TradingLock
from mt5crs_shared.trading.orders import Fill, Position, Whole


class AskTrading(msgspec.Struct, frozen=True, tag=True):
    """What is held back, what is open? Like all that follow, answered with `TradingReport`."""


class Lock(msgspec.Struct, frozen=True, tag=True):
    """Hold orders back from now on; a lock that holds already is left as it is."""

    locks: tuple[TradingLock, ...]


class Unlock(msgspec.Struct, frozen=True, tag=True):
    """Take locks off.

    Attributes:
        owner: Those of this owner alone.
        scopes: Those on these strategies, or on the account.
        who: The user, for people.
    """

    owner: str
    scopes: tuple[str, ...]
    who: str


class ClosePositions(msgspec.Struct, frozen=True, tag=True):
    """Close positions now, whatever is held back.

    Attributes:
        tickets: Which ones.
        who: The user, for people.
    """

    tickets: tuple[Whole, ...]
    who: str


class Settle(msgspec.Struct, frozen=True, tag=True):
    """Say what nobody here can find out: somebody has looked in the terminal.

    Attributes:
        order_id: The order whose fate is not known; or the ticket of a position that the broker
            lists no more; or ``balance``, where one that was not expected is right.
        dealt: Whether anything was dealt.
        who: The user, for people.
        ticket: The position that it has opened; 0: the order names it.
        lots: Volume that was dealt; 0.0: all of it.
        price: Of the deal; 0.0: that of the newest quote.
    """

    order_id: str
    dealt: bool
    who: str
    ticket: Whole = 0
    lots: float = 0.0
    price: float = 0.0


class Adopt(msgspec.Struct, frozen=True, tag=True):
    """Make a position that is nobody's here a strategy's own.

    Attributes:
        ticket: The position.
        strategy: Whose it is to be.
        who: The user, for people.
    """

    ticket: Whole
    strategy: str
    who: str


class Trial(msgspec.Struct, frozen=True):
    """What orders of a strategy would meet just now, tried with the gateway's own rules.

    Attributes:
        strategy: Its name.
        opening: The lock that refuses one that opens, in words; empty: none does.
        closing: The same of one that closes.
    """

    strategy: str
    opening: str
    closing: str


class TradingReport(msgspec.Struct, frozen=True, tag=True):
    """How trading stands, once that is on the disk.

    Attributes:
        locks: Every lock that holds.
        trials: One of each strategy of the configuration.
        former: Strategies that it has no more, and that have deals.
        positions: Every open position.
        closed: By `ClosePositions`, also by an earlier one: the deals that did it.
        kept: By ticket, why a position that was to be closed is not.
        catching_up: Some are kept since the gateway has just begun; it is to be asked again.
        under_way: Some of them the broker has been asked to close, and has not yet.
        refused: Why `Settle` or `Adopt` has changed nothing; empty: it has, or was not asked for.
        foreign: Open positions of the account that are no strategy's here; None: it is not known.
    """

    locks: tuple[TradingLock, ...]
    trials: tuple[Trial, ...]
    former: tuple[str, ...]
    positions: tuple[Position, ...]
    closed: tuple[Fill, ...] = ()
    kept: dict[int, str] = {}
    catching_up: bool = False
    under_way: bool = False
    refused: str = ""
    foreign: tuple[Position, ...] | None = ()


FromOperator = AskTrading | Lock | Unlock | ClosePositions | Settle | Adopt
