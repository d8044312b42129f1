"""What each strategy has made over the last minutes, as the view has seen it; pure."""

from collections import deque
from collections.abc import Sequence

from mt5crs_shared.control.status_report import StatusReport

SAMPLES = 60
"""Samples that are kept of each strategy."""

EVERY = 5.0
"""Seconds between two samples: five minutes in all."""

BLOCKS = "▁▂▃▄▅▆▇█"


class EquityRing:
    """The newest samples of realised and floating profit, by strategy."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[float]] = {}
        self._due = float("-inf")

    def sample(self, report: StatusReport, now: float) -> None:
        """Take a sample of everybody, where one is due.

        Args:
            report: The newest one.
            now: Seconds, monotonic.
        """
        if now < self._due or report.account is None:
            return  # Before the gateway's first word nothing is known, which is not nothing.
        # In step with the clock, unless a whole turn was missed.
        self._due = (self._due if now < self._due + EVERY else now) + EVERY
        before = self._samples
        self._samples = {}
        for row in (*report.strategies, *report.former):
            name = row.process.name
            kept = before.get(name, deque[float](maxlen=SAMPLES))
            kept.append(row.realised + row.floating)
            self._samples[name] = kept

    def of(self, name: str) -> tuple[float, ...]:
        """The samples of one strategy, account currency, the newest last."""
        return tuple(self._samples.get(name, ()))


def sparkline(values: Sequence[float], width: int) -> str:
    """The newest values as blocks, from the lowest to the highest of those that are shown."""
    shown = values[-width:] if width > 0 else ()
    if not shown:
        return ""
    low, span = min(shown), max(shown) - min(shown)
    if span < 0.005:  # less than a cent is no change
        return BLOCKS[0] * len(shown)
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[round((value - low) / span * top)] for value in shown)
