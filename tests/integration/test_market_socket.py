"""A reader that is behind when its publisher goes: what was sent before is taken, not left."""

import time
from collections.abc import Iterator

import psutil
import pytest
import zmq

from mt5crs_shared.market import wire
from mt5crs_shared.market.market_socket import SIMULATED, MarketSocket, new_context
from mt5crs_shared.market.ticks import Tick
from tests.system import free_port, wait_for

COUNT = 5_000


@pytest.fixture
def context() -> Iterator["zmq.Context[zmq.Socket[bytes]]"]:
    with zmq.Context() as opened:
        yield opened


def publish(
    url: str, market: MarketSocket, first: int, simulated: bool = False, pause: float = 0.0
) -> None:
    """A publisher's life: a greeting, COUNT ticks to its first subscriber, and its end."""

    def subscribed() -> bool:
        # A socket subscribes anew when its thread touches it; nothing is read by that.
        market.socket.getsockopt(zmq.EVENTS)
        return bool(socket.poll(0)) and b"EURUSD" in socket.recv()

    # The end of a context of its own waits until all has left.
    with zmq.Context() as context:
        socket = context.socket(zmq.XPUB)
        socket.setsockopt(zmq.SNDHWM, 0)
        if simulated:
            socket.setsockopt(zmq.XPUB_WELCOME_MSG, SIMULATED)
        socket.bind(url)
        wait_for(subscribed, "a subscriber")
        for number in range(first, first + COUNT):
            time.sleep(pause)
            tick = Tick("EURUSD", 1_400_000_000_000_000 + number * 1000, 1.1, 1.2)
            socket.send(wire.encode(tick))
        socket.close(10_000)


def read_until_interrupted(market: MarketSocket) -> list[int]:
    """The times of the ticks before the next interruption, in ms since the first publisher's."""
    found: list[Tick] = []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        received = market.read()
        found.extend(tick for tick, _ in received.ticks)
        if received.interrupted:
            return [(tick.time_us - 1_400_000_000_000_000) // 1000 for tick in found]
        time.sleep(0.001)
    raise AssertionError(f"never interrupted; {len(found)} ticks")


def test_a_reader_that_is_behind_takes_what_was_sent_before_the_end(
    context: "zmq.Context[zmq.Socket[bytes]]",
) -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    market = MarketSocket(context, url, ["EURUSD"])
    try:
        for first in (0, COUNT):
            publish(url, market, first)
            assert read_until_interrupted(market) == list(range(first, first + COUNT))
    finally:
        market.close()


def test_what_waits_from_two_publishers_is_left_to_the_tape(
    context: "zmq.Context[zmq.Socket[bytes]]",
) -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    market = MarketSocket(context, url, ["EURUSD"])
    try:
        publish(url, market, 0)
        publish(url, market, COUNT, simulated=True)
        # Both have sent all they had, and nothing was read in between: nobody can tell them apart.
        assert read_until_interrupted(market) == []
        assert market.simulated
    finally:
        market.close()


def test_ticks_that_wait_take_little_memory() -> None:
    """A strategy that waits for its gateway reads none, for as long as that takes."""
    context, url = new_context(), f"tcp://127.0.0.1:{free_port()}"
    market = MarketSocket(context, url, ["EURUSD"])
    try:
        before = psutil.Process().memory_info().rss
        publish(url, market, 0, pause=0.0003)  # one by one, as a market does
        grown = psutil.Process().memory_info().rss - before
        assert len(read_until_interrupted(market)) == COUNT
        assert grown < COUNT * 4_000
    finally:
        market.close()
        context.term()
