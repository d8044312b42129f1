"""`doctor` before going live: what is wrong with the bridge, in words, asking what cannot trade."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from mt5crs_shared.configuration.execution_structs import AccountConfig, ExecutionConfig
from mt5crs_shared.configuration.structs import Config
from mt5crs_supervisor.commands.doctor.bridge import look_at_bridge
from mt5crs_supervisor.commands.doctor.finding import Finding
from tests.bridges.office import BridgeProcess
from tests.bridges.scripted_bridge import Faults
from tests.system import free_port, listens, wait_for
from tests.unit.gateway_cases import config


def live(port: int, dialect: str, **execution: Any) -> Config:
    settings = config()
    given: dict[str, Any] = {"timeout": 2.0, "trust_account": True} | execution
    changed = msgspec.structs.replace(
        settings.globals,
        paper_trading=False,
        zmq_execution_host="127.0.0.1",
        zmq_execution_port=port,
        account=AccountConfig(7, "Broker-Demo"),
        execution=ExecutionConfig(dialect=dialect, **given),  # type: ignore[arg-type]
    )
    return msgspec.structs.replace(settings, globals=changed)


def look(settings: Config, running: bool = False) -> list[Finding]:
    return list(look_at_bridge(settings, running))


@pytest.fixture
def bridge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BridgeProcess]:
    made = BridgeProcess(request.param, tmp_path / "terminal.db", Faults())
    made.start()
    # `doctor` waits two seconds for somebody who listens; an interpreter may take longer to begin.
    wait_for(lambda: listens(made.port), "the bridge")
    yield made
    made.kill()


@pytest.mark.parametrize(
    "bridge", ["trade", "open_close", "order_send", "expert_advisor"], indirect=True
)
def test_a_bridge_that_is_right_is_told_and_another_dialect_found(bridge: BridgeProcess) -> None:
    (found,) = look(live(bridge.port, bridge.dialect))
    assert (found.level, f"answers as {bridge.dialect}" in found.text) == ("ok", True), found
    for other in {"trade", "open_close", "order_send", "expert_advisor"} - {bridge.dialect}:
        (found,) = look(live(bridge.port, other))
        assert (found.level, found.advice) == ("error", f"execution.dialect: {bridge.dialect}")
    # A question is no trade, also where it was asked in a wrong dialect.
    assert bridge.book.deals() == []


@pytest.mark.parametrize("bridge", ["open_close"], indirect=True)
def test_on_paper_it_is_asked_where_a_shadow_is_kept(bridge: BridgeProcess) -> None:
    settings = live(bridge.port, "open_close", shadow=True)
    paper = msgspec.structs.replace(settings.globals, paper_trading=True, account=None)
    for running in (False, True):
        (found,) = look(msgspec.structs.replace(settings, globals=paper), running)
        assert (found.level, "answers as open_close" in found.text) == ("ok", True), found


class Answering:
    """A bridge that gives the same answer to everything; None: none at all."""

    def __init__(self, answer: bytes | None) -> None:
        self.port = free_port()
        self._answer = answer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.bind(f"tcp://127.0.0.1:{self.port}")
            while not self._stop.is_set():
                if socket.poll(50):
                    *envelope, _ = socket.recv_multipart()
                    if self._answer is not None:
                        socket.send_multipart([*envelope, self._answer])

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


MONEY = b'{"status":"ok","balance":10,"equity":10,"margin":0,"free_margin":10'


@pytest.mark.parametrize(
    ("answer", "execution", "said", "advice"),
    [
        (None, {"timeout": 0.3}, "no answer within 0.3 s", "one at a time"),
        (b"hello", {}, "does not answer as trade: b'hello'", "docs/live.md"),
        (b"", {}, "does not answer as trade", "docs/live.md"),
        (b'{"status":"error","message":"no"}', {}, "does not answer as trade", "docs/live.md"),
        (MONEY + b',"currency":"EUR"}', {}, "was asked for its positions", "own log"),
        (
            MONEY + b',"currency":"EUR","positions":[]}',
            {},
            "the account is in EUR, not USD",
            "account_currency: EUR",
        ),
        (
            MONEY + b',"positions":[]}',
            {"trust_account": False},
            "does not say which account it trades",
            "execution.trust_account",
        ),
        (
            MONEY + b',"positions":[],"login":8,"server":"Broker-Demo"}',
            {},
            "it trades account 8 at Broker-Demo, not 7 at Broker-Demo",
            "global.account",
        ),
        (
            MONEY + b',"positions":[],"login":7,"server":"Broker-Live"}',
            {},
            "it trades account 7 at Broker-Live, not 7 at Broker-Demo",
            "global.account",
        ),
        (
            MONEY + b',"positions":[{"ticket":1,"symbol":"X","type":"?","volume":1}]}',
            {},
            "a position's side is '?'",
            "own log",
        ),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    answer: bytes | None, execution: dict[str, Any], said: str, advice: str
) -> None:
    peer = Answering(answer)
    try:
        (found,) = look(live(peer.port, "trade", **execution))
    finally:
        peer.close()
    assert found.level == "error"
    assert said in found.text, found
    assert advice in found.advice, found


def test_nobody_there_and_nothing_to_look_for() -> None:
    (found,) = look(live(free_port(), "trade"))
    assert "nobody takes a connection there" in found.text
    assert "firewall" in found.advice
    assert look(live(free_port(), "trade"), running=True) == []
    assert look(config()) == []


def test_whose_money_it_is_is_told() -> None:
    peer = Answering(
        MONEY + b',"positions":[],"login":7,"server":"Broker-Demo","trade_mode":2,"currency":"USD"}'
    )
    try:
        (found,) = look(live(peer.port, "trade", trust_account=False))
    finally:
        peer.close()
    assert "REAL money, 7 at Broker-Demo, balance 10.00, 0 positions open" in found.text
