"""A strategy's counters as they are shown: they never go back while its processes change."""

from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import StrategyStatus

COUNTS = (
    ("ticks_received_total", "Frames of its symbol.", "ticks_received"),
    ("ticks_processed_total", "Ticks that went through bars and strategy.", "ticks_processed"),
    ("ticks_bad_total", "Ticks that were not believed, and skipped.", "ticks_bad"),
    ("ticks_missed_total", "Ticks that can no longer be had.", "ticks_missed"),
    ("frames_refused_total", "Messages of the market that were no ticks.", "frames_refused"),
    ("interruptions_total", "Times that nobody was connected to the market.", "interruptions"),
    ("bars_total", "Closed bars.", "bars"),
    ("signals_total", "Evaluations that came out BUY, SELL or EXIT.", "signals_generated"),
    ("orders_sent_total", "Orders that left for the gateway.", "orders_sent"),
    ("features_asked_total", "Evaluations on features of the API.", "features_from_api"),
    ("feature_faults_total", "Evaluations for which the API gave none.", "feature_faults"),
    ("errors_total", "Exceptions in the strategy's code.", "error_count"),
)
"""Name, words and field of what a strategy counts since its journal began."""

ORDERS = {
    "filled": "orders_filled",
    "rejected": "orders_rejected",
    "missed": "orders_missed",
}
"""How an order ends, and the field that counts it; see `StrategyMetrics`."""

COUNTED = (*(field for _name, _words, field in COUNTS), *ORDERS.values())
"""Those fields: they only rise, in every process that goes on from a checkpoint."""


class SteadyCounters:
    """What each counter had reached.

    A process that replaces a dead one begins with its checkpoint, which may be a second old, and
    counts up from there what the dead one had counted already. To Prometheus a counter that goes
    back has begun at zero: it would count everything again. So what a counter has reached is shown
    until it gets there once more.

    A process that was asked to stop leaves a checkpoint of all, so nothing is kept of it: its
    journal may be another one when it starts again.
    """

    def __init__(self) -> None:
        self._reached: dict[str, dict[str, int]] = {}

    def of(self, status: StrategyStatus) -> dict[str, int]:
        """The counters of a strategy by their fields; empty before its first beat."""
        name, metrics = status.process.name, status.metrics
        reached = self._reached.pop(name, {})
        if metrics is not None:
            told = {field: getattr(metrics, field) for field in COUNTED}
            reached = {field: max(value, reached.get(field, 0)) for field, value in told.items()}
        if status.process.state != State.STOPPED:
            self._reached[name] = reached
        return reached
