"""Several children that fall together: one incident of the host or the feed, not many faults."""

from collections import deque
from collections.abc import Callable

import msgspec

WINDOW = 2.0
"""Seconds within which deaths belong together."""

LEAST = 3
"""Fewer deaths than this are never an incident."""

SHARE = 0.5
"""Share of all children that must fall."""

STAGGER = 0.05
"""Seconds between the respawns of an incident, so that they do not fight for the processor."""

QUIET = 10.0
"""Seconds without a further death after which an incident is over."""


class OpenIncident(msgspec.Struct, frozen=True):
    """What is known of one when it is recognised, or over.

    Attributes:
        names: Who fell, in order.
        begun: Monotonic time of the first death.
    """

    names: tuple[str, ...]
    begun: float


class IncidentWatch:
    """Groups deaths; pure, the clock is handed in.

    Args:
        children: Says how many there are.
    """

    def __init__(self, children: Callable[[], int]) -> None:
        self._children = children
        self._deaths: deque[tuple[float, str]] = deque()
        self._names: list[str] = []
        self._begun = 0.0
        self._last = 0.0

    @property
    def going_on(self) -> bool:
        """An incident has been recognised and is not over."""
        return bool(self._names)

    def on_death(self, name: str, now: float) -> OpenIncident | None:
        """Note a death.

        Returns:
            The incident, at the death by which it is recognised; None at all others.
        """
        self._last = now
        if self.going_on:
            self._names.append(name)
            return None
        self._deaths.append((now, name))
        while now - self._deaths[0][0] > WINDOW:
            self._deaths.popleft()
        needed = max(LEAST, round(self._children() * SHARE))
        if len({fallen for _, fallen in self._deaths}) < needed:
            return None
        self._names = [fallen for _, fallen in self._deaths]
        self._begun = self._deaths[0][0]
        self._deaths.clear()
        return OpenIncident(tuple(self._names), self._begun)

    def stagger(self) -> float:
        """Seconds that the respawn of the child that fell last waits."""
        return STAGGER * len(self._names)

    def over(self, now: float) -> OpenIncident | None:
        """The incident, once, when it is over; its deaths are then to be forgiven."""
        if not self.going_on or now - self._last < QUIET:
            return None
        ended = OpenIncident(tuple(self._names), self._begun)
        self._names = []
        return ended
