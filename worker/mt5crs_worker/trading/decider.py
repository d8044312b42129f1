"""From a strategy's answer to its deals: the bot acts on it, and the decision is written down."""

from collections.abc import Callable

import msgspec

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.rates import RateBook
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.storage.decision_log import Decision
from mt5crs_shared.trading.orders import Fill
from mt5crs_shared.wording import one_line
from mt5crs_worker.answers import HOLD, NOTE_LENGTH, Answer, Signal
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.features import average_true_range
from mt5crs_worker.features.source import FeatureSource
from mt5crs_worker.trading.bot import Moment, SignalOutcome, TradingBot
from mt5crs_worker.trading.tally import Tally


class Decider:
    """Acts on answers, one after the other.

    Args:
        config: The strategy's entry.
        symbol: Its symbol.
        bot: Turns signals into orders.
        rates: What converts the profit's currency to the account's.
        tally: Counts what becomes of them.
        on_fill: The strategy's own, told of each of its deals.

    Attributes:
        last_signal: Of the last answer.
        source: Where the features of its answers come from; None: not from elsewhere.
    """

    def __init__(
        self,
        config: StrategyConfig,
        symbol: SymbolSpec,
        bot: TradingBot,
        rates: RateBook,
        tally: Tally,
        on_fill: Callable[[Fill], None],
    ) -> None:
        self.last_signal: Signal = HOLD
        self.source: FeatureSource | None = None
        self.answers = 0
        self._every_answer = config.evaluate == "bar"
        self._symbol = symbol
        self._bot = bot
        self._rates = rates
        self._tally = tally
        self._on_fill = on_fill
        self._decisions: list[Decision] = []

    def decide(self, answer: Answer, tick: Tick, occurrence: int, window: BarWindow) -> None:
        """Act on an answer to a tick, with the bars that it was given on."""
        self.answers += 1
        answer = self._with_origin(answer)
        signal = answer.signal
        changed = signal != self.last_signal
        self.last_signal = signal
        last = window.last
        bar_us = last.start_us if last is not None else 0
        outcome = SignalOutcome("NONE")
        if signal != HOLD:
            rate = self._rates.rate(self._symbol, tick)
            why = "" if rate is not None else self._rates.missing(self._symbol)
            atr = average_true_range(window)
            moment = Moment(tick, occurrence, bar_us, atr, rate, why, answer.note)
            outcome = self._bot.on_signal(signal, moment)
            self._tally.signal(outcome, tick.time_us)
            for fill in outcome.fills:
                self.tell(fill)
        # On every tick, most evaluations say what the last one said: those are not worth a line.
        if self._every_answer or changed or outcome.order_ids:
            self._decisions.append(_decision(answer, tick, occurrence, bar_us, outcome))
        self._tally.sound()

    def _with_origin(self, answer: Answer) -> Answer:
        """The answer, with a word on where its features came from; counted."""
        obtained = self.source.take() if self.source is not None else None
        if obtained is None:
            return answer
        self._tally.features(obtained)
        words = "; ".join(filter(None, (obtained.words, answer.note)))
        return msgspec.structs.replace(answer, note=one_line(words, NOTE_LENGTH))

    def tell(self, fill: Fill) -> None:
        """Tell the strategy of a deal; what it raises must not undo that the deal happened."""
        try:
            self._on_fill(fill)
        except (Exception, SystemExit) as error:
            self._tally.fill_error(error, fill.time_us)
        else:
            self._tally.fill_sound()

    def take_decisions(self) -> list[Decision]:
        """The decisions since the last call."""
        taken, self._decisions = self._decisions, []
        return taken


def _decision(
    answer: Answer, tick: Tick, occurrence: int, bar_us: int, outcome: SignalOutcome
) -> Decision:
    return Decision(
        time_us=tick.time_us,
        occurrence=occurrence,
        bid=tick.bid,
        ask=tick.ask,
        bar_us=bar_us,
        signal=answer.signal,
        probability=answer.probability,
        action=outcome.action,
        lots=outcome.lots,
        order_ids=" ".join(outcome.order_ids),
        detail=outcome.detail,
        note=answer.note,
    )
