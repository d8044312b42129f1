"""Our gateway on Linux, our program beside the terminal, and the stand-in of the terminal."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mt5crs_services.mt5_gateway.answers import TicksReport
from mt5crs_services.mt5_gateway.requests import AskTicks
from mt5crs_shared import events
from mt5crs_shared.configuration.execution_structs import AccountConfig
from mt5crs_shared.trading.operator_requests import ClosePositions
from mt5crs_shared.trading.orders import Code
from tests.bridges.office import BridgeOffice
from tests.integration.test_bridge_account import noted
from tests.integration.test_mt5_gateway_process import Windows, wait_for
from tests.unit.gateway_cases import order


class WindowsBridge:
    """The machine with the terminal, as a bridge."""

    dialect = "windows_gateway"

    def __init__(self, folder: Path) -> None:
        self.windows = Windows(folder)
        self.port = self.windows.orders

    @property
    def book(self) -> "WindowsBridge":
        return self

    def bid(self, symbol: str) -> float:
        since = round((time.time() - 3.0) * 1e6)
        return self.windows.client.ask(AskTicks(symbol, since), TicksReport).ticks[-1].bid


Desk = BridgeOffice[WindowsBridge]


def office(tmp_path: Path, bridge: WindowsBridge, login: int = 5001) -> Desk:
    account = AccountConfig(login, "StandIn-Demo")
    # By default a commission is seen after 15 s; `test_live_system` runs on the defaults.
    return BridgeOffice(tmp_path / "ledger.db", bridge, account=account, reconcile_every=0.5)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "windows").mkdir()
    bridge = WindowsBridge(tmp_path / "windows")
    bridge.windows.start()
    wait_for(lambda: bridge.windows.hello().server_zone)
    made = office(tmp_path, bridge)
    yield made
    made.close()
    made.context.term()
    bridge.windows.client.close()
    if bridge.windows.process is not None:
        bridge.windows.end()


def test_a_position_is_opened_and_closed_on_the_account_that_is_named(desk: Desk) -> None:
    desk.ready()
    assert desk.core.broker.book == "DEMO account 5001 at StandIn-Demo, dialect windows_gateway"
    bought = order(desk.quote(), stop_loss=1.0)
    opened = desk.result(bought)
    assert opened.code is Code.FILLED, opened
    held = desk.position("euro")
    assert held is not None
    closed = desk.result(order(desk.quote(), "SELL", ticket=held.ticket))
    assert closed.code is Code.FILLED, closed
    assert desk.position("euro") is None
    # What the broker charged is in the balance, and in no deal of ours.
    desk.until(lambda: desk.offset == -0.7, "two commissions are taken note of")
    assert desk.far_side.money.causes == {"commission of euro": -0.7}
    desk.restart()
    desk.ready()
    # What is paid in is no jump that nobody knows the reason of.
    (desk.bridge.windows.folder / "paying").write_text("9000")
    (desk.bridge.windows.folder / "paying").rename(desk.bridge.windows.folder / "paid")
    desk.until(lambda: desk.offset == 8_999.3, "no jump, since the broker says what it is")
    (told,) = noted(desk, events.BALANCE)
    assert "+8,999.30 besides the deals here: commission of euro -0.70, paid in or out" in told
    assert "+9,000.00; the ledger's balance stays" in told and "nothing" not in told


def test_a_closing_of_the_gateways_own_that_was_refused_can_be_tried_again(desk: Desk) -> None:
    """The journal there answers a repeated id with its first answer: each attempt has its own."""
    desk.ready()
    held = desk.result(order(desk.quote(), stop_loss=1.0)).position
    assert held is not None
    desk.bridge.windows.faults({"retcode": 10018, "execute": False})
    wanted = ClosePositions((held.ticket,), "ann")

    def closed() -> bool:
        desk.core.handle(wanted, caught_up=True)
        return desk.position("euro") is None

    desk.until(closed, "it is closed by a later attempt")
    assert json.loads((desk.bridge.windows.folder / "faults.json").read_text()) == []
    assert [fill.code for fill in desk.fills()] == [Code.FILLED, Code.MANUAL]


def test_killed_after_it_has_dealt_its_answer_is_found(desk: Desk) -> None:
    desk.ready()
    windows = desk.bridge.windows
    windows.faults({"answer": "crash", "comment": None})
    bought = order(desk.quote())
    desk.send(bought)
    process = windows.process
    assert process is not None
    desk.until(lambda: process.poll() is not None, "it is killed while the broker executes")
    assert process.stdout is not None
    process.stdout.close()
    windows.start()
    desk.until(lambda: bought.order_id in desk.results, "its fate")
    assert desk.results[bought.order_id].code is Code.FILLED
    assert len(windows.book()["deals"]) == 1


def test_another_account_is_not_traded(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = office(tmp_path / "other", desk.bridge, login=7)
    try:
        other.until(lambda: "is logged into account 5001" in other.trouble, "it is seen")
        result = other.result(order(desk.quote()))
        assert result.code is Code.BRIDGE_AWAY
        assert "global.account says 7" in result.detail
    finally:
        other.close()
        other.context.term()
