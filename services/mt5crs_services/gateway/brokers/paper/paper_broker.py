"""The paper book: a broker that fills in event time; positions, stops, margin.

A position's stop or target fills at the first tick that touches it. The gateway's own stream may
be behind the strategy's (then the strategy names that tick, see :meth:`PaperBroker.on_touched`) or
ahead of it. Ahead, the book must not close a position on a tick that the strategy has not reached
yet: an order on an earlier tick may still be on its way. So a touch that the book sees first is
remembered, and booked when the strategy names it, sends something later, or has been silent for
longer than any of its orders may be late. Price and time of the deal are the touching tick's in
every case.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from mt5crs_services.gateway.broker import (
    Dealt,
    KeepFarSide,
    NearBroker,
    NotYetError,
    Outcome,
    Status,
    Terms,
    Worth,
)
from mt5crs_services.gateway.brokers import fills, pricing
from mt5crs_services.gateway.brokers.holdings import Holdings
from mt5crs_services.gateway.brokers.paper import deals, stop_triggers
from mt5crs_services.gateway.brokers.valuation import Valuation
from mt5crs_services.gateway.ledger.account import Account
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.ledger.open_position import OpenPosition, Touch
from mt5crs_services.gateway.ledger.records import StreamUpdate
from mt5crs_services.gateway.quotes.market import Market, SymbolMarket
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Code, Order, Position, touched

logger = logging.getLogger(__name__)

STOP_OUT_LEVEL = 0.5
"""Equity below this share of the margin closes positions."""

LAST_WORD = 0.5
"""Seconds, besides the age that a strategy's orders may have, for its say on a touched stop."""

SIMULATED_LAST_WORD = 60.0
"""The same where nothing grows old, since a feed of ours waits for its readers."""

TRY_AGAIN = 1.0
"""Seconds until a deal that could not be booked is tried again."""


class PaperBroker(NearBroker):
    """Executes orders on the quotes they name.

    Args:
        config: The configuration.
        market: The gateway's own streams, also those of every open position's symbol.
        held: The open positions, as an earlier process left them.
        tickets: The number of the last position of each magic number.
        balance: Of the account, just now.
        monotonic: The monotonic clock, seconds.

    Attributes:
        simulated: See `Broker`.
    """

    def __init__(
        self,
        config: Config,
        market: Market,
        held: Sequence[OpenPosition],
        tickets: Mapping[int, int],
        balance: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.simulated = False
        self._paper = config.globals.paper
        self._market = market
        self._balance = balance
        self._monotonic = monotonic
        self._valuation = Valuation(self._paper, market)
        self._patience = {s.name: s.max_signal_age + LAST_WORD for s in config.enabled}
        self._tickets = deals.Tickets(tickets)
        self._open = Holdings()
        self._saved: dict[str, int] = {}
        self._moved = False
        for position in held:
            self._hold(position)

    def positions(self) -> Mapping[str, Position]:
        """Each strategy's open position."""
        return {held.position.strategy: held.position for held in self._open.all}

    def terms(self, order: Order, tick: Tick, occurrence: int) -> Terms:
        """What an order would meet on a tick."""
        market = self._market.symbols[order.symbol]
        held = self._open.get(order.strategy)
        rate = self._valuation.order_rate(order, tick, market, held)
        price = pricing.deal_price(self._paper, market.spec, order.side, tick)
        margin = pricing.margin(self._paper, market.spec, order.lots, price, rate or 0.0)
        return Terms(
            held=held.position if held is not None else None,
            before_opening=held is not None
            and stop_triggers.is_before_opening(held, market, tick, occurrence),
            rate=rate,
            needed_margin=margin,
            free_margin=self._equity() - self._margin(),
        )

    def submit(self, order: Order, tick: Tick, occurrence: int) -> Outcome:
        """Execute an order on a tick."""
        market = self._market.symbols[order.symbol]
        held = self._open.get(order.strategy)
        rate = self._valuation.order_rate(order, tick, market, held)
        if order.action == "OPEN":
            dealt = self._opening(order, tick, occurrence, rate or 0.0)
        elif held is not None:
            dealt = self._closing(held, order.order_id, tick, Code.FILLED, rate)
        else:
            return Outcome(Status.REJECTED, Code.NO_POSITION, "there is none")
        return Outcome(Status.FILLED, dealt=dealt)

    def query(self, order: Order) -> Outcome:
        """Nothing is ever on its way here: what is not in the ledger has not happened."""
        return Outcome(Status.REJECTED, Code.NOT_SEEN, f"{order.order_id} never came here")

    def poll_before(self, order: Order, tick: Tick, occurrence: int) -> Iterator[Dealt]:
        """The end of the strategy's position, where it lies at or before an order's tick."""
        held = self._open.get(order.strategy)
        if held is not None:
            market = self._market.symbols[order.symbol]
            touch = stop_triggers.touch_before(held, market, tick, occurrence)
            if touch is not None:
                yield self._end_touched(held, touch)

    def poll(self, caught_up: bool) -> Iterator[Dealt]:
        """The touches whose strategy had its time; and stop-outs."""
        now = self._monotonic()
        for held in list(self._open.all):
            if held.touch is not None and now >= held.due:
                held.due = now + TRY_AGAIN
                yield self._end_touched(held, held.touch)
        if caught_up and self._moved:
            self._moved = False
            yield from self._stop_outs()

    def on_touched(
        self, strategy: str, ticket: int, tick: Tick, rate: float | None
    ) -> Dealt | str | None:
        """The deal that ends a position on a tick that its strategy saw touch it."""
        held = self._open.get(strategy)
        if held is None or held.position.ticket != ticket:
            return None
        position, market = held.position, self._market.symbols[held.position.symbol]
        if tick.symbol != position.symbol or not (tick.bid > 0.0 and tick.ask > 0.0):
            return "that tick is none of its symbol"
        touch = stop_triggers.touch_named_by(held, market, tick)
        if touch is not None:
            return self._end_touched(held, touch)
        if stop_triggers.is_before_opening(held, market, tick, 0):
            return f"position {ticket} was opened after that tick"
        code = touched(position, tick)
        if code is None:
            return f"that tick touches neither stop nor target of position {ticket}"
        return self._end(held, tick, code, self._valuation.rate(market, tick, rate, held.rate))

    def close(self, strategy: str, reason: str) -> Dealt | str:
        """Close at the last believed quote, or by the touch before it; see `Broker.close`."""
        held = self._open.get(strategy)
        if held is None:
            return "it is not open"
        if held.touch is not None:
            return self._end_touched(held, held.touch)
        quote = self._valuation.quote_of_now(held)
        if quote is None:
            raise NotYetError(f"no quote of {held.position.symbol} has come since it was opened")
        rate = self._valuation.rate(self._market.symbols[quote.symbol], quote)
        return self._end(held, quote, Code.MANUAL, rate, reason)

    def on_tick(self, market: SymbolMarket, tick: Tick, good: bool) -> None:
        """Guard the positions of a symbol on the newest tick of its stream."""
        self._moved = self._moved or good
        for held in self._open.of_symbol(tick.symbol):
            before = held.touch
            stop_triggers.look_at(held, market, tick)
            if held.touch is not None and held.touch is not before:
                self._rate_touch(held)
                held.due = self._due(held)

    def on_booked(self, dealt: Dealt) -> None:
        """A deal has happened."""
        fill = dealt.fill
        if dealt.held is not None:
            self._tickets.taken(fill.ticket)
            self._hold(dealt.held)
            return
        self._open.remove(fill.strategy)

    def worth(self) -> Worth:
        """What the positions are worth at the last good quotes."""
        return self._valuation.worth(self._open.all)

    def next_due(self) -> float:
        """Seconds until a touch is booked without its strategy's word."""
        due = [held.due for held in self._open.all if held.touch is not None]
        return max(min(due) - self._monotonic(), 0.0) if due else 3600.0

    def unsaved(self) -> Sequence[StreamUpdate]:
        """Where streams stand that have gone on, and the positions that were guarded there."""
        return [
            self._stream(market, self._open.of_symbol(name))
            for name, market in self._market.symbols.items()
            if self._saved.get(name) != market.count
        ]

    def on_saved(self, streams: Sequence[StreamUpdate]) -> None:
        """They are in the ledger."""
        self._saved.update({stream.symbol: stream.count for stream in streams})

    def _stop_outs(self) -> Iterator[Dealt]:
        """The largest loss, and again, while equity is below half of the margin."""
        while self._open.all:
            margin, equity = self._margin(), self._equity()
            quotes = [(held, self._valuation.quote(held)) for held in self._open.all]
            losses = [(self._valuation.floating(h), h, q) for h, q in quotes if q is not None]
            if equity >= STOP_OUT_LEVEL * margin or not losses:
                return
            loss, held, quote = min(losses, key=lambda entry: entry[0])
            reason = (
                f"equity {equity:.2f} is below half of the margin {margin:.2f}; the position with"
                f" the largest loss ({loss:.2f}) was closed"
            )
            logger.warning("stop-out of %s: %s", held.position.strategy, reason)
            rate = self._valuation.rate(self._market.symbols[quote.symbol], quote)
            yield self._end(held, quote, Code.STOP_OUT, rate, reason)

    def _opening(self, order: Order, tick: Tick, occurrence: int, rate: float) -> Dealt:
        market = self._market.symbols[order.symbol]
        fill = deals.opening(
            self._paper, market.spec, order, tick, self._tickets.following(order.magic)
        )
        held = OpenPosition(fills.position_of(order, fill, tick, occurrence), tick, rate)
        stop_triggers.find_opening(held, market)
        self._rate_touch(held)
        others = self._open.of_symbol(order.symbol)
        return Dealt(fill, held, self._stream(market, (*others, held)))

    def _closing(
        self,
        held: OpenPosition,
        order_id: str,
        tick: Tick,
        code: Code,
        rate: float | None,
        reason: str = "",
    ) -> Dealt:
        position, market = held.position, self._market.symbols[held.position.symbol]
        # A position must always be able to close: without a price for the conversion, that of
        # the opening stands in.
        worth = rate or held.rate
        fill = deals.closing(self._paper, market.spec, position, order_id, tick, code, worth)
        return Dealt(fill, None, self._stream(market, self._open.beside(held)), reason)

    def _end_touched(self, held: OpenPosition, touch: Touch) -> Dealt:
        return self._end(held, touch.tick, touch.code, touch.rate)

    def _end(
        self, held: OpenPosition, tick: Tick, code: Code, rate: float | None, reason: str = ""
    ) -> Dealt:
        """Close a position without an order of its strategy."""
        order_id = f"{held.position.ticket}:{code.lower()}"
        return self._closing(held, order_id, tick, code, rate, reason)

    def _rate_touch(self, held: OpenPosition) -> None:
        """Note a touch's rate while the stream stands where it was found."""
        touch = held.touch
        if touch is not None and touch.rate is None:
            rate = self._valuation.rate(self._market.symbols[touch.tick.symbol], touch.tick)
            held.touch = msgspec.structs.replace(touch, rate=rate)

    def _stream(self, market: SymbolMarket, held: Sequence[OpenPosition]) -> StreamUpdate:
        return StreamUpdate(market.spec.name, market.state(), market.count, tuple(held))

    def _due(self, held: OpenPosition) -> float:
        patience = self._patience.get(held.position.strategy, 0.0)
        if patience and self.simulated:
            patience = max(patience, SIMULATED_LAST_WORD)
        return self._monotonic() + patience

    def _hold(self, held: OpenPosition) -> None:
        held.due = self._due(held)
        self._open.add(held)

    def _equity(self) -> float:
        return self._balance() + self._valuation.total_floating(self._open.all)

    def _margin(self) -> float:
        return self._valuation.margin(self._open.all)


def make_paper_broker(
    config: Config,
    market: Market,
    ledger: Ledger,
    account: Account,
    keep: KeepFarSide,
    monotonic: Callable[[], float] = time.monotonic,
) -> PaperBroker:
    """The paper book of an account, as its ledger has left it; it charges nothing later."""
    held, tickets = ledger.open_positions(), ledger.tickets()
    return PaperBroker(config, market, held, tickets, lambda: account.balance, monotonic)
