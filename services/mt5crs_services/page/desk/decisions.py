"""The last decision of each strategy: its journal is read when a bar has closed, not every time."""

import contextlib

import msgspec

from mt5crs_services.page.desk.rows import LastSignal
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage.decision_log import Decision, DecisionLogError, read_decisions

AT_ONCE = 15
"""Journals that are read in one look, about: with more strategies each waits for its turn."""


class _Known(msgspec.Struct, frozen=True):
    """What was read: in which look, at which progress."""

    look: int
    progress: object
    signal: LastSignal | None


class LastDecisions:
    """Remembers them.

    Args:
        paths: The ``var`` folder.
    """

    def __init__(self, paths: VarPaths) -> None:
        self._paths = paths
        self._known: dict[str, _Known] = {}
        self._look = 0

    def next_look(self) -> None:
        """Another look begins."""
        self._look += 1

    def of(self, strategy: str, progress: object) -> LastSignal | None:
        """The last one; None: there is none, or it cannot be read.

        Args:
            strategy: Its name.
            progress: Whatever changes with a decision; as long as it is the same, nothing is read.
        """
        known = self._known.get(strategy)
        if known is not None:
            turns = len(self._known) / AT_ONCE
            if known.progress == progress or self._look - known.look < turns:
                return known.signal
        found: LastSignal | None = None
        with contextlib.suppress(DecisionLogError):
            newest = read_decisions(self._paths.journal(strategy), 1)
            found = shown_signal(newest[-1]) if newest else None
        self._known[strategy] = _Known(self._look, progress, found)
        return found


def shown_signal(decision: Decision) -> LastSignal:
    """A decision, as the page has it."""
    return LastSignal(
        word=decision.word,
        time=decision.time_us / 1e6,
        action=decision.action,
        why=decision.why,
        probability=decision.probability,
    )
