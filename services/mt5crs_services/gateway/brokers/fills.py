"""Deals and positions, made of orders and prices; the same for every broker."""

from mt5crs_services.gateway.brokers import pricing
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Code, Fill, Order, Position


def opening_fill(
    order: Order, ticket: int, lots: float, price: float, time_us: int, commission: float = 0.0
) -> Fill:
    """The deal by which an order has opened a position."""
    return Fill(
        order_id=order.order_id,
        strategy=order.strategy,
        symbol=order.symbol,
        ticket=ticket,
        entry="IN",
        side=order.side,
        lots=lots,
        price=price,
        time_us=time_us,
        code=Code.FILLED,
        commission=commission,
        stop_loss=order.stop_loss,
        take_profit=order.take_profit,
    )


def closing_fill(
    position: Position,
    order_id: str,
    lots: float,
    price: float,
    time_us: int,
    code: Code,
    profit: float,
    commission: float = 0.0,
) -> Fill:
    """The deal by which a position, or a part of it, was closed."""
    return Fill(
        order_id=order_id,
        strategy=position.strategy,
        symbol=position.symbol,
        ticket=position.ticket,
        entry="OUT",
        side=pricing.closing_side(position),
        lots=lots,
        price=price,
        time_us=time_us,
        code=code,
        profit=profit,
        commission=commission,
        stop_loss=position.stop_loss,
        take_profit=position.take_profit,
    )


def position_of(order: Order, fill: Fill, tick: Tick, occurrence: int = 0) -> Position:
    """The position that a deal has opened on a tick."""
    return Position(
        ticket=fill.ticket,
        strategy=order.strategy,
        symbol=order.symbol,
        magic=order.magic,
        side=order.side,
        lots=fill.lots,
        open_price=fill.price,
        open_time_us=tick.time_us,
        stop_loss=order.stop_loss,
        take_profit=order.take_profit,
        open_bid=tick.bid,
        open_ask=tick.ask,
        open_occurrence=occurrence,
    )
