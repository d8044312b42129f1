"""From the MetaTrader5 package's structures to the protocol's records: numbers become words."""

import math
from collections.abc import Callable
from typing import Any, Final

from mt5crs_services.mt5_gateway.terminal_records import (
    TerminalAccount,
    TerminalDeal,
    TerminalOrder,
    TerminalPosition,
    TerminalSymbol,
)

ToUtc = Callable[[int], int]
"""From ms of the server's clock to us in UTC; 0 where its zone is not known."""

_TRADE_MODES: Final = ("DEMO", "CONTEST", "REAL")
_MARGIN_MODES: Final = ("NETTING", "EXCHANGE", "HEDGING")
_SIDES: Final = ("BUY", "SELL")
_ENTRIES: Final = ("IN", "OUT", "INOUT", "OUT_BY")
_SYMBOL_MODES: Final = ("DISABLED", "LONGONLY", "SHORTONLY", "CLOSEONLY", "FULL")
_EXECUTIONS: Final = ("REQUEST", "INSTANT", "MARKET", "EXCHANGE")
_FILLING_BITS: Final = ((1, "FOK"), (2, "IOC"), (4, "BOC"))
_ORDER_KINDS: Final = (
    "BUY",
    "SELL",
    "BUY_LIMIT",
    "SELL_LIMIT",
    "BUY_STOP",
    "SELL_STOP",
    "BUY_STOP_LIMIT",
    "SELL_STOP_LIMIT",
    "CLOSE_BY",
)
_ORDER_STATES: Final = (
    "STARTED",
    "PLACED",
    "CANCELED",
    "PARTIAL",
    "FILLED",
    "REJECTED",
    "EXPIRED",
    "REQUEST_ADD",
    "REQUEST_MODIFY",
    "REQUEST_CANCEL",
)
_DEAL_KINDS: Final = (
    "BUY",
    "SELL",
    "BALANCE",
    "CREDIT",
    "CHARGE",
    "CORRECTION",
    "BONUS",
    "COMMISSION",
    "COMMISSION_DAILY",
    "COMMISSION_MONTHLY",
    "COMMISSION_AGENT_DAILY",
    "COMMISSION_AGENT_MONTHLY",
    "INTEREST",
    "BUY_CANCELED",
    "SELL_CANCELED",
    "DIVIDEND",
    "DIVIDEND_FRANKED",
    "TAX",
)
_DEAL_REASONS: Final = (
    "CLIENT",
    "MOBILE",
    "WEB",
    "EXPERT",
    "SL",
    "TP",
    "SO",
    "ROLLOVER",
    "VMARGIN",
    "SPLIT",
)
_SWAP_MODES: Final = (
    "DISABLED",
    "POINTS",
    "CURRENCY_SYMBOL",
    "CURRENCY_MARGIN",
    "CURRENCY_DEPOSIT",
    "INTEREST_CURRENT",
    "INTEREST_OPEN",
    "REOPEN_CURRENT",
    "REOPEN_BID",
)


def _named(names: tuple[str, ...], number: int) -> Any:
    """A constant's name; a number that is none of them stays one."""
    return names[number] if 0 <= number < len(names) else str(number)


def _real(number: float) -> float:
    """A number that others can compute with."""
    return float(number) if math.isfinite(number) else 0.0


def account_record(info: Any) -> TerminalAccount:
    """Of an `AccountInfo`. An unknown trade mode is taken for real money."""
    modes = range(len(_TRADE_MODES))
    return TerminalAccount(
        login=int(info.login),
        server=info.server,
        company=info.company,
        name=info.name,
        trade_mode=_named(_TRADE_MODES, info.trade_mode) if info.trade_mode in modes else "REAL",
        margin_mode=_named(_MARGIN_MODES, min(info.margin_mode, 2)),
        currency=info.currency,
        leverage=int(info.leverage),
        trade_allowed=bool(info.trade_allowed),
        trade_expert=bool(info.trade_expert),
        balance=_real(info.balance),
        credit=_real(info.credit),
        profit=_real(info.profit),
        equity=_real(info.equity),
        margin=_real(info.margin),
        margin_free=_real(info.margin_free),
        margin_level=_real(info.margin_level),
    )


def position_record(position: Any, to_utc: ToUtc) -> TerminalPosition:
    """Of a `TradePosition`."""
    return TerminalPosition(
        ticket=int(position.ticket),
        identifier=int(position.identifier),
        symbol=position.symbol,
        side=_named(_SIDES, position.type),
        lots=_real(position.volume),
        magic=int(position.magic),
        comment=position.comment,
        open_price=_real(position.price_open),
        open_time_us=to_utc(int(position.time_msc)),
        stop_loss=_real(position.sl),
        take_profit=_real(position.tp),
        price=_real(position.price_current),
        profit=_real(position.profit),
        swap=_real(position.swap),
    )


def order_record(order: Any, to_utc: ToUtc) -> TerminalOrder:
    """Of a `TradeOrder`, active or of the history."""
    return TerminalOrder(
        order=int(order.ticket),
        symbol=order.symbol,
        kind=_named(_ORDER_KINDS, order.type),
        state=_named(_ORDER_STATES, order.state),
        magic=int(order.magic),
        comment=order.comment,
        position=int(order.position_id),
        lots=_real(order.volume_initial),
        lots_left=_real(order.volume_current),
        price=_real(order.price_open),
        stop_loss=_real(order.sl),
        take_profit=_real(order.tp),
        time_us=to_utc(int(order.time_setup_msc)),
    )


def deal_record(deal: Any, to_utc: ToUtc) -> TerminalDeal:
    """Of a `TradeDeal`."""
    return TerminalDeal(
        deal=int(deal.ticket),
        order=int(deal.order),
        position=int(deal.position_id),
        symbol=deal.symbol,
        kind=_named(_DEAL_KINDS, deal.type),
        entry=_named(_ENTRIES, deal.entry),
        reason=_named(_DEAL_REASONS, deal.reason),
        lots=_real(deal.volume),
        price=_real(deal.price),
        profit=_real(deal.profit),
        commission=_real(deal.commission),
        swap=_real(deal.swap),
        fee=_real(deal.fee),
        magic=int(deal.magic),
        comment=deal.comment,
        time_us=to_utc(int(deal.time_msc)),
    )


def symbol_record(info: Any, margin: float) -> TerminalSymbol:
    """Of a `SymbolInfo`, and what one lot asks for as margin."""
    return TerminalSymbol(
        name=info.name,
        description=info.description,
        digits=int(info.digits),
        point=_real(info.point),
        contract_size=_real(info.trade_contract_size),
        lot_min=_real(info.volume_min),
        lot_step=_real(info.volume_step),
        lot_max=_real(info.volume_max),
        lot_limit=_real(info.volume_limit),
        base_currency=info.currency_base,
        profit_currency=info.currency_profit,
        margin_currency=info.currency_margin,
        trade_mode=_named(_SYMBOL_MODES, info.trade_mode),
        execution=_named(_EXECUTIONS, info.trade_exemode),
        filling=tuple(name for bit, name in _FILLING_BITS if info.filling_mode & bit),
        stops_level=int(info.trade_stops_level),
        freeze_level=int(info.trade_freeze_level),
        spread=int(info.spread),
        tick_size=_real(info.trade_tick_size),
        tick_value=_real(info.trade_tick_value),
        swap_long=_real(info.swap_long),
        swap_short=_real(info.swap_short),
        swap_mode=_named(_SWAP_MODES, info.swap_mode),
        bid=_real(info.bid),
        ask=_real(info.ask),
        margin=_real(margin),
    )
