"""Publishers of other shapes, in a whole system: strategy, gateway and tape hear the same ticks."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import zmq

from mt5crs_shared.market.wire import format_iso
from tests.chaos.strategies import RECORD
from tests.system import System, running, wait_for

PRICES = {"USDJPY": 150.0, "EURJPY": 165.0, "EURUSD": 1.1}
ATHENS = ZoneInfo("Europe/Athens")
PACE = 10
"""Event time runs so many times faster than the clock, so that bars are there soon."""

Shape = Callable[[str, int, float], list[bytes]]


def token_first(symbol: str, time_us: int, bid: float) -> list[bytes]:
    fields = {"token": "t", "symbol": symbol, "bid": bid, "ask": bid * 1.0001}
    return [json.dumps({**fields, "timestamp": format_iso(time_us)}).encode()]


def tick_topic(symbol: str, time_us: int, bid: float) -> list[bytes]:
    fields = {"symbol": symbol, "price": bid, "bid": bid, "ask": bid * 1.0001}
    return [f"tick.{symbol}".encode(), json.dumps({**fields, "timestamp": time_us / 1e6}).encode()]


def broker_in_athens(symbol: str, time_us: int, bid: float) -> list[bytes]:
    """What `symbol_info_tick` says: numbers that count what a clock in Athens shows."""
    shown = datetime.fromtimestamp(time_us / 1e6, ATHENS).replace(tzinfo=UTC)
    ms = round(shown.timestamp() * 1000)
    fields = {"time": ms // 1000, "bid": bid, "ask": bid * 1.0001, "last": 0.0, "volume": 0}
    return [symbol.encode(), json.dumps({**fields, "time_msc": ms, "flags": 6}).encode()]


class Publisher:
    """Sends a tick of each symbol every 20 ms, 200 ms of event time apart."""

    def __init__(self, port: int, shape: Shape) -> None:
        self.published: list[int] = []
        self._port, self._shape = port, shape
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with zmq.Context() as context, context.socket(zmq.PUB) as socket:
            socket.setsockopt(zmq.SNDHWM, 0)
            socket.bind(f"tcp://127.0.0.1:{self._port}")
            begun_us = time.time_ns() // 1_000_000 * 1000
            while not self._stop.wait(0.02):
                number = len(self.published)
                time_us = begun_us + number * 20_000 * PACE
                for symbol, price in PRICES.items():
                    bid = price * (1.0 + 1e-4 * (number // 5 % 9))
                    socket.send_multipart(self._shape(symbol, time_us, bid))
                self.published.append(time_us)


def entries(folder: Path) -> list[dict[str, Any]]:
    fixed = {"evaluate": "tick", "timeframe": "S1"}
    recorder = {"strategy": "tests.chaos.strategies:Recorder", **fixed}
    # A cross pair: its profit needs the ticks of USDJPY too.
    flip = {"strategy": "tests.integration.test_fencing:Flip", **fixed}
    risk = {"stop_loss_atr_multiple": 20.0, "take_profit_risk_reward": 20.0}
    return [
        {"name": "seen", "symbol": "EURUSD", **recorder, "params": {"file": str(folder / "seen")}},
        {"name": "flip", "symbol": "EURJPY", **flip, "risk_config": risk},
    ]


def seen(system: System) -> list[int]:
    data = (system.folder / "seen").read_bytes()
    return [time_us for time_us, _ in RECORD.iter_unpack(data)]


@pytest.mark.parametrize(
    ("shape", "market"),
    [
        (token_first, {}),
        (tick_topic, {}),
        (broker_in_athens, {"market": {"time_zone": "Europe/Athens"}}),
    ],
)
def test_all_readers_hear_the_same_ticks(
    tmp_path: Path, shape: Shape, market: dict[str, Any]
) -> None:
    with running(tmp_path, entries(tmp_path), market) as system:
        publisher = Publisher(system.port, shape)
        try:
            # The gateway fills on the tick that the strategy decided on.
            wait_for(lambda: filled(system) >= 20, "deals of the cross pair")
            # Only the gateway hears what comes until they are back.
            pids = {name: system.pid(name) for name in ("tape", "seen")}
            for pid in pids.values():
                os.kill(pid, signal.SIGKILL)
            for name, pid in pids.items():
                system.wait_back(name, pid)
            before = len(publisher.published)
            wait_for(lambda: len(publisher.published) > before + 50, "more ticks")
        finally:
            publisher.close()
        last = publisher.published[-1]
        wait_for(lambda: last in seen(system), "the last tick")
        # What came meanwhile it has from the gateway, by the tape, with the same times.
        times = seen(system)
        assert sorted(set(times)) == publisher.published[publisher.published.index(times[0]) :]
        for name in ("seen", "flip"):
            metrics = system.strategy(name).metrics
            assert metrics is not None
            assert (metrics.ticks_bad, metrics.frames_refused) == (0, 0)
        assert metrics.orders_rejected == 0


def filled(system: System) -> int:
    metrics = system.strategy("flip").metrics
    return metrics.orders_filled if metrics is not None else 0
