"""A dead man's switch: an address that is fetched as long as the system lives."""

from collections.abc import Callable
from concurrent.futures import Future

EVERY = 60.0
"""Seconds between two fetches."""


class AliveSignal:
    """Fetches an address every minute.

    Args:
        fetch: Begins to fetch it, beside the process's loop.

    Attributes:
        trouble: Why it could not be fetched; empty: it could.
    """

    def __init__(self, fetch: Callable[[], "Future[None]"]) -> None:
        self.trouble = ""
        self._fetch = fetch
        self._flying: Future[None] | None = None
        self._next = 0.0

    def on_turn(self, now: float) -> None:
        """Fetch it where it is time; monotonic time, seconds."""
        if self._flying is not None and self._flying.done():
            error = self._flying.exception()
            self.trouble = f"alive_url: {error}" if error is not None else ""
            self._flying = None
        if self._flying is None and now >= self._next:
            self._next = now + EVERY
            self._flying = self._fetch()
