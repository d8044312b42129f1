"""What a strategy's signals, orders and errors have come to, counted as the words say."""

import logging

import msgspec

from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_shared.wording import place_of
from mt5crs_worker.answers import describe_answer, is_ours
from mt5crs_worker.features.source import Obtained
from mt5crs_worker.trading.bot import NOT_SENT, SignalOutcome

logger = logging.getLogger(__name__)


class Tally:
    """Counts over all processes of a strategy; `metrics` of one begin the next one's.

    An error is logged with its traceback when its line fails for the first time in this process,
    and then, on one line, each time that it has doubled.

    Args:
        begun: Where an earlier process stopped.
    """

    def __init__(self, begun: StrategyMetrics) -> None:
        self._counts = begun
        self._failures: dict[tuple[str, str], int] = {}

    @property
    def metrics(self) -> StrategyMetrics:
        """The counters of signals, orders and errors; the rest as it began."""
        return self._counts

    def begun_with(self, bars: int) -> None:
        """Note how many bars of a history file it begins with."""
        self._counts = msgspec.structs.replace(self._counts, history_bars=bars)

    def signal(self, outcome: SignalOutcome, time_us: int) -> None:
        """Count a signal that was no HOLD, its event time, and what became of it."""
        counts, results = self._counts, outcome.results
        missed = sum(result.code in NOT_SENT for result in results)
        filled = sum(result.status == "FILLED" for result in results)
        refused = sum(result.status == "REJECTED" for result in results) - missed
        is_reason_gone = bool(filled) and not outcome.detail
        self._counts = msgspec.structs.replace(
            counts,
            signals_generated=counts.signals_generated + 1,
            signals_untraded=counts.signals_untraded + (outcome.action == "NO_TRADE"),
            orders_sent=counts.orders_sent + len(results) - missed,
            orders_filled=counts.orders_filled + filled,
            orders_rejected=counts.orders_rejected + refused,
            orders_missed=counts.orders_missed + missed,
            last_reason="" if is_reason_gone else outcome.detail or counts.last_reason,
            last_reason_us=time_us if outcome.detail else counts.last_reason_us,
        )

    def features(self, obtained: Obtained) -> None:
        """Count where the features of an evaluation came from."""
        counts = self._counts
        if obtained.source == "api":
            self._counts = msgspec.structs.replace(
                counts, features_from_api=counts.features_from_api + 1, feature_faults_in_a_row=0
            )
            return
        self._counts = msgspec.structs.replace(
            counts,
            feature_faults=counts.feature_faults + 1,
            feature_faults_in_a_row=counts.feature_faults_in_a_row + 1,
            last_feature_fault=obtained.fault,
        )

    def error(self, error: BaseException, time_us: int) -> None:
        """Count an exception in the evaluation of a tick, and log it."""
        row = self._counts.errors_in_a_row + 1
        self._counts = msgspec.structs.replace(self._counts, errors_in_a_row=row)
        self._failed(error, time_us)

    def fill_error(self, error: BaseException, time_us: int) -> None:
        """Count an exception in the `on_fill` of a deal, and log it."""
        row = self._counts.fill_errors_in_a_row + 1
        self._counts = msgspec.structs.replace(self._counts, fill_errors_in_a_row=row)
        self._failed(error, time_us)

    def fill_sound(self) -> None:
        """`on_fill` went through without an error."""
        if self._counts.fill_errors_in_a_row:
            self._counts = msgspec.structs.replace(self._counts, fill_errors_in_a_row=0)

    def _failed(self, error: BaseException, time_us: int) -> None:
        counts = self._counts
        self._counts = msgspec.structs.replace(
            counts,
            error_count=counts.error_count + 1,
            last_error=describe_answer(error),
            last_error_us=time_us,
        )
        key = (type(error).__name__, place_of(error, is_ours))
        times = self._failures[key] = self._failures.get(key, 0) + 1
        if times == 1:
            logger.error("the strategy's code failed", exc_info=error)
        elif times & (times - 1) == 0:
            logger.error(
                "the strategy's code failed as before, x%d: %s", times, describe_answer(error)
            )

    def sound(self) -> None:
        """An evaluation went through without an error."""
        if self._counts.errors_in_a_row:
            self._counts = msgspec.structs.replace(self._counts, errors_in_a_row=0)
