"""When a strategy's checkpoint is kept, what is in it besides, and whether an old one is of use."""

import time

import msgspec

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.rates import RateBook
from mt5crs_shared.market.stream import TickStream
from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_shared.storage.decision_log import Decision
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.trading.journal import Checkpoint, Journal, KeptRate, identity_of

CHECKPOINT_EVERY = 1.0
"""Seconds between checkpoints while ticks come but no bar closes."""

CHECKPOINT_TICKS = 1_000
"""Ticks between checkpoints while they come faster than that."""


class Checkpoints:
    """Keeps where a strategy stands.

    Args:
        journal: Where it is kept.
        strategy: The strategy's entry.
        checkpoint: What an earlier process left.
        rates: Rates that go along.

    Attributes:
        decide_from_us: Event time from which ticks are decided on; None: not known yet.
    """

    def __init__(
        self,
        journal: Journal,
        strategy: StrategyConfig,
        checkpoint: Checkpoint | None,
        rates: RateBook,
    ) -> None:
        self.decide_from_us = checkpoint.decide_from_us if checkpoint is not None else None
        self._journal = journal
        self._symbol = strategy.symbol
        self._rates = rates
        self._kept_rates = checkpoint.rates if checkpoint is not None else {}
        self._decisions: list[Decision] = []
        self._events: list[tuple[str, str]] = []
        self._saved_at = time.monotonic()
        self._saved_ticks = 0

    @property
    def none_yet(self) -> bool:
        """This process has not kept a tick so far."""
        return not self._saved_ticks

    def take(self, decisions: list[Decision]) -> None:
        """Decisions that are kept with the next checkpoint."""
        self._decisions.extend(decisions)

    def tell(self, kind: str, detail: str) -> None:
        """Something that is true only if the strategy goes on from the next checkpoint.

        A process that dies before has taken nothing back: the next one finds out for itself.
        """
        self._events.append((kind, detail))

    def is_due(self, instance: StrategyInstance) -> bool:
        """Whether it is time for the next one."""
        ticks = instance.ticks_processed - self._saved_ticks
        overdue = time.monotonic() - self._saved_at >= CHECKPOINT_EVERY
        return ticks >= CHECKPOINT_TICKS or bool(ticks and overdue)

    def save(
        self, instance: StrategyInstance, stream: TickStream, metrics: StrategyMetrics
    ) -> None:
        """Keep everything up to the last tick of the last batch.

        Raises:
            JournalError: It cannot be kept; the process must end.
            ReplacedError: A newer process of this strategy trades.
            StateError: The strategy's state cannot be kept.
        """
        if self.decide_from_us is not None:
            mark = stream.mark(self._symbol)
            checkpoint = instance.checkpoint(mark, self.decide_from_us, metrics)
            rates = self._rates_so_far(instance, stream)
            checkpoint = msgspec.structs.replace(checkpoint, rates=rates)
            self._journal.save(checkpoint, self._decisions, self._events)
            self._decisions.clear()
            self._events.clear()
        self._saved_at = time.monotonic()
        self._saved_ticks = instance.ticks_processed

    def _rates_so_far(self, instance: StrategyInstance, stream: TickStream) -> dict[str, KeptRate]:
        """Where the rates stand; while they are ahead of the strategy, where they stood."""
        if stream.caught_up:
            self._rates.forget(instance.last_tick_time_us)
            self._kept_rates = {
                symbol: KeptRate(stream.mark(symbol), state)
                for symbol, state in self._rates.states.items()
            }
        return self._kept_rates


def load_checkpoint(journal: Journal, strategy: StrategyConfig, by_hand: bool) -> Checkpoint | None:
    """The last checkpoint, unless it belongs to another strategy or is damaged.

    Args:
        journal: Where it is kept.
        strategy: The strategy's entry.
        by_hand: Somebody wanted this process: it begins with a clean record.
    """
    saved = journal.load()
    if saved is None:
        return None
    wanted = identity_of(strategy)
    if saved.identity != wanted:
        journal.event("checkpoint_left", f"it is of {saved.identity}, not {wanted}")
        return None
    try:
        BarWindow.from_bytes(saved.window)
    except ValueError as error:
        journal.event("checkpoint_damaged", str(error))
        return None
    if not by_hand:
        return saved
    clean = msgspec.structs.replace(
        saved.metrics, errors_in_a_row=0, fill_errors_in_a_row=0, feature_faults_in_a_row=0
    )
    return msgspec.structs.replace(saved, metrics=clean)
