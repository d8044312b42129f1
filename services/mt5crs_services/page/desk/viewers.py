"""Whoever looks: each has a short queue; one that does not read in time gets everything anew."""

import asyncio
from collections.abc import Callable

QUEUED = 16
"""Messages that wait for one viewer."""

MOST = 32
"""Viewers at once; one more is asked to come back later."""


class Viewer:
    """One open stream.

    Attributes:
        behind: What waited was thrown away: it is to be told everything.
    """

    def __init__(self) -> None:
        self.behind = False
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUED)

    def give(self, message: bytes | None) -> None:
        """Queue a message; None: the stream ends."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            while not self._queue.empty():
                self._queue.get_nowait()
            self.behind = True
            self._queue.put_nowait(message)

    async def take(self) -> bytes | None:
        """The next message; None: the stream ends."""
        return await self._queue.get()


class TooManyViewers(Exception):  # noqa: N818 - a state of affairs
    """There are as many viewers as there may be. Whoever asks is told to come back later."""


class Audience:
    """All viewers; of one event loop.

    Args:
        on_first: Called when somebody looks again after nobody did.
    """

    def __init__(self, on_first: Callable[[], None]) -> None:
        self._viewers: set[Viewer] = set()
        self._on_first = on_first

    def __len__(self) -> int:
        return len(self._viewers)

    def join(self) -> Viewer:
        """One more looks.

        Raises:
            TooManyViewers: There are too many.
        """
        if len(self._viewers) >= MOST:
            raise TooManyViewers
        viewer = Viewer()
        self._viewers.add(viewer)
        if len(self._viewers) == 1:
            self._on_first()
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """One has gone."""
        self._viewers.discard(viewer)

    def tell(self, message: bytes, everything: Callable[[], bytes]) -> None:
        """Give everybody a message, and those who were behind what everything is now."""
        for viewer in self._viewers:
            if viewer.behind:
                viewer.behind = False
                viewer.give(everything())
            else:
                viewer.give(message)
