"""A publisher that is none of ours: it restarts, leaves holes, repeats itself and sends rubbish.

Every tick that it published is processed, or lies in a span of time that the strategy's journal
names as interrupted.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from mt5crs_shared.market import wire
from mt5crs_shared.market.ticks import Tick
from tests.chaos.strategies import RECORD
from tests.system import PATIENCE, System, running, wait_for

RATE = 50.0
STRATEGIES = [
    {
        "name": name,
        "symbol": "EURUSD",
        "strategy": f"tests.chaos.strategies:{kind}",
        "evaluate": "tick",
        "timeframe": "S1",
    }
    for name, kind in (("prompt", "Recorder"), ("dawdler", "Dawdler"))
]
RUBBISH = [
    b"EURUSD " + b"[" * 4_000,
    b'EURUSD {"symbol": "EURUSD", "bid": 1, "ask": 1, "x": ' + b"[" * 1_000 + b"]" * 1_000 + b"}",
    b'EURUSD {"symbol": "EURUSD", "bid": 1.1, "ask": 1.1, "timestamp": 1e22}',
    b'EURUSD {"symbol": "EURUSD", "bid": 1.1, "ask": 1.1, "timestamp": 4e20}',
    b'EURUSD {"symbol": "EURUSD", "bid": 1.1, "ask": 1.1, "timestamp": -1e18}',
    b'EURUSD {"symbol": "EURUSD", "bid": null, "ask": 1.1}',
    b"EURUSD " + b"\xff" * 100_000,
]


class Publisher:
    """Sends a tick every 20 ms, to whoever listens; can be restarted while time goes on."""

    def __init__(self, port: int) -> None:
        self.published: list[int] = []
        self.rubbish = 0
        self._port = port
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._lock = threading.RLock()
        self._socket: zmq.Socket[bytes] | None = self._open()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def restart(self, hole: float, repeated: int = 0) -> None:
        """Be away for `hole` seconds, and come back saying the last ticks once more."""
        with self._lock:
            assert self._socket is not None
            self._socket.close(0)
            self._socket = None
        self._stop.wait(hole)
        # No fresh tick comes in between: what is older than one that was sent would be late.
        with self._lock:
            self._socket = self._open()
            for time_us in self.published[-repeated:] if repeated else ():
                self.send(wire.encode(self._tick(time_us)))

    def send(self, frame: bytes) -> None:
        """Send one frame, if the socket is there."""
        with self._lock:
            if self._socket is not None:
                self._socket.send(frame)

    def send_rubbish(self) -> None:
        for frame in RUBBISH:
            self.send(frame)
            self.rubbish += 1

    def send_future(self, seconds: float) -> None:
        """A tick stamped far ahead, at a price like the others."""
        time_us = time.time_ns() // 1000 + round(seconds * 1e6)
        self.send(wire.encode(self._tick(time_us)))

    def silence(self) -> None:
        """Publish no more; subscribers stay connected."""
        self._stop.set()
        self._thread.join()

    def close(self) -> None:
        self.silence()
        self._context.destroy(linger=0)

    def _open(self) -> "zmq.Socket[bytes]":
        publisher = self._context.socket(zmq.PUB)
        # A socket that was closed gives its port back by and by.
        wait_for(lambda: self._binds(publisher), "the port to be free")
        return publisher

    def _binds(self, publisher: "zmq.Socket[bytes]") -> bool:
        try:
            publisher.bind(f"tcp://127.0.0.1:{self._port}")
        except zmq.ZMQError as error:
            assert error.errno == zmq.EADDRINUSE, error
            return False
        return True

    def _run(self) -> None:
        while not self._stop.wait(1 / RATE):
            with self._lock:
                time_us = time.time_ns() // 1000
                self.send(wire.encode(self._tick(time_us)))
                self.published.append(time_us)

    @staticmethod
    def _tick(time_us: int) -> Tick:
        bid = 1.1 + 1e-5 * (time_us // 20_000 % 50)
        return Tick("EURUSD", time_us, bid, bid + 0.0001)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[System, Publisher]]:
    entries = [{**s, "params": {"file": str(tmp_path / s["name"])}} for s in STRATEGIES]
    with running(tmp_path, entries) as system:
        publisher = Publisher(system.port)
        try:
            wait_for(lambda: min(processed(system)) > 0, "first ticks")
            yield system, publisher
        finally:
            publisher.close()


def processed(system: System) -> list[int]:
    return [system.processed(entry["name"]) for entry in STRATEGIES]


def run_on(publisher: Publisher, ticks: int) -> None:
    target = len(publisher.published) + ticks
    wait_for(lambda: len(publisher.published) >= target, "more ticks")


def seen(system: System, name: str) -> list[int]:
    return [time_us for time_us, _ in RECORD.iter_unpack((system.folder / name).read_bytes())]


def spans(system: System, name: str) -> list[tuple[int, int]]:
    """The spans of time that a strategy's journal calls interrupted."""
    with sqlite3.connect(system.var / "state" / f"{name}.db") as db:
        told = db.execute("SELECT detail FROM events WHERE kind = 'interrupted'").fetchall()
    words = [detail.partition(": ")[0].split() for (detail,) in told]
    return [(wire.parse_iso(begin), wire.parse_iso(end)) for _, begin, _, end in words]


def assert_accounted_for(system: System, publisher: Publisher) -> None:
    last = publisher.published[-1]
    for entry in STRATEGIES:
        name = entry["name"]
        wait_for(lambda n=name: last in seen(system, n), f"{name} to see the last tick", PATIENCE)
        times = seen(system, name)
        first = times[0]
        missing = {t for t in publisher.published if t > first} - set(times)
        told = spans(system, name)
        lost = sorted(t for t in missing if not any(a < t < b for a, b in told))
        assert lost == [], f"{name} lost {len(lost)} of {len(publisher.published)} without a word"
        metrics = system.strategy(name).metrics
        assert metrics is not None
        assert metrics.interruptions == len(told)


def test_every_tick_of_a_publisher_that_restarts_is_accounted_for(
    scene: tuple[System, Publisher],
) -> None:
    system, publisher = scene
    pids = system.pids()
    for hole, repeated in ((0.3, 0), (0.05, 20), (0.6, 100), (0.01, 0), (1.2, 5)):
        run_on(publisher, 150)
        publisher.restart(hole, repeated)
    run_on(publisher, 200)
    publisher.silence()
    assert_accounted_for(system, publisher)
    assert system.pids() == pids


def test_ticks_from_the_future_and_rubbish_cost_nothing(scene: tuple[System, Publisher]) -> None:
    system, publisher = scene
    pids = system.pids()
    for ahead in (86_400.0, 700.0, 60 * 86_400.0):
        run_on(publisher, 30)
        publisher.send_future(ahead)
        publisher.send_rubbish()
    run_on(publisher, 100)
    publisher.silence()
    assert_accounted_for(system, publisher)
    assert system.pids() == pids
    metrics = system.strategy("prompt").metrics
    assert metrics is not None
    assert (metrics.ticks_bad, metrics.frames_refused) == (3, publisher.rubbish)
    assert "of an unknown shape" in metrics.refused_frames


def test_a_strategy_that_never_ran_decides_although_a_tick_came_from_the_future(
    tmp_path: Path,
) -> None:
    entries = [{**s, "params": {"file": str(tmp_path / s["name"])}} for s in STRATEGIES[:1]]
    with running(tmp_path, entries) as system:
        publisher = Publisher(system.port)
        try:
            publisher.send_future(86_400.0)
            wait_for(lambda: system.processed("prompt") > 50, "ticks")
            wait_for(lambda: len(seen(system, "prompt")) > 50, "decisions")
        finally:
            publisher.close()


def test_a_market_that_speaks_another_language_is_told_so(tmp_path: Path) -> None:
    entries = [{**STRATEGIES[0], "params": {"file": str(tmp_path / "prompt")}}]
    with (
        running(tmp_path, entries) as system,
        zmq.Context() as context,
        context.socket(zmq.PUB) as socket,
    ):
        socket.bind(f"tcp://127.0.0.1:{system.port}")

        def told() -> bool:
            socket.send(b"EURUSD,1.1030,1.1040")
            return "of an unknown shape" in system.strategy("prompt").process.degraded

        wait_for(told, "the reason of the silence")
        assert "none is a tick of EURUSD" in system.strategy("prompt").process.degraded
