"""The deals of the paper book, made of orders, positions and ticks."""

from collections.abc import Mapping

from mt5crs_services.gateway.brokers import fills, pricing
from mt5crs_services.gateway.ledger.account import POSITIONS, parts_of
from mt5crs_shared.configuration.structs import PaperConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Code, Fill, Order, Position


class Tickets:
    """Tickets of positions: a strategy's magic number, then its count.

    They depend on the strategy's own deals alone, so that two runs give the same ones however
    their strategies took turns.

    Args:
        numbers: The number of the last position of each magic number.
    """

    def __init__(self, numbers: Mapping[int, int]) -> None:
        self._numbers = dict(numbers)

    def following(self, magic: int) -> int:
        """The ticket of the next position."""
        return magic * POSITIONS + self._numbers.get(magic, 0) + 1

    def taken(self, ticket: int) -> None:
        """A position has this ticket."""
        magic, number = parts_of(ticket)
        self._numbers[magic] = max(self._numbers.get(magic, 0), number)


def opening(paper: PaperConfig, symbol: SymbolSpec, order: Order, tick: Tick, ticket: int) -> Fill:
    """The deal by which an order opens a position on a tick."""
    price = pricing.deal_price(paper, symbol, order.side, tick)
    commission = pricing.commission(paper, order.lots)
    return fills.opening_fill(order, ticket, order.lots, price, tick.time_us, commission)


def closing(
    paper: PaperConfig,
    symbol: SymbolSpec,
    position: Position,
    order_id: str,
    tick: Tick,
    code: Code,
    rate: float,
) -> Fill:
    """The deal that closes a position on a tick.

    Args:
        paper: The book's frictions.
        symbol: The position's symbol.
        position: The position.
        order_id: The order's, or the book's own.
        tick: The tick it ends on.
        code: FILLED by an order, or why the book ends it.
        rate: Price of one unit of the quote currency in the account's.
    """
    price = pricing.exit_price(paper, symbol, position, tick, code)
    profit = pricing.profit(symbol, position, price, rate)
    commission = pricing.commission(paper, position.lots)
    return fills.closing_fill(
        position, order_id, position.lots, price, tick.time_us, code, profit, commission
    )
