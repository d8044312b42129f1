"""Noticing that this process itself stood still: who slept judges nobody."""

from collections.abc import Callable, Iterable

from mt5crs_shared.events import SUPERVISOR, AnyEvent, Paused
from mt5crs_supervisor.children.child import Child

PAUSED = 1.0
"""Seconds between two turns that mean: this process, or the whole machine, stood still."""


class Pauses:
    """Sees the gaps between the turns of the loop.

    Args:
        notify: Keeps an event, and tells it.
    """

    def __init__(self, notify: Callable[[AnyEvent], None]) -> None:
        self._notify = notify
        self._turned_at: float | None = None

    def on_turn(self, now: float, children: Iterable[Child]) -> None:
        """A turn of the loop, all beats read: after a pause everybody gets a fresh time-out."""
        slept = now - self._turned_at if self._turned_at is not None else 0.0
        self._turned_at = now
        if slept > PAUSED:
            self._notify(Paused(SUPERVISOR, slept))
            for child in children:
                child.on_pause(now)
