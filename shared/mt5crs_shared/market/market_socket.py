"""The market's socket: what a publisher sends, decoded; what is refused, counted."""

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection
from datetime import tzinfo
from typing import Literal

import msgspec
import zmq

from mt5crs_shared.market import wire
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire_formats import SHOWN
from mt5crs_shared.sockets.connection import Connection, readable
from mt5crs_shared.sockets.curve import KeyPlaces, read_keys
from mt5crs_shared.sockets.opening import MEDIUM, open_socket

logger = logging.getLogger(__name__)

SIMULATED = b"\x00mt5crs-simulated"
"""What our own feeds greet each subscriber with: this market waits for its readers."""

RECEIVE_LIMIT = 256
"""Messages taken in one go, so that the loop beats in between."""

READ_AHEAD = 1_000
"""Messages that wait in a reader of a feed of ours, which waits for its slowest reader."""

BUFFER = 65_536
"""Bytes of the kernel's buffers there, for the same reason."""

TELL_EVERY = 60.0
"""Seconds between two lines of the log about frames that were refused."""

ZERO_COPY_RECV = 10
"""ZMQ_ZERO_COPY_RECV of zmq.h, which pyzmq has no name for."""

Link = Literal["whole", "lost", "mixed"]
"""Whether what waits was published on one connection: on the one that was lost, on two, or more."""


def new_context() -> "zmq.Context[zmq.Socket[bytes]]":
    """A process's ZMQ context, for a market whose ticks may have to wait.

    Without the option a message that waits keeps the whole buffer that it was received in, 8 kB
    instead of a quarter of one.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    # Only a matter of memory, where libzmq was built without it.
    with contextlib.suppress(zmq.ZMQError):
        context.set(ZERO_COPY_RECV, 0)
    return context


class Received(msgspec.Struct, frozen=True):
    """What one look at the socket brought.

    Attributes:
        ticks: In the order they were published, each with its time of receipt in us.
        interrupted: The connection was lost after `ticks`. There are none where it is back
            already, since nobody can tell which came before and which after.
        whole: Everything that waited was taken.
    """

    ticks: list[tuple[Tick, int]]
    interrupted: bool
    whole: bool


class Refusals:
    """Frames that were not taken, by reason; told in the log now and then."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.counts: Counter[str] = Counter()
        self.newest = ""
        self._monotonic = monotonic
        self._tell_at = monotonic()

    @property
    def total(self) -> int:
        """Frames refused so far; those of other symbols do not count."""
        return self.counts.total() - self.counts[wire.OTHER_SYMBOL.reason]

    def __str__(self) -> str:
        counted = ", ".join(f"{n} {reason}" for reason, n in self.counts.most_common())
        return f"{counted}; the newest begins {self.newest}" if counted else ""

    def add(self, ignored: wire.Ignored, frames: list[bytes]) -> None:
        """Count one message."""
        self.counts[ignored.reason] += 1
        self.newest = repr(b" | ".join(frames[:3])[:SHOWN])
        if ignored.detail:
            self.newest += f": {ignored.detail[:SHOWN]}"
        now = self._monotonic()
        if now >= self._tell_at and ignored != wire.OTHER_SYMBOL:
            self._tell_at = now + TELL_EVERY
            logger.warning("frames that are no ticks are left out: %s", self)


class MarketSocket:
    """Subscribes to some symbols.

    Each symbol has prefixes of its own, `wire.subscriptions`. Not every frame begins with its
    symbol, so a connection begins with `wire.WIDER` as well, which bring all symbols. Once each
    symbol has come by a prefix of its own, they are given up: they would bring nothing but the
    frames of others. A symbol that has come so is taken in no other way on that connection, so
    that all readers take the same, whatever else they wait for.

    Args:
        context: The process's ZMQ context.
        url: Where ticks are published.
        symbols: What to subscribe to.
        presence: Subscribed to as well, for the publisher to see.
        own_feed: The publisher is a feed of ours, a process of this installation: it waits for
            readers that are slow, and its death is seen at once.
        zone: Where the publisher's clock is; None: see `wire.decode`.
        keys: Where the keys of the connection are; None: it is in the clear.
        wall_us: Wall time in us since the epoch, for frames without a time.
        monotonic: The monotonic clock, seconds.

    Raises:
        KeyFileError: The keys cannot be used.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        url: str,
        symbols: Collection[str],
        presence: bytes | None = None,
        own_feed: bool = False,
        zone: tzinfo | None = None,
        keys: KeyPlaces | None = None,
        wall_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.simulated = own_feed
        self.refusals = Refusals(monotonic)
        self._own_feed = own_feed
        self._prefixes = {symbol: wire.subscriptions(symbol) for symbol in symbols}
        self._sought: set[str] = set()
        self._zone = zone
        self._wall_us = wall_us
        self._link: Link = "whole"
        self._greeted = False
        # A tick is smaller by far; who publishes other things as well is not cut off for them.
        self.socket = open_socket(context, zmq.SUB, MEDIUM)
        self._set_options(url)
        self.socket.setsockopt(zmq.SUBSCRIBE, SIMULATED)
        if presence is not None:
            self.socket.setsockopt(zmq.SUBSCRIBE, presence)
        self._seek()
        for prefixes in self._prefixes.values():
            for prefix in prefixes:
                self.socket.setsockopt(zmq.SUBSCRIBE, prefix)
        self.connection = Connection(self.socket, url, read_keys(keys), monotonic)
        self.sockets = (self.socket, self.connection.monitor)

    def read(self) -> Received:
        """Take what waits, about RECEIVE_LIMIT messages."""
        ticks: list[tuple[Tick, int]] = []
        self._greeted = False
        while True:
            known = self._link
            whole = self._take_waiting(ticks)
            # Looked at last: the word of an interruption, or of its end, is here before anything
            # that came after it.
            self._look_at_link()
            if self._link == "mixed":
                self._drop_waiting()
                self._begin_anew()
                return Received([], True, True)
            if self._link == "whole" or not whole:
                return Received(ticks, False, whole)
            if known == "lost":
                self._begin_anew()
                return Received(ticks, True, True)

    def close(self) -> None:
        """Give the sockets back."""
        self.connection.close()

    def _set_options(self, url: str) -> None:
        self.socket.setsockopt(zmq.RECONNECT_IVL, 50)
        self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
        if self._own_feed:
            self.socket.setsockopt(zmq.RCVHWM, READ_AHEAD)
            self.socket.setsockopt(zmq.RCVBUF, BUFFER)
            return
        # Without a bound of our own: at a bound libzmq stops reading, its own heartbeats too, and
        # the publisher's answer to them is taken for dead.
        self.socket.setsockopt(zmq.RCVHWM, 0)
        if url.startswith("tcp"):
            self.socket.setsockopt(zmq.HEARTBEAT_IVL, 500)
            self.socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 1000)

    def _take(self, frames: list[bytes], ticks: list[tuple[Tick, int]]) -> None:
        if frames[0] == SIMULATED:
            self.simulated = self._greeted = True
            return
        received_us = self._wall_us()
        tick = wire.decode(frames, received_us, self._zone)
        if isinstance(tick, wire.Ignored):
            # One that names no symbol of ours is somebody else's.
            if any(symbol.encode() in part for symbol in self._prefixes for part in frames[:3]):
                self.refusals.add(tick, frames)
        elif tick.symbol not in self._prefixes:
            if self._asked_for(frames):
                self.refusals.add(wire.OTHER_SYMBOL, frames)
        elif self._sought and not self._is_taken(tick.symbol, frames):
            self.refusals.add(wire.SECOND_SHAPE, frames)
        else:
            ticks.append((tick, received_us))

    def _asked_for(self, frames: list[bytes]) -> bool:
        """Whether a message begins as one of ours does."""
        return any(frames[0].startswith(prefixes) for prefixes in self._prefixes.values())

    def _is_taken(self, symbol: str, frames: list[bytes]) -> bool:
        """Whether a tick is to be taken, of all those that the wider prefixes bring as well."""
        if not frames[0].startswith(self._prefixes[symbol]):
            return symbol in self._sought
        self._sought.discard(symbol)
        if not self._sought:
            for prefix in wire.WIDER:
                self.socket.setsockopt(zmq.UNSUBSCRIBE, prefix)
        return True

    def _seek(self) -> None:
        """Subscribe to all beginnings, until the symbols have come by their own."""
        if self._own_feed:
            return
        if not self._sought:
            for prefix in wire.WIDER:
                self.socket.setsockopt(zmq.SUBSCRIBE, prefix)
        self._sought.update(self._prefixes)

    def _take_waiting(self, ticks: list[tuple[Tick, int]]) -> bool:
        """Take at most RECEIVE_LIMIT messages; True where no more wait."""
        for _ in range(RECEIVE_LIMIT):
            try:
                frames = self.socket.recv_multipart(zmq.DONTWAIT, copy=True)
            except zmq.Again:
                return True
            self._take(frames, ticks)
        return False

    def _look_at_link(self) -> None:
        """See whether the connection was made, or lost."""
        for made in self.connection.changes():
            if made:
                self.simulated = self._own_feed or self._greeted
                self._link = "whole" if self._link == "whole" else "mixed"
            elif self._link == "whole":
                logger.warning("the market socket was disconnected")
                self._link = "lost"

    def _begin_anew(self) -> None:
        """Whoever publishes on the next connection may send another shape."""
        self._link = "whole"
        self._seek()

    def _drop_waiting(self) -> None:
        """Leave everything that waits to the tape: it may be from before the interruption."""
        while readable(self.socket):
            if self.socket.recv_multipart(zmq.DONTWAIT, copy=True)[0] == SIMULATED:
                self.simulated = self._greeted = True
