"""A connection that has to ask, and to read: one that does neither takes nobody's place."""

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST: Final = 120
"""Connections at once; for one more the one goes that has waited the longest without asking."""

PATIENCE: Final = 10.0
"""Seconds that a connection may take over a request, or read nothing of its answer; at most twice
that until it is seen."""


class AskingConnection(H11Protocol):
    """uvicorn waits for ever for a request's beginning and end, and for whoever does not read.

    It is cut off instead. A browser asks at once, and comes back by itself.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._since = self.loop.time()
        self._seen: object = None
        self._check: asyncio.TimerHandle | None = None

    @property
    def is_answered(self) -> bool:
        """A request is there in full, and its answer is under way."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        return self.conn.their_state is not h11.SEND_BODY

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See that there is room for it."""
        super().connection_made(transport)  # type: ignore[arg-type]  # as uvicorn declares it
        self._check = self.loop.call_later(PATIENCE, self._look)
        if len(self.connections) > MOST:
            waiting = [
                other
                for other in self.connections
                if isinstance(other, AskingConnection) and not other.is_answered
            ]
            # At least this one waits.
            min(waiting, key=lambda other: other._since).cut()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._check is not None:
            self._check.cancel()
        super().connection_lost(exc)

    def cut(self) -> None:
        """End it; its place is free at once."""
        self.connections.discard(self)
        self.transport.abort()

    def _look(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if self.is_answered:
            stands = (self.cycle, unread) if self.flow.write_paused else None
        else:
            stands = (self.cycle, unread)
        if stands is not None and stands == self._seen:
            self.cut()
            return
        self._seen = stands
        self._check = self.loop.call_later(PATIENCE, self._look)
