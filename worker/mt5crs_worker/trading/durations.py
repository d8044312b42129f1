"""How long things took, counted in a few buckets: what a process tells of it costs no more."""

from bisect import bisect_left

from mt5crs_shared.metrics import Durations


class DurationCounter:
    """Counts since this process began; it decides nothing, and is in no checkpoint.

    Args:
        bounds: Upper bounds of the buckets but the last, seconds, rising.
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._seconds += seconds

    @property
    def counted(self) -> Durations:
        """What was counted so far."""
        return Durations(tuple(self._counts), self._seconds)
