"""The deals of a bridge, made of orders, what the bridge says of them, and the own quotes."""

from uuid import uuid4

import msgspec

from mt5crs_services.gateway.broker import Dealt
from mt5crs_services.gateway.brokers import fills, pricing
from mt5crs_services.gateway.brokers.bridge.account.closings import Ended, own_id, profit_at
from mt5crs_services.gateway.brokers.bridge.account.evidence import SAME_LOTS, Comments
from mt5crs_services.gateway.brokers.bridge.account.told_deals import OrderDeals
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarPosition, Instruction
from mt5crs_services.gateway.brokers.bridge.orders.sent_order import SentOrder
from mt5crs_services.gateway.brokers.holdings import Holdings
from mt5crs_services.gateway.brokers.valuation import Valuation
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_services.gateway.quotes.market import Market
from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Code, Order, Position, remaining

FAR_OFF = 0.2
"""Share of the newest quote by which a price that is typed in may differ from it."""


class DealMaker:
    """Makes deals of what a bridge says.

    A deal's event time is that of the newest quote of the own stream: the broker's own clock is
    another one.

    Args:
        market: The gateway's own streams.
        valuation: Rates.
        holdings: The open positions.
        comments: Names the orders.
    """

    def __init__(
        self, market: Market, valuation: Valuation, holdings: Holdings, comments: Comments
    ) -> None:
        self._comments = comments
        self._market = market
        self._valuation = valuation
        self._holdings = holdings

    def quote(self, order: Order) -> Tick:
        """The newest quote of an order's symbol, and at least its own."""
        newest = self._market.symbols[order.symbol].quote
        return newest if newest is not None and newest.time_us > order.tick.time_us else order.tick

    def price(self, order: Order) -> float:
        """What the newest quote asks of an order."""
        return pricing.side_quote(order.side, self.quote(order))

    def moved(self, order: Order) -> float:
        """How far the price has gone against an order since it was decided, in points."""
        decided = pricing.side_quote(order.side, order.tick)
        sign = 1.0 if order.side == "BUY" else -1.0
        return sign * (self.price(order) - decided) / self._market.symbols[order.symbol].spec.point

    def instruction(self, order: Order) -> Instruction:
        """What a bridge is told, at this moment's price."""
        held = self.held_by(order)
        # Somebody may have closed a part of it by hand.
        lots = min(order.lots, held.position.lots) if held is not None else order.lots
        return instruction_of(order, self._comments.of(order.order_id), lots, self.price(order))

    def of(self, sent: SentOrder, deal: OrderDeals) -> list[Dealt]:
        """The deals of an order that was dealt; none where its position is not open any more."""
        order = sent.order
        if sent.stray is not None:
            part = min(deal.lots or sent.stray.lots, sent.stray.lots)
            return self._stray(sent, msgspec.structs.replace(sent.stray, lots=part), deal)
        if order.action == "OPEN":
            return [self.opened(order, deal.ticket, deal.lots, deal.price)]
        held = self.held_by(order)
        return [self.closed(order, held, deal, sent.code, sent.reason)] if held is not None else []

    def _stray(self, sent: SentOrder, stray: FarPosition, deal: OrderDeals) -> list[Dealt]:
        """The two deals of a position that is in no ledger: that it was opened, and closed."""
        opened, held = self._stray_opened(sent.order, stray)
        closed = self.closed(sent.order, held, deal, sent.code, sent.reason)
        # It never is anybody's position: both at once.
        return [msgspec.structs.replace(opened, held=None, reason=sent.reason), closed]

    def _stray_opened(self, order: Order, stray: FarPosition) -> tuple[Dealt, OpenPosition]:
        opening = msgspec.structs.replace(
            order,
            order_id=f"{order.order_id}:opened",
            side=stray.side,
            lots=stray.lots,
            action="OPEN",
        )
        opened = self.opened(opening, stray.ticket, stray.lots, stray.open_price)
        assert opened.held is not None
        return opened, opened.held

    def opened(self, order: Order, ticket: int, lots: float, price: float) -> Dealt:
        """The deal that has opened a position.

        Args:
            order: The order.
            ticket: The position.
            lots: What was dealt; 0.0: all of it.
            price: Of the deal; 0.0: the bridge does not say, and the quote stands in.
        """
        quote, market = self.quote(order), self._market.symbols[order.symbol]
        dealt = lots or order.lots
        rate = self._valuation.rate(market, quote, order.rate) or order.rate or 0.0
        at = price or self.price(order)
        fill = fills.opening_fill(order, ticket, dealt, at, quote.time_us)
        position = fills.position_of(order, fill, quote)
        return Dealt(fill, OpenPosition(position, quote, rate, seen=market.count))

    def adopted(
        self, found: FarPosition, strategy: StrategyConfig, quote: Tick, reason: str
    ) -> Dealt:
        """The deal that makes a position which was nobody's here a strategy's own.

        Args:
            found: The position.
            strategy: Whose it is to be.
            quote: The newest of its symbol.
            reason: For people.
        """
        order = Order(
            order_id=f"{found.ticket}:{found.lots:g}:{uuid4().hex[:8]}:adopted",
            strategy=strategy.name,
            epoch=0,
            symbol=found.symbol,
            magic=strategy.magic_number,
            action="OPEN",
            side=found.side,
            lots=found.lots,
            tick=quote,
            stop_loss=found.stop_loss or 0.0,
            take_profit=found.take_profit or 0.0,
            reason=reason,
        )
        dealt = self.opened(order, found.ticket, found.lots, found.open_price)
        fill = msgspec.structs.replace(dealt.fill, code=Code.ADOPTED)
        return msgspec.structs.replace(dealt, fill=fill, reason=reason)

    def closed(
        self, order: Order, held: OpenPosition, deal: OrderDeals, code: Code, reason: str
    ) -> Dealt:
        """The deal by which an order has closed a position, or a part of it.

        Where the broker does not say what it has made, that is made out at the own rate.
        """
        quote, market = self.quote(order), self._market.symbols[order.symbol]
        position = held.position
        dealt = min(deal.lots or order.lots, position.lots)
        at = deal.price or self.price(order)
        rate = self._valuation.rate(market, quote, order.rate, held.rate) or held.rate
        profit = profit_at(market.spec, position, dealt, at, rate)
        if deal.profit is not None and abs(dealt - deal.lots) <= SAME_LOTS:
            profit = round(deal.profit, 2)
        fill = fills.closing_fill(position, order.order_id, dealt, at, quote.time_us, code, profit)
        return Dealt(fill, rest_of(held, dealt), reason=reason)

    def ended(self, held: OpenPosition, lots: float) -> Ended:
        """A position that the broker has no more, estimated at the newest quote."""
        position = held.position
        market = self._market.symbols[position.symbol]
        quote = market.quote or held.opening
        return Ended(
            held=held,
            lots=lots,
            spec=market.spec,
            estimate=pricing.closing_quote(position, quote),
            rate=self._valuation.rate(market, quote) or held.rate,
            time_us=max(quote.time_us, position.open_time_us),
        )

    def stray_ended(self, order: Order, stray: FarPosition) -> Ended:
        """A position that is in no ledger, closed by an order; see `ended`."""
        return self.ended(self._stray_opened(order, stray)[1], stray.lots)

    def closing_order(self, position: Position, code: Code, reason: str = "") -> Order:
        """The gateway's own order that closes a position."""
        symbol, price = position.symbol, position.open_price
        bid, ask = position.open_bid or price, position.open_ask or price
        opening = Tick(symbol, position.open_time_us, bid, ask)
        quote = self._market.symbols[symbol].quote or opening
        return Order(
            order_id=own_id(position, code),
            strategy=position.strategy,
            epoch=0,
            symbol=symbol,
            magic=position.magic,
            action="CLOSE",
            side=pricing.closing_side(position),
            lots=position.lots,
            tick=quote,
            ticket=position.ticket,
            reason=reason,
        )

    def stray_order(self, owner: str, magic: int, found: FarPosition) -> Order:
        """The gateway's own order that closes a position which no strategy knows of."""
        position = msgspec.structs.replace(position_at(found), strategy=owner, magic=magic)
        return self.closing_order(position, Code.MANUAL)

    @property
    def tickets(self) -> set[int]:
        """Of every strategy's position."""
        return {held.position.ticket for held in self._holdings.all}

    def odd_volume(self, found: FarPosition) -> str:
        """Why a strategy could not close a position of that volume; empty: it could."""
        spec = self._market.symbols[found.symbol].spec
        steps = found.lots / spec.lot_step
        if abs(steps - round(steps)) < 1e-6 and spec.lot_min <= found.lots <= spec.lot_max:
            return ""
        return (
            f"its {found.lots:g} lots are no volume of {found.symbol} by symbols.yaml"
            f" ({spec.lot_min:g} to {spec.lot_max:g} by {spec.lot_step:g}): no order could close it"
        )

    def far_off(self, symbol: str, price: float) -> str:
        """Why a price that somebody has typed in cannot be meant; empty: it can."""
        quote = self.newest(symbol)
        if not price or quote is None or abs(price / quote.bid - 1.0) <= FAR_OFF:
            return ""
        return f"a price of {price:g} is not meant: {symbol} is quoted {quote.bid:g}"

    def watches(self, symbol: str) -> bool:
        """Whether a symbol has a stream here."""
        return symbol in self._market.symbols

    def newest(self, symbol: str) -> Tick | None:
        """The newest quote of a symbol that has a stream here; None: it has none yet."""
        return self._market.symbols[symbol].quote

    def held_by(self, order: Order) -> OpenPosition | None:
        """The position that an order is to close, where it is open."""
        held = self._holdings.get(order.strategy)
        return held if held is not None and held.position.ticket == order.ticket else None


def position_at(found: FarPosition) -> Position:
    """A position as the bridge lists it: no strategy's, and open since nobody knows when."""
    return Position(
        ticket=found.ticket,
        strategy="",
        symbol=found.symbol,
        magic=found.magic or 0,
        side=found.side,
        lots=found.lots,
        open_price=found.open_price,
        open_time_us=0,
        stop_loss=found.stop_loss or 0.0,
        take_profit=found.take_profit or 0.0,
    )


def instruction_of(order: Order, comment: str, lots: float, price: float) -> Instruction:
    """What a bridge is told of an order.

    Args:
        order: The order.
        comment: Names it at the broker.
        lots: Volume.
        price: What is quoted for its side.
    """
    return Instruction(
        request_id=str(uuid4()),
        symbol=order.symbol,
        side=order.side,
        lots=lots,
        magic=order.magic,
        comment=comment,
        price=price,
        stop_loss=order.stop_loss,
        take_profit=order.take_profit,
        ticket=order.ticket,
    )


def rest_of(held: OpenPosition, lots: float) -> OpenPosition | None:
    """What is left of a position after so many lots of it were closed; None: nothing."""
    position = remaining(held.position, lots)
    return msgspec.structs.replace(held, position=position) if position is not None else None
