"""The way to a bridge: one request at a time, and whose answer came, however late.

A bridge serves one client at a time, and one request after the other. A request whose answer is
given up keeps its socket: what comes there later answers that request, and can be taken for no
other's.
"""

import enum
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator

import msgspec
import zmq

from mt5crs_shared.sockets.connection import Connection
from mt5crs_shared.sockets.curve import KeyPlaces, read_keys
from mt5crs_shared.sockets.opening import open_socket

logger = logging.getLogger(__name__)

LARGEST = 1 << 20
"""Bytes of an answer; who sends more is disconnected."""

AWAY_AFTER = 2.0
"""Seconds without a connection after which people are told."""

LATE_FOR = 3_600.0
"""Seconds for which an answer that was given up is still listened for."""

LATE_SOCKETS = 64
"""Answers that are listened for at the same time; the oldest is given up for good."""


class Arrival(enum.Enum):
    """What came of a request.

    ANSWERED: its answer, in time. LATE: its answer, after it was given up. TIMED_OUT: none, and
    the request may have been carried out.
    """

    ANSWERED = enum.auto()
    LATE = enum.auto()
    TIMED_OUT = enum.auto()


class BridgeMessage(msgspec.Struct, frozen=True):
    """What came of a request.

    Attributes:
        key: Its name.
        arrival: How.
        body: Its answer; empty where there is none.
        sent_at: Monotonic time at which it left, seconds.
    """

    key: str
    arrival: Arrival
    body: bytes
    sent_at: float


class _Asked(msgspec.Struct):
    """A request that has left, and the line that it left by."""

    key: str
    deals: bool
    line: Connection
    sent_at: float
    until: float


class BridgeLink:
    """Asks a bridge.

    Args:
        context: The process's ZMQ context.
        url: Where the bridge listens.
        timeout: Seconds until an answer is given up.
        poller: Who waits for the process's sockets; those of this link are kept registered.
        monotonic: The monotonic clock, seconds.
        keys: Where the keys of the connection are; None: it is in the clear.

    Raises:
        KeyFileError: The keys cannot be used.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        url: str,
        timeout: float,
        poller: zmq.Poller,
        monotonic: Callable[[], float] = time.monotonic,
        keys: KeyPlaces | None = None,
    ) -> None:
        self._context = context
        self._url = url
        self._timeout = timeout
        self._poller = poller
        # Read once: whoever trades goes on where the files are moved.
        self._keys = read_keys(keys)
        self._monotonic = monotonic
        self._current: _Asked | None = None
        self._late: deque[_Asked] = deque()
        self._connected_at = monotonic()
        self._line = self._open()

    @property
    def connected(self) -> bool:
        """Somebody is there, as far as can be told; while an answer is awaited that is unknown."""
        return self._current is not None or bool(self._line.socket.poll(0, zmq.POLLOUT))

    @property
    def away_for(self) -> float:
        """Seconds for which nobody has been there, whenever it was asked."""
        now = self._monotonic()
        if self.connected:
            self._connected_at = now
        return now - self._connected_at

    @property
    def ready(self) -> bool:
        """Nothing is being waited for, and somebody is there to be asked."""
        return self._current is None and self.connected

    @property
    def refusal(self) -> str:
        """Why the last handshake failed, in words; empty: it did not."""
        return self._line.refusal

    @property
    def trouble(self) -> str:
        """Why nothing can be sent, for people; empty: somebody is there, or was a moment ago."""
        away = self.away_for
        if away < AWAY_AFTER:
            return ""
        why = f" ({self.refusal})" if self.refusal else ""
        return f"not connected to the bridge for {away:.0f} s{why}: nothing can be sent"

    def send(self, key: str, body: bytes, deals: bool) -> bool:
        """Ask; only while it is ready.

        Args:
            key: Names the request.
            body: The frame.
            deals: It can trade, and a late answer is listened for.

        Returns:
            Whether it has left. Otherwise the connection has just been lost; nothing was sent.
        """
        assert self._current is None, "one at a time"
        try:
            self._line.socket.send_multipart([b"", body], zmq.DONTWAIT)
        except zmq.Again:
            return False
        now = self._monotonic()
        self._current = _Asked(key, deals, self._line, now, now + self._timeout)
        return True

    def listens_for(self, key: str) -> bool:
        """Whether a late answer to a request of that name may still come."""
        return any(each.key == key for each in self._late)

    def turn(self) -> Iterator[BridgeMessage]:
        """What has come of requests since the last turn."""
        self.tend()
        yield from self._hear_late()
        if self._current is not None:
            yield from self._hear_current(self._current)

    def tend(self) -> None:
        """See how the connection is, and connect anew where it was given up."""
        for _ in self._line.changes():
            pass  # What counts is whether a request can leave.
        self._line.mend()

    def next_due(self) -> float:
        """Seconds until `turn` has something to do without an answer."""
        due = self._line.next_due()
        if self._current is None:
            return due
        return max(min(due, self._current.until - self._monotonic()), 0.0)

    def close(self) -> None:
        """Give the sockets back; what was not answered is not known."""
        for each in self._late:
            self._drop(each.line)
        self._drop(self._line)

    def _open(self) -> Connection:
        # A DEALER that speaks to a REP: unlike a REQ, it can be read after its answer was given up.
        socket = open_socket(self._context, zmq.DEALER, LARGEST)
        socket.setsockopt(zmq.LINGER, 0)
        # Nothing is queued for a bridge that is away: it would be dealt when it comes back.
        socket.setsockopt(zmq.IMMEDIATE, 1)
        socket.setsockopt(zmq.SNDHWM, 1)
        socket.setsockopt(zmq.RCVHWM, 8)
        socket.setsockopt(zmq.RECONNECT_IVL, 50)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1_000)
        socket.setsockopt(zmq.HEARTBEAT_IVL, 500)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 2_000)
        self._poller.register(socket, zmq.POLLIN)
        return Connection(socket, self._url, self._keys, self._monotonic)

    def _drop(self, line: Connection) -> None:
        self._poller.unregister(line.socket)
        line.close()

    def _hear_current(self, asked: _Asked) -> Iterator[BridgeMessage]:
        body = _answer_in(asked.line.socket)
        if body is not None:
            self._current = None
            yield BridgeMessage(asked.key, Arrival.ANSWERED, body, asked.sent_at)
        elif self._monotonic() >= asked.until:
            self._current = None
            self._line = self._open()
            if asked.deals:
                asked.until = self._monotonic() + LATE_FOR
                self._late.append(asked)
            else:
                self._drop(asked.line)
            yield BridgeMessage(asked.key, Arrival.TIMED_OUT, b"", asked.sent_at)

    def _hear_late(self) -> Iterator[BridgeMessage]:
        now = self._monotonic()
        for asked in list(self._late):
            body = _answer_in(asked.line.socket)
            if body is None and now < asked.until and len(self._late) <= LATE_SOCKETS:
                continue
            self._late.remove(asked)
            self._drop(asked.line)
            if body is not None:
                logger.warning("a late answer to %s: %r", asked.key, body[:160])
                yield BridgeMessage(asked.key, Arrival.LATE, body, asked.sent_at)


def _answer_in(socket: "zmq.Socket[bytes]") -> bytes | None:
    """The answer that waits in a socket; None: there is none."""
    while True:
        try:
            frames = socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return None
        if len(frames) == 2 and not frames[0]:
            return frames[1]
        logger.warning("a bridge sent %d frames, which is no answer", len(frames))
