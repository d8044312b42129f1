"""Publishing ticks: at the pace of their times, dropping none, answering for the past."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import zmq

from mt5crs_services.feed.files import FeedFileError
from mt5crs_services.feed.sources import FeedPosition, ReplaySource, Source, SyntheticSource
from mt5crs_services.ring import TickRing
from mt5crs_shared.configuration.structs import FeedConfig
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market import wire
from mt5crs_shared.market.market_socket import BUFFER, SIMULATED
from mt5crs_shared.market.stream import TAPE_PRESENCE
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.sockets.opening import SMALL, bind_own, open_socket

KEPT = 50_000
"""Published ticks of each symbol that a tape may still ask for."""

SEND_AHEAD = 10_000
"""Ticks that a subscriber may be behind; the gateway remembers more than that, for their orders."""

AT_ONCE = 500
"""Ticks sent before the owner's loop gets its turn."""

TAPE_WITHIN = 5.0
"""Seconds that the first tick waits for a tape to subscribe."""


class FeedError(Mt5crsError):
    """The feed cannot publish. It ends, and says why."""


def bindable(url: str) -> str:
    """The address to bind where subscribers connect to `url`: a host name becomes its number."""
    return url.replace("//localhost:", "//127.0.0.1:")


def make_source(
    config: FeedConfig, symbols: dict[str, SymbolSpec], paths: VarPaths | None
) -> Source:
    """The source that a configuration describes."""
    if config.kind == "replay":
        return ReplaySource([Path(name) for name in config.files], KEPT, config.symbol)
    state = paths.feed_state if paths is not None else None
    return SyntheticSource(config, list(symbols.values()), state, time.time_ns() // 1000)


class Publisher:
    """Sends a source's ticks on a PUB socket.

    Args:
        context: The process's ZMQ context.
        url: Where subscribers connect; bound here.
        config: The feed's configuration.
        source: What to send.
        position: How far an earlier process came.
        monotonic: The monotonic clock, seconds.

    Raises:
        FeedError: The address is in use, or cannot be bound; or there is no first tick, since the
            source cannot be read.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        url: str,
        config: FeedConfig,
        source: Source,
        position: FeedPosition,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rings: dict[str, TickRing] = {}
        self._speed = config.speed
        self._position = position
        self._monotonic = monotonic
        self._generation = int.from_bytes(os.urandom(6), "big")
        self.socket = self._bind(context, url)
        self._hand_history(source)
        self._next: Tick | None = None
        self._failure: FeedFileError | None = None
        self._unsent: bytes | None = None
        self._ticks = self._resume(source)
        self._advance()
        if self._next is None:
            self._tell_failure()
        self._anchor: tuple[float, int] | None = None
        self._opened = monotonic()
        self.subscribed = False
        self.tape_there = False

    @property
    def published(self) -> int:
        """Ticks published so far, by this process and those before it."""
        return self._position.published

    @property
    def over(self) -> bool:
        """Every tick of the source has been sent."""
        return self._next is None and self._unsent is None and self._failure is None

    @property
    def newest_us(self) -> int:
        """Event time of the next tick; 0 at the end."""
        return self._next.time_us if self._next is not None else 0

    def may_begin(self, asked: bool, patience: float = TAPE_WITHIN) -> bool:
        """A tape listens and can ask, or none came within `patience` but somebody else did.

        A tape that sees the first live tick before it could ask for the history goes on without.

        Args:
            asked: The tape has asked for what came before.
            patience: Seconds.
        """
        self.read_subscriptions()
        waited = self._monotonic() - self._opened > patience
        return (self.tape_there and asked) or (waited and self.subscribed)

    def read_subscriptions(self) -> None:
        """Take what subscribers said."""
        while True:
            try:
                word = self.socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                return
            if word[:1] == b"\x01":
                self.subscribed = True
                self.tape_there = self.tape_there or word[1:] == TAPE_PRESENCE

    def publish_due(self) -> float:
        """Send the ticks whose time has come, at most AT_ONCE of them.

        Returns:
            Seconds until there is something to do again; 0.0: at once.

        Raises:
            FeedError: The source cannot be read on.
        """
        for _ in range(AT_ONCE):
            if self._unsent is not None and not self._send_on():
                # A subscriber's queue is full, and a feed of ours drops nothing: it waits.
                return 0.001
            tick = self._next
            if tick is None:
                self._tell_failure()
                return 3600.0
            wait = self._wait(tick)
            if wait > 0.0:
                return wait
            # Counted first: a tick that was sent and not counted would be sent again after a
            # crash; one that was counted and not sent is in the ring, where the tape asks for it.
            self._position.advance()
            self._ring(tick.symbol).append(tick)
            self._unsent = wire.encode(tick)
            self._advance()
        return 0.0

    def close(self, linger: float) -> None:
        """Close the socket; what is queued gets `linger` seconds to leave."""
        self.socket.close(round(linger * 1000))

    @staticmethod
    def _bind(context: "zmq.Context[zmq.Socket[bytes]]", url: str) -> "zmq.Socket[bytes]":
        socket = open_socket(context, zmq.XPUB, SMALL)
        socket.setsockopt(zmq.SNDHWM, SEND_AHEAD)
        socket.setsockopt(zmq.SNDBUF, BUFFER)
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        socket.setsockopt(zmq.XPUB_NODROP, 1)
        socket.setsockopt(zmq.XPUB_WELCOME_MSG, SIMULATED)
        try:
            bind_own(socket, bindable(url))
        except zmq.ZMQError as error:
            socket.close(0)
            hint = (
                "another program has that port: stop it, or name another one in "
                "global.zmq_market_url; a market of your own needs no feed"
                if error.errno == zmq.EADDRINUSE
                else "check global.zmq_market_url"
            )
            raise FeedError(f"{url} cannot be bound ({error.strerror}): {hint}") from error
        return socket

    def _hand_history(self, source: Source) -> None:
        if self._position.history_handed:
            return
        for tick in source.history():
            self._ring(tick.symbol).append(tick, history=True)
        self._position.hand_history()

    def _resume(self, source: Source) -> Iterator[Tick]:
        """The ticks that are still to be sent; those sent before only fill the rings."""
        published = self._position.published
        for number, tick in source.ticks(published):
            if number >= published:
                yield tick
            else:
                self._ring(tick.symbol).append(tick)

    def _advance(self) -> None:
        """Read the next tick; a row that cannot be read ends the source after those before it."""
        try:
            self._next = next(self._ticks, None)
        except FeedFileError as error:
            self._next, self._failure = None, error

    def _tell_failure(self) -> None:
        if self._failure is not None:
            raise FeedError(str(self._failure)) from self._failure

    def _wait(self, tick: Tick) -> float:
        if self._speed == 0.0:
            return 0.0
        now = self._monotonic()
        if self._anchor is None:
            self._anchor = (now, tick.time_us)
        begun, first_us = self._anchor
        return begun + (tick.time_us - first_us) / 1e6 / self._speed - now

    def _send_on(self) -> bool:
        """Send the frame at hand; False where a queue is full."""
        assert self._unsent is not None, "checked by the caller"
        try:
            self.socket.send(self._unsent, zmq.DONTWAIT)
        except zmq.Again:
            return False
        self._unsent = None
        return True

    def _ring(self, symbol: str) -> TickRing:
        ring = self.rings.get(symbol)
        if ring is None:
            ring = self.rings[symbol] = TickRing(symbol, KEPT, self._generation)
        return ring


def identity(config: FeedConfig, symbols: dict[str, SymbolSpec]) -> str:
    """What a position depends on: another source begins at its own first tick."""
    pace_free = msgspec.structs.replace(config, speed=1.0)
    quoted = sorted(symbols) if config.kind == "synthetic" else []
    return repr((msgspec.json.encode(pace_free, order="sorted"), quoted))
