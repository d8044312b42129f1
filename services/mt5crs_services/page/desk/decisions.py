"""The last decision of each strategy: its journal is read when a bar has closed, not every time."""

import contextlib

from mt5crs_services.page.desk.rows import LastSignal
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage.decision_log import Decision, DecisionLogError, read_decisions

SIGNALS = {-1: "SELL", 0: "HOLD", 1: "BUY", 2: "EXIT"}


class LastDecisions:
    """Remembers them.

    Args:
        paths: The ``var`` folder.
    """

    def __init__(self, paths: VarPaths) -> None:
        self._paths = paths
        self._known: dict[str, tuple[object, LastSignal | None]] = {}

    def of(self, strategy: str, progress: object) -> LastSignal | None:
        """The last one; None: there is none, or it cannot be read.

        Args:
            strategy: Its name.
            progress: Whatever changes with a decision; as long as it is the same, nothing is read.
        """
        known = self._known.get(strategy)
        if known is not None and known[0] == progress:
            return known[1]
        found: LastSignal | None = None
        with contextlib.suppress(DecisionLogError):
            newest = read_decisions(self._paths.journal(strategy), 1)
            found = shown_signal(newest[-1]) if newest else None
        self._known[strategy] = progress, found
        return found


def shown_signal(decision: Decision) -> LastSignal:
    """A decision, as the page has it."""
    return LastSignal(
        word=SIGNALS.get(decision.signal, str(decision.signal)),
        time=decision.time_us / 1e6,
        action=decision.action,
        why="; ".join(filter(None, (decision.detail, decision.note))),
        probability=decision.probability,
    )
