"""At which price, for what profit, charge and margin the paper book deals."""

from mt5crs_shared.configuration.structs import PaperConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.storage.ledger_schema import MONEY_DIGITS
from mt5crs_shared.trading.orders import Code, Position, Side


def side_quote(side: Side, tick: Tick) -> float:
    """What a deal of a side is quoted at: ask for a BUY, bid for a SELL."""
    return tick.ask if side == "BUY" else tick.bid


def deal_price(paper: PaperConfig, symbol: SymbolSpec, side: Side, tick: Tick) -> float:
    """Price of a market deal: ask for a BUY, bid for a SELL, slippage against it."""
    slippage = paper.slippage_points * symbol.point
    price = tick.ask + slippage if side == "BUY" else tick.bid - slippage
    return round(price, symbol.digits)


def exit_price(
    paper: PaperConfig, symbol: SymbolSpec, position: Position, tick: Tick, code: Code
) -> float:
    """Price at which a position ends on a tick.

    A target is a limit order: it fills at its own price, never better. Everything else is a
    market order at the tick's closing quote: the gap over a stop is the trader's.
    """
    if code is Code.TAKE_PROFIT:
        return round(position.take_profit, symbol.digits)
    return deal_price(paper, symbol, closing_side(position), tick)


def closing_side(position: Position) -> Side:
    """Side of the deal that closes a position."""
    return "SELL" if position.side == "BUY" else "BUY"


def closing_quote(position: Position, tick: Tick) -> float:
    """The quote that a position is valued at."""
    return tick.bid if position.side == "BUY" else tick.ask


def profit(symbol: SymbolSpec, position: Position, price: float, rate: float) -> float:
    """Profit of closing at a price, in the account's currency.

    Args:
        symbol: The position's symbol.
        position: The position.
        price: Closing price.
        rate: Price of one unit of the quote currency in the account's.
    """
    sign = 1.0 if position.side == "BUY" else -1.0
    moved = (price - position.open_price) * sign
    return rounded(moved * symbol.contract_size * position.lots * rate)


def commission(paper: PaperConfig, lots: float) -> float:
    """Charge of one deal, in the account's currency."""
    return rounded(paper.commission_per_lot * lots)


def margin(paper: PaperConfig, symbol: SymbolSpec, lots: float, price: float, rate: float) -> float:
    """Margin of a position, in the account's currency."""
    return lots * symbol.contract_size * price * rate / paper.leverage * symbol.margin_rate


def rounded(amount: float) -> float:
    """An amount as the ledger keeps it."""
    return round(amount, MONEY_DIGITS)
