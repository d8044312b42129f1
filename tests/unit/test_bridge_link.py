"""The way to a bridge, on real sockets: late answers, large ones, slow ones, and none."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import zmq

from mt5crs_services.gateway.brokers.bridge.bridge_link import (
    Arrival,
    BridgeLink,
    BridgeMessage,
)
from tests.system import free_port

WITHIN = 20.0


class Peer:
    """A bridge that answers when it is told to."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        self.port = free_port()
        self._context = context
        self.open()

    def open(self) -> None:
        self.socket = self._context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(f"tcp://127.0.0.1:{self.port}")

    def hear(self) -> list[bytes]:
        assert self.socket.poll(round(1000 * WITHIN)), "a request"
        return self.socket.recv_multipart()

    def answer(self, request: list[bytes], body: bytes) -> None:
        self.socket.send_multipart([*request[:-1], body])


class Line:
    """A link, and its peer."""

    def __init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.peer = Peer(self.context)
        self.poller = zmq.Poller()
        self.now = 0.0
        url = f"tcp://127.0.0.1:{self.peer.port}"
        self.link = BridgeLink(self.context, url, 1.0, self.poller, lambda: self.now)

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + WITHIN
        while not condition():
            assert time.monotonic() < end
            self.poller.poll(20)

    def heard(self) -> BridgeMessage:
        """The next word of the link."""
        found: list[BridgeMessage] = []
        self.until(lambda: found or found.extend(self.link.turn()))
        return found[0]

    def ask(self, key: str, deals: bool = True) -> list[bytes]:
        self.until(lambda: self.link.ready)
        assert self.link.send(key, key.encode(), deals)
        return self.peer.hear()

    def close(self) -> None:
        self.link.close()
        self.peer.socket.close(0)
        self.context.term()


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


def test_an_answer_in_time(line: Line) -> None:
    line.peer.answer(line.ask("one"), b"yes")
    found = line.heard()
    assert (found.key, found.arrival, found.body) == ("one", Arrival.ANSWERED, b"yes")
    assert line.link.ready


def test_a_late_answer_is_that_of_its_own_request(line: Line) -> None:
    first = line.ask("one")
    line.now = 2.0
    assert line.heard().arrival is Arrival.TIMED_OUT
    second = line.ask("two")
    line.peer.answer(first, b"late")
    found = line.heard()
    assert (found.key, found.arrival, found.body) == ("one", Arrival.LATE, b"late")
    line.peer.answer(second, b"mine")
    found = line.heard()
    assert (found.key, found.arrival, found.body) == ("two", Arrival.ANSWERED, b"mine")


def test_what_cannot_trade_is_not_listened_for_after_its_time(line: Line) -> None:
    first = line.ask("question", deals=False)
    line.now = 2.0
    assert line.heard().arrival is Arrival.TIMED_OUT
    second = line.ask("two")
    line.peer.answer(first, b"late")
    line.peer.answer(second, b"mine")
    assert line.heard().key == "two"


def test_nothing_waits_for_a_bridge_that_is_away(line: Line) -> None:
    line.peer.answer(line.ask("one"), b"yes")
    line.heard()
    line.peer.socket.close(0)
    line.until(lambda: not line.link.ready)
    assert not line.link.send("two", b"two", deals=True)
    line.peer.open()
    line.until(lambda: line.link.ready)
    assert line.peer.socket.poll(300) == 0


def test_an_answer_of_64_megabytes_harms_nobody(line: Line) -> None:
    line.peer.answer(line.ask("one"), bytes(64 << 20))
    line.until(lambda: not line.link.connected or not list(line.link.turn()))
    line.now = 2.0
    assert line.heard().arrival is Arrival.TIMED_OUT
    line.peer.answer(line.ask("two"), b"yes")
    assert line.heard().body == b"yes"


def test_frames_that_are_no_answer_are_left(line: Line) -> None:
    request = line.ask("one")
    line.peer.socket.send_multipart([request[0], b"no", b"envelope"])
    line.peer.socket.send_multipart([request[0], b"x"])
    line.peer.answer(request, b"yes")
    assert line.heard().body == b"yes"


def test_a_peer_that_sends_a_byte_now_and_then_is_given_up() -> None:
    """It never becomes a connection, so that nothing is sent to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                while not done.wait(0.02):
                    try:
                        connection.send(b"\xff")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        link = BridgeLink(context, url, 1.0, zmq.Poller())
        try:
            end = time.monotonic() + 1.0
            while time.monotonic() < end:
                assert not link.ready
                assert list(link.turn()) == []
                time.sleep(0.02)  # between two looks
        finally:
            done.set()
            link.close()
            context.term()
            thread.join()
