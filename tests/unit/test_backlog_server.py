"""Questions about what came before: each reader's newest one, and no loop that stands still."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from mt5crs_services import service
from mt5crs_services.ring import TickRing
from mt5crs_services.service import BacklogServer
from mt5crs_shared.market.backlog import BacklogReply, BacklogRequest
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.paths import VarPaths
from tests.system import wait_for

SYMBOLS = ("EURUSD", "USDJPY")


class Clock:
    """A machine on which an answer takes as long as it is told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.step = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class Questioner:
    """One reader, which asks as often as it likes."""

    def __init__(self, context: "zmq.Context[Any]", address: str) -> None:
        self._socket = context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(address)

    def ask(self, symbol: str, request_id: int) -> None:
        self._socket.send(msgspec.msgpack.encode(BacklogRequest(request_id, symbol, None)))

    def answers(self) -> list[tuple[str, int]]:
        said = []
        while self._socket.poll(0):
            reply = msgspec.msgpack.decode(self._socket.recv(), type=BacklogReply)
            assert reply.ticks
            said.append((reply.symbol, reply.request_id))
        return said

    def close(self) -> None:
        self._socket.close()


class Desk:
    """A server with two rings, and readers of it."""

    def __init__(self, folder: Path) -> None:
        paths = VarPaths(folder)
        paths.create()
        rings = {symbol: TickRing(symbol, 100, 1) for symbol in SYMBOLS}
        for symbol, ring in rings.items():
            ring.append(Tick(symbol, 1, 1.1, 1.2))
        self.clock = Clock()
        self._context: zmq.Context[Any] = zmq.Context()
        self.server = BacklogServer(self._context, paths, "tape", rings, monotonic=self.clock)
        address = paths.endpoint("tape")
        self.readers = [Questioner(self._context, address) for _ in range(2)]

    def waits(self, count: int) -> None:
        """Until so many questions have been read."""
        wait_for(lambda: self._read() == count, f"{count} questions")

    def _read(self) -> int:
        self.server._read()
        return len(self.server._waiting)

    def close(self) -> None:
        for reader in self.readers:
            reader.close()
        self.server.close()
        self._context.term()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def test_only_the_newest_question_of_a_reader_about_a_symbol_is_answered(desk: Desk) -> None:
    impatient, other = desk.readers
    for number in range(1, 4):
        impatient.ask("EURUSD", number)
        impatient.ask("USDJPY", number + 10)
    other.ask("EURUSD", 7)
    desk.waits(3)
    wait_for(lambda: max(r.request_id for r in desk.server._waiting.values()) == 13, "the last")
    desk.server.serve()
    wait_for(lambda: desk.server.asked == 3, "three answers")
    said: list[tuple[str, int]] = []
    wait_for(lambda: said.extend(impatient.answers()) or len(said) == 2, "its answers")
    assert said == [("EURUSD", 3), ("USDJPY", 13)]
    wait_for(lambda: other.answers() == [("EURUSD", 7)], "the other's answer")


def test_the_owner_has_its_turn_between_two_answers_that_take_long(desk: Desk) -> None:
    for reader in desk.readers:
        for symbol in SYMBOLS:
            reader.ask(symbol, 1)
    desk.waits(4)
    desk.clock.step = 2.0 * service.ANSWER_FOR
    for left in (3, 2, 1, 0):
        assert desk.server.timeout() == 0.0, "its owner comes back at once"
        desk.server.serve()
        assert len(desk.server._waiting) == left
    assert desk.server.timeout() > 1.0


def test_no_more_is_read_than_a_few_turns_can_answer(desk: Desk) -> None:
    desk.server._rings = {f"S{n}": TickRing(f"S{n}", 10, 1) for n in range(2 * service.WAITING)}
    for symbol in desk.server._rings:
        desk.readers[0].ask(symbol, 1)
    desk.waits(service.WAITING)
    desk.server._read()
    assert len(desk.server._waiting) == service.WAITING
