"""Noticing that this process itself stood still: who slept judges nobody."""

from collections.abc import Callable, Iterable

from mt5crs_supervisor.children.child import Child

PAUSED = 1.0
"""Seconds between two turns that mean: this process, or the whole machine, stood still."""


class Pauses:
    """Sees the gaps between the turns of the loop.

    Args:
        tell: Tells the trader: child, kind, detail.
    """

    def __init__(self, tell: Callable[[str, str, str], None]) -> None:
        self._tell = tell
        self._turned_at: float | None = None

    def on_turn(self, now: float, children: Iterable[Child]) -> None:
        """A turn of the loop, all beats read: after a pause everybody gets a fresh time-out."""
        slept = now - self._turned_at if self._turned_at is not None else 0.0
        self._turned_at = now
        if slept > PAUSED:
            self._tell("supervisor", "paused", f"nothing ran for {slept:.1f} s")
            for child in children:
                child.on_pause(now)
