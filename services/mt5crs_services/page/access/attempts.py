"""Wrong tokens: so many from one address, and so many altogether, and then a while nothing."""

from collections import OrderedDict, deque
from collections.abc import Callable

OF_ONE = 5
"""Wrong tokens from one address within :data:`WITHIN`."""

OF_ALL = 50
"""Wrong tokens from anywhere within :data:`WITHIN`: more are not even looked at."""

WITHIN = 60.0
"""Seconds that a wrong token counts."""

ADDRESSES = 1_000
"""Addresses that are remembered, the newest."""


class Attempts:
    """Counts them.

    Args:
        monotonic: The monotonic clock, seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._all: deque[float] = deque(maxlen=OF_ALL)
        self._of: OrderedDict[str, deque[float]] = OrderedDict()

    def failed(self, address: str) -> None:
        """One more, from there."""
        now = self._monotonic()
        self._all.append(now)
        self._of.setdefault(address, deque(maxlen=OF_ONE)).append(now)
        self._of.move_to_end(address)
        while len(self._of) > ADDRESSES:
            self._of.popitem(last=False)

    def wait(self, address: str) -> float:
        """Seconds until another one from there is looked at; 0.0: now."""
        return max(
            self._left(self._all, OF_ALL), self._left(self._of.get(address, deque()), OF_ONE)
        )

    def _left(self, times: deque[float], most: int) -> float:
        if len(times) < most:
            return 0.0
        return max(times[0] + WITHIN - self._monotonic(), 0.0)
