"""What a risk rule looks at, and what it says."""

from collections.abc import Callable, Mapping

import msgspec

from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.locks import TradingLock
from mt5crs_shared.trading.orders import Code, Order, Position


class Refusal(msgspec.Struct, frozen=True):
    """Why an order is not executed."""

    code: Code
    detail: str


class Breach(Refusal, frozen=True):
    """A refusal after which a lock holds besides, see `RiskRuleConfig.on_breach`.

    Attributes:
        lock: It is recorded together with the refusal.
    """

    lock: TradingLock


class Proposal(msgspec.Struct, frozen=True):
    """An order at the moment of its execution.

    Attributes:
        order: The order.
        tick: The quote it would fill on.
        symbol: Its symbol.
        held: The strategy's open position.
        before_opening: The quote came before the one that the position was opened on.
        rate: Price of the quote currency in the account's; None: not known.
        needed_margin: Margin that the position would hold, in the account's currency.
        free_margin: Margin that is free, in the account's currency.
        balance: Of a real account; None: it is made of paper.
        obstacle: Which position of another owner a new one would be netted against; empty: none.
        currency: The account's currency.
        max_lots: The strategy's `max_position_size`; None: it does not matter here.
        first_balance: What the account began with.
        exposure: Gives the net lots of all open positions of the account, by currency: one that is
            long in EURUSD counts for EUR, and against USD. Made for the rule that asks.
    """

    order: Order
    tick: Tick
    symbol: SymbolSpec
    held: Position | None = None
    before_opening: bool = False
    rate: float | None = None
    needed_margin: float = 0.0
    free_margin: float = 0.0
    balance: float | None = None
    obstacle: str = ""
    currency: str = ""
    max_lots: float | None = None
    first_balance: float = 0.0
    exposure: Callable[[], Mapping[str, float]] = dict
