"""The paper book: fills, positions, stops, margin, all in event time.

A position's stop or target fills at the first tick that touches it. The gateway's own stream may
be behind the strategy's (then the strategy names that tick, see :meth:`PaperBook.end_on`) or
ahead of it. Ahead, the book must not close a position on a tick that the strategy has not reached
yet: an order on an earlier tick may still be on its way. So a touch that the book sees first is
remembered, and booked when the strategy names it, sends something later, or has been silent for
longer than any of its orders may be late. Price and time of the deal are the touching tick's in
every case.
"""

import logging
import time
from collections.abc import Callable, Sequence

import msgspec

from mt5crs_services.gateway import risk
from mt5crs_services.gateway.account import Account
from mt5crs_services.gateway.brokers.paper import deals, pricing, stop_triggers
from mt5crs_services.gateway.brokers.paper.valuation import Valuation
from mt5crs_services.gateway.ledger import Ledger
from mt5crs_services.gateway.open_position import Holding, Touch
from mt5crs_services.gateway.quotes.market import Market, SymbolMarket
from mt5crs_services.gateway.records import Booking, StreamUpdate
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import AccountReport, StrategyMoney
from mt5crs_shared.orders import Code, Fill, Order, OrderResult, Position, touched

logger = logging.getLogger(__name__)

STOP_OUT_LEVEL = 0.5
"""Equity below this share of the margin closes positions."""

LAST_WORD = 0.5
"""Seconds, besides the age that a strategy's orders may have, for its say on a touched stop."""

SIMULATED_LAST_WORD = 60.0
"""The same where nothing grows old, since a feed of ours waits for its readers."""

MAX_OFF = 0.10
"""A strategy's rate that is this share away from the gateway's own is not taken."""

TRY_AGAIN = 1.0
"""Seconds until a deal that could not be booked is tried again."""


class PaperBook:
    """Holds the account's positions and executes orders on the quotes they name.

    Args:
        config: The configuration.
        market: The gateway's own streams, also those of every open position's symbol.
        ledger: Where everything is booked before it is so.
        monotonic: The monotonic clock, seconds.

    Attributes:
        simulated: The market is a feed of ours; see `TickStream.simulated`.
    """

    def __init__(
        self,
        config: Config,
        market: Market,
        ledger: Ledger,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.simulated = False
        self._config = config
        self._paper = config.globals.paper
        self._market = market
        self._ledger = ledger
        self._monotonic = monotonic
        self._valuation = Valuation(self._paper, market)
        self._patience = {s.name: s.max_signal_age + LAST_WORD for s in config.enabled}
        self.account = Account(ledger.first_balance, ledger.totals(), ledger.tickets())
        self._holdings: dict[str, Holding] = {}
        self._by_symbol: dict[str, list[Holding]] = {}
        self._saved: dict[str, int] = {}
        self._own_deals: list[Fill] = []
        for holding in ledger.holdings():
            self._hold(holding)
            holding.due = self._due(holding)

    def position(self, strategy: str) -> Position | None:
        """A strategy's open position."""
        holding = self._holdings.get(strategy)
        return holding.position if holding is not None else None

    def take_own_deals(self) -> list[Fill]:
        """The deals that the book did by itself since the last call."""
        taken, self._own_deals = self._own_deals, []
        return taken

    def execute(self, order: Order, tick: Tick, place: int) -> OrderResult:
        """Execute an order on a tick, or refuse it; recorded when this returns.

        Args:
            order: Of a known strategy and symbol, on a sound quote.
            tick: The quote it fills on.
            place: That tick's place among equal ones.

        Raises:
            LedgerError: It could not be recorded, and nothing was done.
        """
        market = self._market.symbols[order.symbol]
        held = self._holdings.get(order.strategy)
        if held is not None:
            touch = stop_triggers.touched_by(held, market, tick, place)
            if touch is not None:
                self._end_touched(held, touch)
        opening = order.action == "OPEN"
        proposal = self._proposal(order, tick, place, market)
        refusal = risk.first_refusal(risk.OPENING if opening else risk.CLOSING, proposal)
        if refusal is not None:
            return self._refuse(order, refusal)
        if opening:
            return self._open(order, tick, place, proposal.rate or 0.0)
        return self._close(order, tick, proposal.rate)

    def end_on(
        self, strategy: str, ticket: int, tick: Tick, said: float | None = None
    ) -> Fill | str:
        """The deal that ended a position, given a tick that the strategy saw touch it.

        Args:
            strategy: Its name.
            ticket: The position.
            tick: That tick.
            said: The strategy's rate of the quote currency to the account's there.

        Returns:
            The deal, or why there is none.

        Raises:
            LedgerError: The deal could not be booked; the position is open.
        """
        holding = self._holdings.get(strategy)
        if holding is None or holding.position.ticket != ticket:
            closing = self._ledger.closing(strategy, ticket)
            return closing if closing is not None else f"there never was a position {ticket}"
        position, market = holding.position, self._market.symbols[holding.position.symbol]
        if tick.symbol != position.symbol or not (tick.bid > 0.0 and tick.ask > 0.0):
            return "that tick is none of its symbol"
        touch = stop_triggers.named(holding, market, tick)
        if touch is not None:
            return self._end_touched(holding, touch)
        if tick.timed and tick.time_us < position.open_time_us and not market.clock_returned:
            return f"position {ticket} was opened after that tick"
        code = touched(position, tick)
        if code is None:
            return f"that tick touches neither stop nor target of position {ticket}"
        return self._end(holding, tick, code, self._rate(market, tick, said, holding.rate))

    def watch(self, market: SymbolMarket, tick: Tick) -> None:
        """Guard the positions of a symbol on the newest tick of its stream."""
        for holding in self._by_symbol.get(tick.symbol, ()):
            if holding.touch is None:
                stop_triggers.look(holding, market, tick)
                if holding.touch is not None:
                    self._rate_touch(holding)
                    holding.due = self._due(holding)

    def settle(self) -> None:
        """Book the touches whose strategy had its time.

        Raises:
            LedgerError: One could not be booked; it is tried again a little later.
        """
        now = self._monotonic()
        for holding in list(self._holdings.values()):
            if holding.touch is not None and now >= holding.due:
                holding.due = now + TRY_AGAIN
                self._end_touched(holding, holding.touch)

    def next_due(self) -> float:
        """Seconds until `settle` has something to do."""
        due = [h.due for h in self._holdings.values() if h.touch is not None]
        return max(min(due) - self._monotonic(), 0.0) if due else 3600.0

    def stop_out(self) -> None:
        """Close the largest loss, and again, while equity is below half of the margin.

        Raises:
            LedgerError: A deal could not be booked.
        """
        while self._holdings:
            margin, equity = self._margin(), self._equity()
            quotes = [(h, self._valuation.quote(h)) for h in self._holdings.values()]
            losses = [(self._valuation.floating(h), h, q) for h, q in quotes if q is not None]
            if equity >= STOP_OUT_LEVEL * margin or not losses:
                return
            loss, holding, quote = min(losses, key=lambda entry: entry[0])
            reason = (
                f"equity {equity:.2f} is below half of the margin {margin:.2f}; the position with"
                f" the largest loss ({loss:.2f}) was closed"
            )
            logger.warning("stop-out of %s: %s", holding.position.strategy, reason)
            rate = self._rate(self._market.symbols[quote.symbol], quote)
            self._end(holding, quote, Code.STOP_OUT, rate, reason)

    def save(self) -> None:
        """Record where the streams stand.

        Raises:
            LedgerError: It could not be recorded.
        """
        moved = [m for name, m in self._market.symbols.items() if self._saved.get(name) != m.count]
        if moved:
            self._ledger.save(
                [self._stream(m, self._by_symbol.get(m.spec.name, ())) for m in moved]
            )
            self._saved.update({m.spec.name: m.count for m in moved})

    def report(self) -> AccountReport:
        """The account at the last good quotes; every strategy that trades or ever did is listed."""
        names = dict.fromkeys([s.name for s in self._config.enabled] + self.account.strategies)
        equity, margin = self._equity(), self._margin()
        return AccountReport(
            currency=self._config.globals.account_currency,
            balance=self.account.balance,
            equity=pricing.rounded(equity),
            margin=pricing.rounded(margin),
            free_margin=pricing.rounded(equity - margin),
            strategies=tuple(self._money(name) for name in names),
        )

    def _money(self, strategy: str) -> StrategyMoney:
        holding = self._holdings.get(strategy)
        return StrategyMoney(
            strategy=strategy,
            realised=self.account.realised(strategy),
            floating=self._valuation.floating(holding) if holding is not None else 0.0,
            deals=self.account.deals(strategy),
            position=holding.position if holding is not None else None,
        )

    def _proposal(
        self, order: Order, tick: Tick, place: int, market: SymbolMarket
    ) -> risk.Proposal:
        held = self._holdings.get(order.strategy)
        said = order.rate if tick == order.tick else None
        rate = self._rate(market, tick, said, held.rate if held is not None else None)
        price = pricing.deal_price(self._paper, market.spec, order.side, tick)
        return risk.Proposal(
            order=order,
            tick=tick,
            symbol=market.spec,
            held=held.position if held is not None else None,
            before_opening=held is not None
            and stop_triggers.is_before_opening(held, market, tick, place),
            rate=rate,
            needed_margin=pricing.margin(self._paper, market.spec, order.lots, price, rate or 0.0),
            free_margin=self._equity() - self._margin(),
            currency=self._config.globals.account_currency,
        )

    def _refuse(self, order: Order, refusal: risk.Refusal) -> OrderResult:
        detail = refusal.detail
        if refusal.code is Code.NO_POSITION:
            closing = self._ledger.closing(order.strategy, order.ticket)
            detail += f"; it was closed: {closing.code}" if closing is not None else ""
        result = OrderResult(order.order_id, "REJECTED", refusal.code, detail)
        self._ledger.refuse(order, result)
        return result

    def _open(self, order: Order, tick: Tick, place: int, rate: float) -> OrderResult:
        market = self._market.symbols[order.symbol]
        ticket = self.account.next_ticket(order.magic)
        fill = deals.opening(self._paper, market.spec, order, tick, ticket)
        position = deals.position_of(order, fill, tick, place)
        holding = Holding(position, tick, rate)
        stop_triggers.arm(holding, market)
        self._rate_touch(holding)
        holding.due = self._due(holding)
        result = OrderResult(order.order_id, "FILLED", Code.FILLED, fill=fill, position=position)
        others = tuple(self._by_symbol.get(order.symbol, ()))
        self._book(fill, result, order, holding, (*others, holding))
        self._hold(holding)
        return result

    def _close(self, order: Order, tick: Tick, rate: float | None) -> OrderResult:
        holding = self._holdings[order.strategy]
        fill = self._closing_fill(holding, order.order_id, tick, Code.FILLED, rate)
        result = OrderResult(order.order_id, "FILLED", Code.FILLED, fill=fill)
        self._book(fill, result, order, None, self._others(holding))
        self._release(holding)
        return result

    def _end_touched(self, holding: Holding, touch: Touch) -> Fill:
        return self._end(holding, touch.tick, touch.code, touch.rate)

    def _rate_touch(self, holding: Holding) -> None:
        """Note a touch's rate while the stream stands where it was found."""
        touch = holding.touch
        if touch is not None and touch.rate is None:
            rate = self._rate(self._market.symbols[touch.tick.symbol], touch.tick)
            holding.touch = msgspec.structs.replace(touch, rate=rate)

    def _end(
        self, holding: Holding, tick: Tick, code: Code, rate: float | None, reason: str = ""
    ) -> Fill:
        """Close a position without an order of its strategy."""
        order_id = f"{holding.position.ticket}:{code.lower()}"
        fill = self._closing_fill(holding, order_id, tick, code, rate)
        result = OrderResult(order_id, "FILLED", code, detail=reason, fill=fill)
        self._book(fill, result, None, None, self._others(holding), reason)
        self._release(holding)
        self._own_deals.append(fill)
        return fill

    def _closing_fill(
        self, holding: Holding, order_id: str, tick: Tick, code: Code, rate: float | None
    ) -> Fill:
        position, market = holding.position, self._market.symbols[holding.position.symbol]
        # A position must always be able to close: without a price for the conversion, that of
        # the opening stands in.
        worth = rate or holding.rate
        return deals.closing(self._paper, market.spec, position, order_id, tick, code, worth)

    def _rate(
        self,
        market: SymbolMarket,
        tick: Tick,
        said: float | None = None,
        earlier: float | None = None,
    ) -> float | None:
        """The rate of a symbol's quote currency to the account's at a tick.

        Args:
            market: The symbol.
            tick: A tick of it.
            said: The strategy's rate at that very tick. It counts where the own stream has not
                come to that tick yet: then it may lack what the rate depends on.
            earlier: That at the position's opening, which `said` is compared with where the own
                stream knows nothing.
        """
        own = self._market.rates.rate(market.spec, tick)
        if said is None or market.spec.name not in self._market.rates.needs:
            return own
        if own is not None and market.has(tick, 0):
            return own
        known = own or earlier
        return said if known is not None and abs(said - known) < MAX_OFF * known else own

    def _book(
        self,
        fill: Fill,
        result: OrderResult,
        order: Order | None,
        opened: Holding | None,
        holdings: Sequence[Holding],
        reason: str = "",
    ) -> None:
        stream = self._stream(self._market.symbols[fill.symbol], holdings)
        balance = self.account.balance_after(fill)
        self._ledger.book(Booking(fill, result, balance, order, opened, stream, reason))
        self.account.apply(fill)
        logger.info("%s %s %s at %s", fill.code, fill.strategy, fill.entry, fill.price)

    def _stream(self, market: SymbolMarket, holdings: Sequence[Holding]) -> StreamUpdate:
        return StreamUpdate(market.spec.name, market.state(), market.count, tuple(holdings))

    def _due(self, holding: Holding) -> float:
        patience = self._patience.get(holding.position.strategy, 0.0)
        if patience and self.simulated:
            patience = max(patience, SIMULATED_LAST_WORD)
        return self._monotonic() + patience

    def _hold(self, holding: Holding) -> None:
        self._holdings[holding.position.strategy] = holding
        self._by_symbol.setdefault(holding.position.symbol, []).append(holding)

    def _others(self, holding: Holding) -> tuple[Holding, ...]:
        return tuple(h for h in self._by_symbol[holding.position.symbol] if h is not holding)

    def _release(self, holding: Holding) -> None:
        del self._holdings[holding.position.strategy]
        others = list(self._others(holding))
        if others:
            self._by_symbol[holding.position.symbol] = others
        else:
            del self._by_symbol[holding.position.symbol]

    def _equity(self) -> float:
        floating = self._valuation.total_floating(self._holdings.values())
        return self.account.balance + floating

    def _margin(self) -> float:
        return self._valuation.margin(self._holdings.values())
