"""Position logic: from a signal to orders, one position a strategy."""

import logging
from typing import Literal, Protocol

import msgspec

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Code, Fill, Order, OrderResult, Position, Side, remaining
from mt5crs_worker.answers import BUY, EXIT, HOLD, Signal
from mt5crs_worker.trading.first_order import FirstOrder
from mt5crs_worker.trading.sizing import PositionSize, position_size

logger = logging.getLogger(__name__)

Action = Literal["NONE", "NO_TRADE", "KEEP", "OPEN", "CLOSE", "TURN", "MISSED", "REFUSED"]

NOT_SENT = frozenset({Code.STALE, Code.NO_LEASE})
"""Orders that end with one of these never left this process."""


class OrderRoute(Protocol):
    """The bot's way to the market; every call returns only when the fate is known."""

    def submit(self, order: Order) -> OrderResult:
        """Execute an order. REJECTED with STALE: it was never sent, being too old."""

    def closed_by(self, position: Position, tick: Tick, rate: float | None) -> Fill | None:
        """The deal that closed a position which this tick touched; None: it is still open.

        `rate` is that of the quote currency to the account's at this tick; None: not known.
        """

    def closed_before(self, position: Position, tick: Tick) -> bool:
        """Whether the broker has said by itself that it closed a position before this tick."""


class Moment(msgspec.Struct, frozen=True):
    """What a decision was made on.

    Attributes:
        tick: The quote.
        occurrence: The tick's occurrence among equal ones.
        bar_us: Start of the newest closed bar.
        atr: ATR(14), in the quote currency.
        rate: Price of one unit of the quote currency in the account's; None: not known yet.
        no_rate: For people: why there is none.
        note: For people: what led to the signal.
    """

    tick: Tick
    occurrence: int
    bar_us: int
    atr: float
    rate: float | None
    no_rate: str = ""
    note: str = ""


class SignalOutcome(msgspec.Struct, frozen=True):
    """What became of a signal.

    Attributes:
        action: What was done.
        lots: Volume opened.
        results: The fates of the orders that were decided, in order.
        detail: For people: why nothing, or less, was done.
    """

    action: Action
    lots: float = 0.0
    results: tuple[OrderResult, ...] = ()
    detail: str = ""

    @property
    def order_ids(self) -> tuple[str, ...]:
        """Orders that were decided, in order."""
        return tuple(result.order_id for result in self.results)

    @property
    def fills(self) -> tuple[Fill, ...]:
        """Their deals."""
        return tuple(result.fill for result in self.results if result.fill is not None)


class TradingBot:
    """Holds at most one position; an opposite signal closes it and opens the other side.

    Its equity for sizing is the first balance plus what this strategy itself has realised. The
    account's real equity also moves with what other strategies do at the same moment, and then
    the same ticks would not give the same orders; the gateway looks at it when it checks margin.

    Args:
        config: The strategy's entry.
        symbol: Its symbol.
        first_balance: The account's first balance.
        broker: Where orders go.
        epoch: Number of this spawn.
        position: The position an earlier process left.
        realised: What it had realised, in the account's currency.

    Attributes:
        first: Holds the first order with real money small; None: with paper money nothing does.
        deals: How many deals of its own it knows of; None: not known.
    """

    def __init__(
        self,
        config: StrategyConfig,
        symbol: SymbolSpec,
        first_balance: float,
        broker: OrderRoute,
        epoch: int,
        position: Position | None = None,
        realised: float = 0.0,
    ) -> None:
        self.position = position
        self.realised = realised
        self.refused: tuple[int, tuple[Side, ...]] | None = None
        self.first: FirstOrder | None = None
        self.deals: int | None = None
        self._config = config
        self._symbol = symbol
        self._first_balance = first_balance
        self._broker = broker
        self._epoch = epoch

    @property
    def equity(self) -> float:
        """What positions are sized by, in the account's currency."""
        return self._first_balance + self.realised

    def on_signal(self, signal: Signal, moment: Moment) -> SignalOutcome:
        """Act on a signal."""
        if signal == HOLD:
            return SignalOutcome("NONE")
        side: Side | None = None if signal == EXIT else ("BUY" if signal == BUY else "SELL")
        held = self.position
        if held is None and side in self._refused_on(moment.bar_us):
            # On every tick the same answer: two records on the disk each time, and nothing new.
            return SignalOutcome("NO_TRADE", detail="no trade: refused on this bar already")
        if held is None:
            return SignalOutcome("NONE") if side is None else self._open(side, moment)
        if held.side == side:
            return SignalOutcome("KEEP")
        closed = self._close(held, moment)
        if side is None or closed.action != "CLOSE" or self.position is not None:
            return closed
        opened = self._open(side, moment)
        return SignalOutcome(
            action="TURN" if opened.action == "OPEN" else "CLOSE",
            lots=opened.lots,
            results=closed.results + opened.results,
            detail=opened.detail,
        )

    def apply(self, fill: Fill, rest: Position | None = None) -> None:
        """Take a closing deal of this strategy's position into account; `rest`: what it left.

        A broker may close a part of a position by itself; what that has left follows from its lots.
        """
        self.realised += fill.profit - fill.commission
        self._count_deal()
        held = self.position
        if rest is None and held is not None and held.ticket == fill.ticket:
            rest = remaining(held, fill.lots)
        self.position = rest

    def open(self, position: Position, fill: Fill) -> None:
        """Take an opening deal of this strategy, and the position that it made, into account."""
        self.realised -= fill.commission
        self._count_deal()
        self.position = position

    def _count_deal(self) -> None:
        if self.deals is not None:
            self.deals += 1

    def _open(self, side: Side, moment: Moment) -> SignalOutcome:
        if moment.rate is None:
            return SignalOutcome("NO_TRADE", detail=f"no trade: {moment.no_rate}")
        risk = self._config.risk_config
        if self.first is not None:
            risk = self.first.limited(risk, self._symbol)
        size = position_size(
            risk,
            self.equity,
            moment.atr,
            self._symbol,
            moment.rate,
        )
        if size.lots == 0.0:
            return SignalOutcome("NO_TRADE", detail=f"no trade: {size.reason}")
        spread = moment.tick.ask - moment.tick.bid
        if size.stop_distance <= spread + self._symbol.point / 2:
            reason = f"the stop, {size.stop_distance:.3g} away, would lie within the spread"
            return SignalOutcome("NO_TRADE", detail=f"no trade: {reason} ({spread:.3g})")
        order = self._opening_order(side, size, moment)
        result = self._broker.submit(order)
        if result.fill is None or result.position is None:
            outcome = _not_done(result)
            if outcome.action == "REFUSED":
                self.refused = (moment.bar_us, (*self._refused_on(moment.bar_us), side))
            return outcome
        self.open(result.position, result.fill)
        if self.first is not None:
            self.first.dealt()
        same = risk is self._config.risk_config
        detail = "" if same else f"a first order: {risk.max_position_size:g} lots at most"
        return SignalOutcome("OPEN", result.fill.lots, (result,), detail)

    def _refused_on(self, bar_us: int) -> tuple[Side, ...]:
        """The sides that were refused since a bar was closed."""
        return self.refused[1] if self.refused is not None and self.refused[0] == bar_us else ()

    def _opening_order(self, side: Side, size: PositionSize, moment: Moment) -> Order:
        tick, digits = moment.tick, self._symbol.digits
        entry, sign = (tick.ask, 1.0) if side == "BUY" else (tick.bid, -1.0)
        reward = size.stop_distance * self._config.risk_config.take_profit_risk_reward
        return Order(
            order_id=self._order_id(moment, "OPEN"),
            strategy=self._config.name,
            epoch=self._epoch,
            symbol=self._symbol.name,
            magic=self._config.magic_number,
            action="OPEN",
            side=side,
            lots=size.lots,
            tick=tick,
            occurrence=moment.occurrence,
            stop_loss=round(entry - sign * size.stop_distance, digits),
            take_profit=max(round(entry + sign * reward, digits), 0.0),
            reason=moment.note,
            rate=moment.rate,
        )

    def _close(self, held: Position, moment: Moment) -> SignalOutcome:
        order = Order(
            order_id=self._order_id(moment, "CLOSE"),
            strategy=self._config.name,
            epoch=self._epoch,
            symbol=self._symbol.name,
            magic=self._config.magic_number,
            action="CLOSE",
            side="SELL" if held.side == "BUY" else "BUY",
            lots=held.lots,
            tick=moment.tick,
            occurrence=moment.occurrence,
            ticket=held.ticket,
            reason=moment.note,
            rate=moment.rate,
        )
        result = self._broker.submit(order)
        fill = result.fill
        if result.code is Code.NO_POSITION:
            # The book was faster: a stop-out, or a stop between the decision and its execution.
            fill = self._broker.closed_by(held, moment.tick, moment.rate)
            if fill is None:
                logger.warning("position %d is gone: %s", held.ticket, result.detail)
                self.position = None
        if fill is None:
            return _not_done(result)
        self.apply(fill, result.position)
        rest = f"{result.position.lots:g} lots could not be closed" if result.position else ""
        results = (msgspec.structs.replace(result, fill=fill),)
        return SignalOutcome("CLOSE", 0.0, results, rest)

    def _order_id(self, moment: Moment, action: str) -> str:
        """The same decision has the same id in every process that comes to it."""
        return f"{self._config.name}:{moment.tick.time_us}:{moment.occurrence}:{action}"


def _not_done(result: OrderResult) -> SignalOutcome:
    missed = result.code in NOT_SENT
    said = f"{result.code}: {result.detail}" if result.detail else str(result.code)
    detail = f"order {'not sent' if missed else 'refused'}: {said}"
    return SignalOutcome("MISSED" if missed else "REFUSED", 0.0, (result,), detail)
