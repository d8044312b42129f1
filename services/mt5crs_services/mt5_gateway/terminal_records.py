"""What the terminal's books hold, in the protocol's words: UTC, lots, BUY and SELL."""

from typing import Literal

import msgspec

from mt5crs_shared.trading.orders import Finite, Side

TradeMode = Literal["DEMO", "CONTEST", "REAL"]
MarginMode = Literal["NETTING", "EXCHANGE", "HEDGING"]


class TerminalAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The account that the terminal is logged into.

    Attributes:
        login: Its number.
        server: The broker's server.
        company: The broker.
        name: The holder.
        trade_mode: Whether the money is real.
        margin_mode: NETTING and EXCHANGE hold one position a symbol, HEDGING one an order.
        currency: Of every amount.
        leverage: Of the account.
        trade_allowed: The account may trade.
        trade_expert: Programs may trade on it.
        balance: Without open positions.
        credit: Of the broker.
        profit: Of open positions.
        equity: Balance, credit and profit.
        margin: Held by open positions.
        margin_free: What is left of equity.
        margin_level: Equity in percent of margin; 0.0: no margin is held.
    """

    login: int
    server: str
    company: str
    name: str
    trade_mode: TradeMode
    margin_mode: MarginMode
    currency: str
    leverage: int
    trade_allowed: bool
    trade_expert: bool
    balance: Finite
    credit: Finite
    profit: Finite
    equity: Finite
    margin: Finite
    margin_free: Finite
    margin_level: Finite


class TerminalPosition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An open position.

    Attributes:
        ticket: Its number.
        identifier: The number that its deals name it by; it outlives changes of the ticket.
        symbol: Exact symbol.
        side: BUY is long, SELL is short.
        lots: Volume.
        magic: Of the order that opened it.
        comment: Of the same.
        open_price: Price.
        open_time_us: When it was opened; 0: the server's clock is not known yet.
        stop_loss: Price; 0.0: none.
        take_profit: Price; 0.0: none.
        price: At which it would be closed now.
        profit: Of it now, without swap.
        swap: Charged for nights; negative is a cost.
    """

    ticket: int
    identifier: int
    symbol: str
    side: Side
    lots: Finite
    magic: int
    comment: str
    open_price: Finite
    open_time_us: int
    stop_loss: Finite
    take_profit: Finite
    price: Finite
    profit: Finite
    swap: Finite


class TerminalOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order at the broker, or of its history.

    Attributes:
        order: Its number.
        symbol: Exact symbol.
        kind: As in ORDER_TYPE_..., such as BUY or SELL_LIMIT.
        state: As in ORDER_STATE_..., such as PLACED, FILLED, REJECTED.
        magic: Of who sent it.
        comment: Of the same.
        position: The position it belongs to; 0: none yet.
        lots: Volume that was asked for.
        lots_left: Volume that is not dealt.
        price: Asked for.
        stop_loss: Price; 0.0: none.
        take_profit: Price; 0.0: none.
        time_us: When it came; 0: the server's clock is not known yet.
    """

    order: int
    symbol: str
    kind: str
    state: str
    magic: int
    comment: str
    position: int
    lots: Finite
    lots_left: Finite
    price: Finite
    stop_loss: Finite
    take_profit: Finite
    time_us: int


class TerminalDeal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A deal, or a change of the balance.

    Attributes:
        deal: Its number.
        order: The order that led to it; 0: none.
        position: The position's identifier; 0: none.
        symbol: Exact symbol; empty: a change of the balance.
        kind: As in DEAL_TYPE_..., such as BUY, SELL, BALANCE, CREDIT.
        entry: IN opened or added, OUT closed or reduced, INOUT turned a position around, OUT_BY
            closed it by another one.
        reason: As in DEAL_REASON_..., such as EXPERT, CLIENT, SL, TP, SO.
        lots: Volume.
        price: Of the deal.
        profit: Realised by it, without what follows.
        commission: Negative is a cost.
        swap: Realised by it; negative is a cost.
        fee: Negative is a cost.
        magic: Of the order.
        comment: Of the order; brokers write their own, such as [sl 1.1], where they close.
        time_us: When it was.
    """

    deal: int
    order: int
    position: int
    symbol: str
    kind: str
    entry: Literal["IN", "OUT", "INOUT", "OUT_BY"]
    reason: str
    lots: Finite
    price: Finite
    profit: Finite
    commission: Finite
    swap: Finite
    fee: Finite
    magic: int
    comment: str
    time_us: int


class TerminalSymbol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the broker says of a symbol.

    Attributes:
        name: Exact symbol.
        description: For people.
        digits: Decimal digits of a price.
        point: The last of them.
        contract_size: Units of the base in one lot.
        lot_min: Smallest volume.
        lot_step: Volume step.
        lot_max: Largest volume of an order.
        lot_limit: Most that may be open on one side; 0.0: no limit.
        base_currency: Of the contract.
        profit_currency: Of price and profit.
        margin_currency: Of the margin.
        trade_mode: DISABLED, LONGONLY, SHORTONLY, CLOSEONLY or FULL.
        execution: REQUEST, INSTANT, MARKET or EXCHANGE.
        filling: What the broker allows of FOK, IOC, BOC; RETURN is always there but with MARKET.
        stops_level: Points that stops must be away from the price.
        freeze_level: Points from the price within which nothing is changed.
        spread: Now, in points.
        tick_size: Smallest change of the price.
        tick_value: What that is worth for one lot, in the account's currency.
        swap_long: As the broker has it; its unit is `swap_mode`'s.
        swap_short: The same.
        swap_mode: As in SYMBOL_SWAP_MODE_....
        bid: Now; 0.0: none.
        ask: Now; 0.0: none.
        margin: Margin of one lot bought now, in the account's currency; 0.0: not known.
    """

    name: str
    description: str
    digits: int
    point: Finite
    contract_size: Finite
    lot_min: Finite
    lot_step: Finite
    lot_max: Finite
    lot_limit: Finite
    base_currency: str
    profit_currency: str
    margin_currency: str
    trade_mode: str
    execution: str
    filling: tuple[str, ...]
    stops_level: int
    freeze_level: int
    spread: int
    tick_size: Finite
    tick_value: Finite
    swap_long: Finite
    swap_short: Finite
    swap_mode: str
    bid: Finite
    ask: Finite
    margin: Finite


class TerminalBar(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A closed bar; its prices are bids.

    Attributes:
        time_us: Its beginning.
        open: First price.
        high: Highest.
        low: Lowest.
        close: Last price.
        ticks: How many there were.
        spread: In points.
        volume: Traded at an exchange; 0 elsewhere.
    """

    time_us: int
    open: Finite
    high: Finite
    low: Finite
    close: Finite
    ticks: int
    spread: int
    volume: int


class TerminalTick(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A tick of the terminal's history.

    Attributes:
        time_us: When it was, to the ms.
        bid: Best bid.
        ask: Best ask.
        last: Last deal at an exchange; 0.0: none.
        volume: Of that deal.
    """

    time_us: int
    bid: Finite
    ask: Finite
    last: Finite
    volume: Finite
