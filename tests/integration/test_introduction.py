"""A strategy's process introduces itself to the gateway before its model is loaded."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from mt5crs_shared.configuration.structs import RetentionConfig
from mt5crs_shared.messages import Register, Registered, ToGateway, Unregistered
from mt5crs_shared.trading.orders import Position
from mt5crs_worker.trading.gateway_client import ASK_AGAIN, GatewayClient
from mt5crs_worker.trading.journal import Journal
from tests.system import wait_for

WORD = Registered("eurusd", None, 12.5)


class Introduction:
    """A client, and a gateway that answers as it is told to."""

    def __init__(self, folder: Path) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.address = f"ipc://{folder}/gateway"
        self.journal = Journal(folder / "eurusd.db", 7, RetentionConfig())
        self.client = GatewayClient(
            self.context,
            self.address,
            "eurusd",
            7,
            b"eurusd.7",
            self.journal,
            pump=self.pump,
            lease=lambda: None,
            age=lambda _tick: 0.0,
            max_age=5.0,
            introduce=lambda: self.client.register(None),
        )
        self.gateway: zmq.Socket[Any] | None = None
        self.heard: list[ToGateway] = []
        self.answers: list[Any] = []
        self.longest = 0.0

    def bind(self) -> None:
        self.gateway = self.context.socket(zmq.ROUTER)
        self.gateway.bind(self.address)

    def pump(self, seconds: float) -> Mapping[object, int]:
        self.longest = max(self.longest, seconds)
        self.hear()
        return {self.client.socket: 1} if self.client.socket.poll(5) else {}

    def hear(self) -> bool:
        """Take one question, and give the next answer, if there is one."""
        if self.gateway is None or not self.gateway.poll(5):
            return False
        sender, body = self.gateway.recv_multipart()
        self.heard.append(msgspec.msgpack.decode(body, type=ToGateway))
        if self.answers and (answer := self.answers.pop(0)) is not None:
            self.gateway.send_multipart([sender, msgspec.msgpack.encode(answer)])
        return True

    def announced(self) -> bool:
        self.client.announce(None)
        return self.hear()

    def close(self) -> None:
        self.journal.close()
        self.context.destroy(linger=0)


@pytest.fixture
def introduction(tmp_path: Path) -> Iterator[Introduction]:
    made = Introduction(tmp_path)
    yield made
    made.close()


def test_what_was_announced_is_not_asked_again(introduction: Introduction) -> None:
    introduction.bind()
    introduction.answers = [WORD]
    wait_for(introduction.announced, "the announcement")
    assert introduction.client.register(None) == WORD
    assert introduction.heard == [Register("eurusd", 7, 0)]

    introduction.answers = [WORD]
    assert introduction.client.register(None) == WORD
    assert introduction.heard == [Register("eurusd", 7, 0)] * 2, "later it asks each time"


def test_a_gateway_that_is_away_is_asked_when_it_is_there(introduction: Introduction) -> None:
    introduction.client.announce(None)
    introduction.bind()
    introduction.answers = [WORD]
    assert introduction.client.register(None) == WORD
    assert introduction.heard == [Register("eurusd", 7, 0)]


def test_where_the_announcement_is_lost_it_asks(introduction: Introduction) -> None:
    introduction.bind()
    introduction.answers = [None, WORD]
    wait_for(introduction.announced, "the announcement")
    assert introduction.client.register(None) == WORD
    assert introduction.heard == [Register("eurusd", 7, 0)] * 2
    assert introduction.longest <= ASK_AGAIN


def test_a_gateway_that_has_begun_anew_meanwhile_is_asked(introduction: Introduction) -> None:
    introduction.bind()
    introduction.answers = [Unregistered("eurusd"), WORD, WORD]
    wait_for(introduction.announced, "the announcement")
    assert introduction.client.register(None) == WORD
    assert len(introduction.heard) == 3, "the announcement, the call's answer, and its own question"


def test_it_says_which_position_it_knows(introduction: Introduction) -> None:
    held = Position(41, "eurusd", "EURUSD", 1, "BUY", 0.1, 1.1, 0)

    def told() -> bool:
        introduction.client.announce(held)
        return introduction.hear()

    introduction.bind()
    wait_for(told, "the announcement")
    assert introduction.heard == [Register("eurusd", 7, held.ticket)]
