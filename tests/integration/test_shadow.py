"""Paper beside real bridges: what they dealt compared with paper, and paper that sends nothing."""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from mt5crs_shared.storage import ledger_schema, shadow_log
from mt5crs_shared.trading import slippage
from mt5crs_shared.trading.orders import Code
from mt5crs_shared.trading.slippage import ComparedOrder
from tests.bridges.office import BridgeDesk, BridgeProcess, restart
from tests.bridges.scripted_bridge import Faults
from tests.integration.test_cli_process import CommandLine
from tests.integration.test_live_system import STRATEGY, entry
from tests.system import Pulse, wait_for
from tests.unit.gateway_cases import order

OPEN_CLOSE = pytest.mark.parametrize("desk", ["open_close"], indirect=True)


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[BridgeProcess]:
    made = BridgeProcess("open_close", tmp_path / "terminal.db", Faults())
    made.start()
    yield made
    made.kill()


def compared(desk: BridgeDesk) -> list[ComparedOrder]:
    with ledger_schema.open_ledger(desk.path) as db:
        return shadow_log.read_compared(db)


@OPEN_CLOSE
def test_what_a_bridge_deals_is_compared_with_paper(desk: BridgeDesk) -> None:
    desk.ready()
    buy = order(desk.quote(), stop_loss=1.0, take_profit=1.3)
    opened = desk.result(buy)
    held = desk.position("euro")
    assert opened.fill is not None
    assert held is not None
    sell = order(desk.quote(), "SELL", ticket=held.ticket)
    closed = desk.result(sell)
    assert closed.fill is not None
    first, second = compared(desk)
    assert (first.kind, first.paper_price) == ("OPEN", buy.tick.ask)
    assert first.points == pytest.approx((opened.fill.price - buy.tick.ask) * 1e5)
    assert (second.kind, second.paper_price) == ("CLOSE", sell.tick.bid)
    assert second.money == pytest.approx((sell.tick.bid - closed.fill.price) * 1e4)
    assert first.wall_ms is not None
    assert first.wall_ms > 0.0


@OPEN_CLOSE
def test_a_stop_at_the_broker_is_compared_with_its_level(desk: BridgeDesk) -> None:
    desk.ready()
    desk.result(order(desk.quote(), stop_loss=1.09, take_profit=1.3))
    held = desk.position("euro")
    assert held is not None
    # The broker slips by five points.
    desk.bridge.book.close(held.ticket, held.lots, "sl", price=1.08995)
    desk.until(lambda: desk.position("euro") is None, "the stop")
    stop = compared(desk)[-1]
    assert (stop.kind, stop.paper_price) == ("STOP", 1.09)
    assert stop.points == pytest.approx(5.0, abs=0.5)


@OPEN_CLOSE
def test_a_refusal_and_a_lost_answer_with_a_restart_have_one_row_each(desk: BridgeDesk) -> None:
    desk.ready()
    restart(desk, Faults(refuses=1.0))
    refused = order(desk.quote())
    assert desk.result(refused).code is Code.BROKER
    restart(desk, Faults(loses=1.0))
    lost = order(desk.quote())
    desk.send(lost)
    desk.until(lambda: desk.bridge.book.deals(), "the deal")
    desk.restart()
    desk.quote()
    desk.until(lambda: lost.order_id in desk.results, "its fate")
    found = compared(desk)
    assert [row.order_id for row in found] == [refused.order_id, lost.order_id]
    (told,) = slippage.disagreements(found)
    assert (told.live, told.paper, told.orders) == (Code.BROKER, Code.FILLED, 1)
    assert "10006" in told.detail


class Wire:
    """A relay in front of a bridge, which counts who has come, and what they sent."""

    def __init__(self, behind: int) -> None:
        self.connections = 0
        self.bytes = 0
        self._behind = behind
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            there = socket.create_connection(("127.0.0.1", self._behind))
            self._open += [client, there]
            for source, sink, counted in ((client, there, True), (there, client, False)):
                thread = threading.Thread(target=self._copy, args=(source, sink, counted))
                thread.daemon = True
                thread.start()

    def _copy(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(65_536):
                self.bytes += len(data) if counted else 0
                sink.sendall(data)
        except OSError:
            pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            each.close()


@pytest.fixture
def wire(bridge: BridgeProcess) -> Iterator[Wire]:
    made = Wire(bridge.port)
    yield made
    made.close()


def test_a_paper_account_with_a_shadow_writes_requests_and_sends_nothing(
    tmp_path: Path, bridge: BridgeProcess, wire: Wire
) -> None:
    (tmp_path / "restless.py").write_text(STRATEGY)
    system = CommandLine(
        tmp_path,
        [entry("euro")],
        {
            "paper_trading": True,
            "zmq_execution_host": "127.0.0.1",
            "zmq_execution_port": wire.port,
            "execution": {"dialect": "open_close", "shadow": True, "trust_account": True},
        },
    )
    pulse = Pulse(system.port, ["EURUSD"], rate=20.0)
    pulse.start()

    def written() -> int:
        return len(system.json("compare", "--requests", "-n", "10000"))

    try:
        assert system.call("start", "--detach").returncode == 0
        wait_for(lambda: written() > 2, "requests")
        # Whatever is killed: none is written twice, none is missing.
        os.kill(system.pid("gateway"), signal.SIGKILL)
        before = written()
        wait_for(lambda: written() > before + 2, "requests of the next gateway")
        assert system.call("stop").returncode == 0
        assert (wire.connections, wire.bytes) == (0, 0)

        requests = system.json("compare", "--requests", "-n", "10000")
        dealt = {o["order_id"] for o in system.json("orders", "-n", "10000") if o["price"]}
        by_itself = {name for name in dealt if name.endswith((":stop_loss", ":take_profit"))}
        assert len({r["order_id"] for r in requests}) == len(requests)
        assert {r["order_id"] for r in requests} == dealt - by_itself
        assert "is one of paper" in system.said("compare")

        # The bridge takes what was written for what it is.
        opening = next(r["request"] for r in requests if r["request"]["action"] == "OPEN")
        answer = asked(bridge.port, json.dumps(opening).encode())
        assert (answer["status"], answer["volume"]) == ("FILLED", opening["volume"])
        (position,) = bridge.book.positions()
        assert position.sl == opening["sl"]
        assert position.comment == opening["comment"]
        deals = len(bridge.book.deals())

        # `doctor` asks which account it would be, by what cannot trade.
        examined = system.call("doctor", "--listen", "0.2")
        assert "answers as open_close: an account, balance 10,000.00" in examined.stdout
        assert wire.bytes > 0
        assert len(bridge.book.deals()) == deals
    finally:
        pulse.stop()
        system.call("stop")
    system.assert_nothing_left()


def asked(port: int, body: bytes) -> dict[str, float | str]:
    """What the bridge answers."""
    with zmq.Context() as context, context.socket(zmq.REQ) as requests:
        requests.setsockopt(zmq.LINGER, 0)
        requests.connect(f"tcp://127.0.0.1:{port}")
        requests.send(body)
        assert requests.poll(10_000), "no answer"
        found: dict[str, float | str] = json.loads(requests.recv())
        return found
