"""The tape as a real process, with a publisher and a feed's answers by the test."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from mt5crs_services.ring import TickRing
from mt5crs_services.service import BacklogServer
from mt5crs_services.tape.server import ANSWER_ANYWAY, WAIT_FOR_WORD
from mt5crs_shared.configuration.structs import Config, FeedConfig, GlobalConfig
from mt5crs_shared.market.backlog import BacklogReply, BacklogRequest
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.paths import VarPaths
from tests.integration.processes import Publisher, Supervisor, make_spec, spawn_child, wait_for

YEN, CROSS = "USDJPY", "EURJPY"
SPECS = {
    YEN: SymbolSpec(YEN, 100_000.0, 3, 0.01, 0.01, 100.0, "JPY", "USD"),
    CROSS: SymbolSpec(CROSS, 100_000.0, 3, 0.01, 0.01, 100.0, "JPY", "EUR"),
}
START_US = 1_767_000_000_000_000


def tick(symbol: str, second: int) -> Tick:
    price = 150.0 if symbol == YEN else 163.0
    return Tick(
        symbol, START_US + second * 1_000_000, price + second / 1e3, price + second / 1e3 + 1
    )


class Installation:
    """A tape, and a feed of ours that answers when it is told to."""

    def __init__(self, var: Path, stack: ExitStack) -> None:
        paths = VarPaths(var)
        paths.create()
        self.publisher = stack.enter_context(Publisher())
        self.supervisor = stack.enter_context(Supervisor(var))
        self.context: zmq.Context[Any] = zmq.Context()
        self.rings = {symbol: TickRing(symbol, 1_000, 7) for symbol in SPECS}
        self.feed = BacklogServer(self.context, paths, "feed", self.rings)
        self.reader = self.context.socket(zmq.DEALER)
        self.reader.setsockopt(zmq.LINGER, 0)
        self.reader.connect(paths.endpoint("tape"))
        config = Config(
            path=str(var / "strategies.yaml"),
            strategies=(),
            globals=GlobalConfig(zmq_market_url=self.publisher.url, feed=FeedConfig()),
            symbols=SPECS,
        )
        self.questions: dict[str, tuple[bytes, BacklogRequest]] = {}
        stack.enter_context(spawn_child(make_spec("tape", config, var)))
        self.supervisor.ready("tape")

    def publish(self, *ticks: Tick) -> None:
        """Publish ticks, as a feed does that can also say what it has published."""
        for each in ticks:
            self.rings[each.symbol].append(each)
            self.publisher.publish(each)

    def answer(self, *symbols: str) -> None:
        """Answer the tape's questions about these symbols, and about no other."""
        while self.feed.socket.poll(0):
            sender, body = self.feed.socket.recv_multipart()
            request = msgspec.msgpack.decode(body, type=BacklogRequest)
            if request.symbol in symbols:
                reply = msgspec.structs.replace(self.feed._answer(request, True), simulated=True)
                self.feed.socket.send_multipart([sender, msgspec.msgpack.encode(reply)])

    def ask(self, symbol: str, *answering: str) -> BacklogReply:
        """What the tape has of a symbol, once it says anything."""

        def said() -> BacklogReply | None:
            self.answer(*answering)
            self.reader.send(msgspec.msgpack.encode(BacklogRequest(1, symbol, None)))
            if not self.reader.poll(1_000):
                return None
            reply = msgspec.msgpack.decode(self.reader.recv(), type=BacklogReply)
            return reply if reply.status != "unknown" else None

        return wait_for(said, f"the tape's word on {symbol}")

    def close(self) -> None:
        self.reader.close()
        self.feed.close()
        self.context.term()


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with ExitStack() as stack:
        opened = Installation(tmp_path / "var", stack)
        yield opened
        opened.close()


def test_nothing_is_told_of_a_cross_pair_without_what_was_published_before(
    installation: Installation,
) -> None:
    # Of the pair that converts its profit nobody answers: the tape has heard it, and cannot tell
    # where that belongs.
    until = time.monotonic() + ANSWER_ANYWAY + 0.5
    second = 0
    while time.monotonic() < until:
        installation.publish(tick(YEN, second), tick(CROSS, second + 1))
        second += 2
        reply = installation.ask(CROSS, CROSS) if second > 100 else None
        if reply is not None:
            assert reply.newest[YEN] >= len(reply.ticks), "the cross pair is ahead"
        installation.answer(CROSS)
        time.sleep(0.005)  # the pace of the market

    def whole() -> bool:
        installation.answer(CROSS, YEN)
        reply = installation.ask(CROSS, CROSS, YEN)
        return reply.newest[YEN] == len(reply.ticks) == second // 2

    wait_for(whole, "both symbols on the tape")


def test_a_feed_of_ours_is_waited_for_longer_than_anybody_who_may_not_know(
    installation: Installation,
) -> None:
    # Where everything stood still for seconds, it knows what it has published all the same.
    for second in range(50):
        installation.rings[YEN].append(tick(YEN, second))  # while the tape was away
    until, second = time.monotonic() + WAIT_FOR_WORD + 1.0, 50
    while time.monotonic() < until:
        installation.publish(tick(YEN, second))
        second += 1
        time.sleep(0.05)  # the pace of the market

    def whole() -> bool:
        reply = installation.ask(YEN, YEN, CROSS)
        assert reply.breaks == ()
        return [each.time_us for each in reply.ticks] == [
            tick(YEN, number).time_us for number in range(second)
        ]

    wait_for(whole, "every tick on the tape")
