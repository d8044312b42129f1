"""One strategy as it runs: ticks in; bars, decisions and positions kept; a checkpoint out."""

import logging

import msgspec

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.backlog import TickMark
from mt5crs_shared.market.bars import TIMEFRAME_US, Bar
from mt5crs_shared.market.rates import RateBook
from mt5crs_shared.market.sanity import TickSanity
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_shared.storage.decision_log import Decision
from mt5crs_shared.trading.orders import OrderResult, touched
from mt5crs_worker.answers import (
    StateError,
    ask_bar,
    ask_tick,
    plain_state,
)
from mt5crs_worker.bars import BarFeed, BarWindow
from mt5crs_worker.strategy import ModelStrategy, Strategy, load_strategy
from mt5crs_worker.trading.bot import OrderRoute, TradingBot
from mt5crs_worker.trading.decider import Decider
from mt5crs_worker.trading.gateway_client import BooksError
from mt5crs_worker.trading.journal import Checkpoint, identity_of
from mt5crs_worker.trading.journal_file import JournalError, ReplacedError
from mt5crs_worker.trading.tally import Tally

logger = logging.getLogger(__name__)


class OccurrenceCounter:
    """The occurrence of each tick among equal ones: same time, bid and ask.

    Args:
        time_us: Time of the last tick.
        counts: How often each (bid, ask) has come at that time.
    """

    def __init__(self, time_us: int, counts: list[tuple[float, float, int]]) -> None:
        self._time_us = time_us
        self._counts = {(bid, ask): count for bid, ask, count in counts}

    def count(self, tick: Tick) -> int:
        """The occurrence of the next tick, from 0."""
        if tick.time_us != self._time_us:
            self._time_us = tick.time_us
            self._counts.clear()
        quote = (tick.bid, tick.ask)
        count = self._counts.get(quote, 0)
        self._counts[quote] = count + 1
        return count

    @property
    def state(self) -> tuple[int, list[tuple[float, float, int]]]:
        """What the next process goes on with."""
        return self._time_us, [(bid, ask, n) for (bid, ask), n in self._counts.items()]


class StrategyInstance:
    """Takes one strategy's ticks in order; every error in its code is counted and contained.

    Args:
        config: The strategy's entry.
        symbol: Its symbol.
        broker: Where orders go.
        first_balance: The account's first balance.
        account_currency: The account's currency.
        rates: What converts the profit's currency to the account's; None: nothing has to.
        epoch: Number of this spawn.
        checkpoint: Where an earlier process stopped; None: begin anew.

    Attributes:
        sanity: Judges its ticks.

    Raises:
        StrategyError: Its class cannot be used.
        ModelError: Its model cannot be used.
    """

    def __init__(
        self,
        config: StrategyConfig,
        symbol: SymbolSpec,
        broker: OrderRoute,
        first_balance: float,
        account_currency: str,
        epoch: int = 1,
        checkpoint: Checkpoint | None = None,
        rates: RateBook | None = None,
    ) -> None:
        self.config = config
        self.symbol = symbol
        self.strategy: Strategy = load_strategy(config, symbol)
        self.epoch = epoch
        self.bot = TradingBot(config, symbol, first_balance, broker, epoch)
        self._rates = rates or RateBook(account_currency, {symbol.name: symbol})
        self._broker = broker
        self._bars = BarFeed(config.timeframe)
        self.sanity = TickSanity()
        self._occurrences = OccurrenceCounter(0, [])
        self._tally = Tally(checkpoint.metrics if checkpoint is not None else StrategyMetrics())
        self.decider = Decider(
            config, symbol, self.bot, self._rates, self._tally, self.strategy.on_fill
        )
        self._received = self._processed = self._bad = self._crossed = 0
        if checkpoint is not None:
            self._restore(checkpoint)

    @property
    def model_hash(self) -> str:
        """BLAKE2b-256 of the model that decides, hexadecimal; empty: no model does."""
        return self.strategy.model_hash if isinstance(self.strategy, ModelStrategy) else ""

    @property
    def ticks_processed(self) -> int:
        """Ticks that went through bars and strategy."""
        return self._processed

    @property
    def bars(self) -> int:
        """Closed bars."""
        return self._bars.closed

    @property
    def window(self) -> BarWindow:
        """The closed bars."""
        return self._bars.window

    @property
    def last_tick_time_us(self) -> int:
        """Event time of the newest processed tick; 0 before the first."""
        return max(self.sanity.last_time_us, 0)

    def on_tick(self, tick: Tick, decide: bool = True) -> bool:
        """Process the next tick of the stream.

        Args:
            tick: Of any symbol; others than its own are ignored.
            decide: False while warming up: the tick feeds bars, nothing is decided on it.

        Returns:
            False where the strategy's code raised; the error is counted and logged, no more.

        Raises:
            JournalError: Nothing may be traded unrecorded; the process must end.
            ReplacedError: A newer process of this strategy trades; this one must end.
            BooksError: The gateway has another ledger than before; this process must end.
            StateError: The strategy's state cannot be kept; it must not trade.
        """
        if tick.symbol != self.symbol.name:
            return True
        self._received += 1
        occurrence = self._occurrences.count(tick)
        newest_us = self.sanity.last_time_us
        verdict = self.sanity.judge(tick)
        if verdict == "good":
            self._processed += 1
            self._crossed += tick.crossed
        else:
            self._bad += 1
        try:
            if verdict != "good":
                self._protect(tick, decide)
                return True
            if tick.time_us < newest_us:
                self._bars.rewind(tick.time_us)
            self._process(tick, occurrence, decide)
        except (JournalError, ReplacedError, BooksError, StateError):
            raise
        except (Exception, SystemExit) as error:
            self._tally.error(error, tick.time_us)
            return False
        return True

    def skip(self, tick: Tick) -> None:
        """Count a tick as bad without looking at it."""
        self._received += 1
        self._bad += 1
        self._occurrences.count(tick)

    def settle(self, result: OrderResult) -> None:
        """Take what became of an order that an earlier process decided."""
        if result.fill is None:
            return
        if result.fill.entry == "IN" and result.position is not None:
            self.bot.open(result.position, result.fill)
        else:
            self.bot.apply(result.fill, result.position)
        self.decider.tell(result.fill)

    def warm_up(self, bars: list[Bar]) -> None:
        """Begin with bars of a history file; those the window already has are left out."""
        self._bars.warm_up(bars)
        self._tally.begun_with(len(self.window))

    def take_decisions(self) -> list[Decision]:
        """The decisions since the last call."""
        return self.decider.take_decisions()

    def checkpoint(
        self, mark: TickMark | None, decide_from_us: int, metrics: StrategyMetrics
    ) -> Checkpoint:
        """All that the next process needs to go on after `mark`; see `journal.Checkpoint`.

        Raises:
            StateError: The strategy's state cannot be kept.
        """
        return Checkpoint(
            identity=identity_of(self.config),
            mark=mark,
            decide_from_us=decide_from_us,
            sanity=self.sanity.state,
            open_bar=self._bars.open_bar,
            window=self._bars.window.to_bytes(),
            pending=self._bars.pending,
            occurrences=self._occurrences.state,
            position=self.bot.position,
            realised=self.bot.realised,
            deals=self.bot.deals,
            refused=self.bot.refused,
            first_order=self.bot.first.dealt_by if self.bot.first is not None else "",
            last_signal=self.decider.last_signal,
            state=plain_state(self.strategy.state),
            metrics=metrics,
        )

    def get_status(self) -> StrategyMetrics:
        """The counters; see `metrics.StrategyMetrics`."""
        position = self.bot.position
        sign = 0.0 if position is None else (1.0 if position.side == "BUY" else -1.0)
        return msgspec.structs.replace(
            self._tally.metrics,
            ticks_received=self._received,
            ticks_processed=self._processed,
            ticks_bad=self._bad,
            ticks_crossed=self._crossed,
            bars=self._bars.closed,
            warm=len(self._bars.window),
            bars_needed=self.strategy.warmup - (self.config.evaluate == "tick"),
            bar_seconds=TIMEFRAME_US[self.config.timeframe] // 1_000_000,
            last_tick_time_us=self.last_tick_time_us,
            last_signal=self.decider.last_signal,
            position_lots=sign * position.lots if position is not None else 0.0,
            realised=self.bot.realised,
        )

    def shutdown(self) -> None:
        """Nothing is held open: the position stays, guarded by the gateway's stop and target."""
        orders = self._tally.metrics.orders_sent
        logger.info("shut down", extra={"ticks": self._processed, "orders": orders})

    def _process(self, tick: Tick, occurrence: int, decide: bool) -> None:
        if decide:
            self._check_exit(tick)
        self._bars.add(tick)
        if not decide:
            self._bars.pending = False
        elif not tick.crossed:
            self._evaluate(tick, occurrence)

    def _protect(self, tick: Tick, decide: bool) -> None:
        """Look whether a tick that feeds no bar ends the position all the same."""
        position = self.bot.position
        if not decide or position is None or not self.sanity.protects:
            return
        # One that is late says nothing of a position that was opened after it.
        if tick.time_us >= position.open_time_us:
            self._check_exit(tick)

    def _check_exit(self, tick: Tick) -> None:
        """Learn of the position's end before the tick that ended it is looked at further."""
        position = self.bot.position
        if position is None:
            return
        if touched(position, tick) is None and not self._broker.closed_before(position, tick):
            return
        fill = self._broker.closed_by(position, tick, self._rates.rate(self.symbol, tick))
        if fill is not None:
            self.bot.apply(fill)
            self.decider.tell(fill)

    def _evaluate(self, tick: Tick, occurrence: int) -> None:
        pending, self._bars.pending = self._bars.pending, False
        window, open_bar = self._bars.window, self._bars.open_bar
        if self.config.evaluate == "tick":
            if open_bar is not None and len(window) + 1 >= self.strategy.warmup:
                with window.provisional(open_bar):
                    answer = ask_tick(self.strategy, tick, window)
                    self.decider.decide(answer, tick, occurrence, window)
        elif pending and len(window) >= self.strategy.warmup:
            answer = ask_bar(self.strategy, window)
            self.decider.decide(answer, tick, occurrence, window)

    def _restore(self, saved: Checkpoint) -> None:
        window = BarWindow.from_bytes(saved.window)
        self._bars = BarFeed(self.config.timeframe, saved.open_bar, window, saved.pending)
        self._bars.closed = saved.metrics.bars
        self.sanity = TickSanity(saved.sanity)
        self._occurrences = OccurrenceCounter(*saved.occurrences)
        self.decider.last_signal = saved.last_signal
        self.bot.position, self.bot.refused = saved.position, saved.refused
        self.bot.realised, self.bot.deals = saved.realised, saved.deals
        self.strategy.state = saved.state
        metrics = saved.metrics
        self._received, self._processed = metrics.ticks_received, metrics.ticks_processed
        self._bad, self._crossed = metrics.ticks_bad, metrics.ticks_crossed
