"""The publisher's process: sends the stream by the wall's clock, and writes down what it sent.

`python -m benchmarks.outside.publisher PLAN` with a `Plan` as JSON; it lives until it is ended.
"""

import struct
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import zmq

from benchmarks.outside import stream
from benchmarks.outside.stream import Event, Trouble
from mt5crs_shared.market import wire
from mt5crs_shared.market.stream import TAPE_PRESENCE
from mt5crs_shared.market.ticks import Tick

LISTENERS_WITHIN = 30.0
TAPE_WITHIN = 5.0
"""Seconds that a patient publisher waits for the tape after a restart."""

LATE = 0.02
"""Seconds that a batch of ticks may be late, so that each does not cost a sleep."""

RECORD = struct.Struct("<Bqdd?")
"""Number of the symbol, time, bid, ask, and whether it was sent while a socket was open."""

RUBBISH = (
    b"%s " + b"[" * 4_000,
    b'%s {"symbol": "%s", "bid": 1, "ask": 1, "timestamp": 1e22}',
    b'%s {"symbol": "%s", "bid": null, "ask": 1.1}',
    b"%s \xff\xff\xff",
)


class Plan(msgspec.Struct, frozen=True):
    """What to do.

    Attributes:
        url: Where to bind.
        days: A file for each symbol.
        speed: See `stream.ticks`.
        seconds: See there.
        events: Its troubles.
        listeners: Subscriptions to symbols that are waited for before the first tick.
        log: Where to write what was published.
        done: Made when all has been published.
    """

    url: str
    days: dict[str, Path]
    speed: float
    seconds: float
    events: list[Event]
    listeners: int
    log: Path
    done: Path


class Published(NamedTuple):
    """One tick of the log."""

    tick: Tick
    sent: bool


class Publisher:
    """Publishes one plan."""

    def __init__(self, plan: Plan, log: BinaryIO) -> None:
        self._plan = plan
        self._log = log
        self._numbers = {symbol: number for number, symbol in enumerate(plan.days)}
        self._recent: deque[Tick] = deque(maxlen=1_000)
        self._unsent: set[str] = set()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._subscribed = 0
        self._tape = self._patient = False
        self._socket: zmq.Socket[bytes] | None = self._open()

    def run(self) -> None:
        """From the first tick to the last."""
        self._wait(lambda: self._subscribed >= self._plan.listeners, LISTENERS_WITHIN)
        begun, waited, turn = time.monotonic(), 0.0, 0.0
        events = deque(self._plan.events)
        back_at: float | None = None
        plan = self._plan
        for tick in stream.ticks(plan.days, plan.speed, plan.seconds):
            at = (tick.time_us - stream.BEGIN_US) / 1e6
            late = time.monotonic() - begun - waited - at
            if late < -LATE:
                time.sleep(-late)  # the pace of the recorded day
            if at > turn:
                turn = at + LATE
                self._read_subscriptions()
            if back_at is not None and at >= back_at:
                # What a patient publisher waits for is no part of its pace.
                waited += self._come_back()
                back_at = None
            if events and at >= events[0].at and self._socket is not None:
                back_at = self._trouble(events.popleft(), at)
            self._publish(stream.stepped(tick, at, plan.events))
        if self._socket is None:
            self._come_back()
        self._log.flush()
        self._plan.done.write_text("done")
        while True:
            self._read_subscriptions()
            time.sleep(0.1)  # for the last readers

    def _trouble(self, event: Event, at: float) -> float | None:
        """Do it; the time at which to come back from a restart."""
        match event.kind:
            case Trouble.RESTART:
                assert self._socket is not None
                # What was sent before its end arrives; what comes until it is back, nowhere.
                self._socket.close(2_000)
                self._socket, self._tape, self._patient = None, False, event.patient
                return at + event.hole
            case Trouble.REPEAT:
                newest = {t.symbol: t.time_us for t in self._recent}
                for tick in list(self._recent)[-event.repeated :]:
                    # One as old as the newest is the newest, whoever looks at it. And what is said
                    # twice has nothing in between: where the newest was not sent, nobody can know.
                    if tick.time_us < newest[tick.symbol] and tick.symbol not in self._unsent:
                        self._send(tick)
            case Trouble.FUTURE:
                for tick in {t.symbol: t for t in self._recent}.values():
                    ahead = tick.time_us + 2 * stream.AHEAD_US
                    self._send(msgspec.structs.replace(tick, time_us=ahead))
            case Trouble.REFUSED:
                for symbol in self._plan.days:
                    for frame in RUBBISH:
                        self._send_frame(frame.replace(b"%s", symbol.encode()))
        return None

    def _publish(self, tick: Tick) -> None:
        self._send(tick)
        self._recent.append(tick)
        if self._socket is None:
            self._unsent.add(tick.symbol)
        else:
            self._unsent.discard(tick.symbol)

    def _send(self, tick: Tick) -> None:
        sent = self._socket is not None
        number = self._numbers[tick.symbol]
        self._log.write(RECORD.pack(number, tick.time_us, tick.bid, tick.ask, sent))
        self._send_frame(wire.encode(tick))

    def _send_frame(self, frame: bytes) -> None:
        if self._socket is not None:
            self._socket.send(frame)

    def _come_back(self) -> float:
        begun = time.monotonic()
        self._socket = self._open()
        if self._patient:
            self._wait(lambda: self._tape, TAPE_WITHIN)
        return time.monotonic() - begun

    def _open(self) -> "zmq.Socket[bytes]":
        while True:
            socket = self._context.socket(zmq.XPUB)
            socket.setsockopt(zmq.XPUB_VERBOSER, 1)
            socket.setsockopt(zmq.SNDHWM, 0)
            try:
                socket.bind(self._plan.url)
            except zmq.ZMQError:
                socket.close(0)
                time.sleep(0.01)  # until the kernel lets go of the address
                continue
            return socket

    def _wait(self, condition: Callable[[], bool], within: float) -> None:
        deadline = time.monotonic() + within
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.005)  # between two looks
            self._read_subscriptions()

    def _read_subscriptions(self) -> None:
        while self._socket is not None and self._socket.poll(0):
            word = self._socket.recv()
            if word[1:] == TAPE_PRESENCE:
                self._tape = word[:1] == b"\x01"
            elif word[:1] == b"\x01" and word[1:].decode(errors="replace") in self._numbers:
                self._subscribed += 1


def read_log(path: Path, symbols: list[str]) -> dict[str, list[Published]]:
    """What was published of each symbol, in order; what fell into a hole too."""
    found: dict[str, list[Published]] = {symbol: [] for symbol in symbols}
    for number, time_us, bid, ask, sent in RECORD.iter_unpack(path.read_bytes()):
        symbol = symbols[number]
        found[symbol].append(Published(Tick(symbol, time_us, bid, ask), sent))
    return found


def main() -> None:
    """Publish the plan that the first argument names."""
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan, dec_hook=_path)
    with plan.log.open("wb") as log:
        Publisher(plan, log).run()


def _path(wanted: type, text: str) -> Path:
    assert wanted is Path, wanted
    return Path(text)


if __name__ == "__main__":
    main()
