"""The deals of the paper book, made of orders, positions and ticks."""

from collections.abc import Mapping

from mt5crs_services.gateway.brokers import pricing
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
    return Fill(
        order_id=order.order_id,
        strategy=order.strategy,
        symbol=order.symbol,
        ticket=ticket,
        entry="IN",
        side=order.side,
        lots=order.lots,
        price=pricing.deal_price(paper, symbol, order.side, tick),
        time_us=tick.time_us,
        code=Code.FILLED,
        commission=pricing.commission(paper, order.lots),
        stop_loss=order.stop_loss,
        take_profit=order.take_profit,
    )


def position_of(order: Order, fill: Fill, tick: Tick, occurrence: int) -> Position:
    """The position that a deal has opened on a tick."""
    return Position(
        ticket=fill.ticket,
        strategy=order.strategy,
        symbol=order.symbol,
        magic=order.magic,
        side=order.side,
        lots=order.lots,
        open_price=fill.price,
        open_time_us=tick.time_us,
        stop_loss=order.stop_loss,
        take_profit=order.take_profit,
        open_bid=tick.bid,
        open_ask=tick.ask,
        open_occurrence=occurrence,
    )


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
    return Fill(
        order_id=order_id,
        strategy=position.strategy,
        symbol=position.symbol,
        ticket=position.ticket,
        entry="OUT",
        side=pricing.closing_side(position),
        lots=position.lots,
        price=price,
        time_us=tick.time_us,
        code=code,
        profit=pricing.profit(symbol, position, price, rate),
        commission=pricing.commission(paper, position.lots),
        stop_loss=position.stop_loss,
        take_profit=position.take_profit,
    )
