"""A circuit breaker: who has failed a few times in a row is left alone for a while; pure."""

from typing import Final

FAILURES: Final = 3
"""Failures in a row after which nothing is asked for a while."""

FIRST_PAUSE: Final = 5.0
"""Seconds of the first pause; each failure of the one attempt after it doubles them."""

LONGEST_PAUSE: Final = 40.0
"""Seconds that a pause lasts at most: under a minute, so that each bar of a minute is asked for."""


class CircuitBreaker:
    """Closed: everything is tried. Open: nothing is. After a pause one attempt decides.

    Times are monotonic seconds and are handed in.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._open_until: float | None = None

    def pause_left(self, now: float) -> float:
        """Seconds in which nothing may be tried; 0.0: now something may."""
        if self._open_until is None:
            return 0.0
        return max(self._open_until - now, 0.0)

    def succeeded(self) -> None:
        """An attempt went well: everything before it is forgotten."""
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._open_until = None

    def failed(self, now: float) -> None:
        """An attempt failed."""
        if self._open_until is not None:
            self._pause = min(2.0 * self._pause, LONGEST_PAUSE)
            self._open_until = now + self._pause
            return
        self._failures += 1
        if self._failures >= FAILURES:
            self._open_until = now + self._pause
