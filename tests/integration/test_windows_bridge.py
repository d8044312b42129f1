"""Our gateway on Linux, our program beside the terminal, and the stand-in of the terminal."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.mt5_gateway.answers import TicksReport
from mt5crs_services.mt5_gateway.requests import AskTicks
from mt5crs_shared import events
from mt5crs_shared.configuration.execution_structs import AccountConfig
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.trading.operator_requests import ClosePositions
from mt5crs_shared.trading.orders import Charge, Code
from mt5crs_shared.trading.trades import Trade
from tests.bridges.office import BridgeOffice
from tests.integration.test_bridge_account import noted
from tests.integration.test_cli_process import CommandLine
from tests.integration.test_mt5_gateway_process import Windows, wait_for
from tests.mt5_standin.module import ZONE_S
from tests.system import BARS, System
from tests.system import wait_for as wait_system
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

    @property
    def balance(self) -> float:
        """The account's, by the broker's own books."""
        return float(self.windows.book()["balance"])

    def bid(self, symbol: str) -> float:
        since = round((time.time() - 3.0) * 1e6)
        return self.windows.client.ask(AskTicks(symbol, since), TicksReport).ticks[-1].bid


Desk = BridgeOffice[WindowsBridge]


class Killed(BaseException):
    """As a `kill -9` at that place."""


def charged(desk: Desk) -> list[Charge]:
    """What the ledger has charged."""
    with ledger_schema.open_ledger(desk.path) as db:
        return ledger_queries.charges(db)


def traded(desk: Desk) -> list[Trade]:
    """What was closed."""
    with ledger_schema.open_ledger(desk.path) as db:
        return ledger_queries.trades(db)


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
    profit = desk.fills()[-1].profit
    desk.until(lambda: len(charged(desk)) == 2, "two commissions are charged")
    assert [(c.strategy, c.ticket) for c in charged(desk)] == [("euro", held.ticket)] * 2
    account = desk.core.account
    assert account.realised("euro") == pytest.approx(profit - 0.7)
    assert account.balance == pytest.approx(desk.bridge.balance)
    (trade,) = traded(desk)
    assert (trade.commission, trade.net) == (0.7, pytest.approx(profit - 0.7))
    desk.restart()
    desk.ready()
    assert len(charged(desk)) == 2
    # What is paid in is no jump that nobody knows the reason of.
    desk.bridge.windows.happens("paid", 9000)
    desk.until(lambda: desk.offset == 9_000.0, "no jump, since the broker says what it is")
    (told,) = noted(desk, events.BALANCE)
    assert "+9,000.00 besides the deals here: paid in or out +9,000.00; the ledger's" in told


def test_a_position_that_was_closed_by_hand_has_its_costs_and_its_price(desk: Desk) -> None:
    """The closing deal in the terminal has no number of ours, and its swap comes with it."""
    desk.ready()
    held = desk.result(order(desk.quote(), stop_loss=1.0)).position
    assert held is not None
    windows = desk.bridge.windows
    windows.happens("closed", [held.ticket, -1.5])
    desk.until(lambda: desk.position("euro") is None, "it is seen that it is gone")
    desk.until(lambda: len(charged(desk)) == 2, "both deals are charged")
    closing = desk.fills()[-1]
    (deal,) = [d for d in windows.book()["deals"] if d["entry"] == 1]
    assert (closing.code, closing.profit) == (Code.MANUAL, pytest.approx(deal["profit"]))
    assert closing.price == pytest.approx(deal["price"])
    (trade,) = traded(desk)
    assert (trade.commission, trade.swap) == (0.7, -1.5)
    assert desk.core.account.balance == pytest.approx(desk.bridge.balance)
    assert (desk.far_side.money.untold, desk.far_side.money.causes) == (0.0, {})


def test_killed_before_and_after_a_charge_is_booked_it_is_booked_once(desk: Desk) -> None:
    desk.ready()
    keep = Ledger.keep_far_side
    killed = []

    def dies(self: Ledger, state: str, notes: Any, charges: Any, states: Any) -> None:
        if charges and not killed:
            killed.append("before")
            raise Killed
        keep(self, state, notes, charges, states)
        if charges and len(killed) == 1:
            killed.append("after")
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "keep_far_side", dies)
        assert desk.result(order(desk.quote())).code is Code.FILLED
        for _ in range(2):
            with pytest.raises(Killed):
                desk.until(lambda: False, "it is killed as it charges")
            desk.restart()
        desk.ready()
    assert killed == ["before", "after"]
    (charge,) = charged(desk)
    assert (charge.strategy, charge.commission) == ("euro", 0.35)
    desk.until(lambda: desk.core.account.balance == desk.bridge.balance, "the books are alike")
    assert desk.offset == 0.0


def begun_with(system: System) -> int:
    """Bars of its history file that the strategy has begun with."""
    metrics = system.strategy("euro").metrics
    return metrics.history_bars if metrics is not None else 0


def test_a_start_begins_with_the_terminals_bars(tmp_path: Path) -> None:
    """Nobody has pulled anything; and a start later on needs no terminal."""
    (tmp_path / "windows").mkdir()
    step = 900
    newest = int(time.time()) // step * step + ZONE_S
    rates = [
        [newest - (300 - n) * step, 1.1, 1.101, 1.099, 1.1 + n * 1e-6, 9, 2, 0] for n in range(300)
    ]
    (tmp_path / "windows" / "rates.json").write_text(json.dumps(rates))
    windows = Windows(tmp_path / "windows")
    windows.start()
    entry = {"name": "euro", "symbol": "EURUSD", "timeframe": "M15", "history": "bars/euro.csv"}
    strategy = {"strategy": "mt5crs_worker.examples.ma_cross:MovingAverageCross"}
    execution = {"dialect": "windows_gateway"}
    where = {"zmq_execution_host": "127.0.0.1", "zmq_execution_port": windows.orders}
    system = System(tmp_path, [entry | strategy], {"execution": execution, **where})
    system.port = windows.ticks
    system.write_config([entry | strategy], {"execution": execution, **where})
    try:
        wait_for(lambda: windows.hello().server_zone)
        system.start()
        wait_system(lambda: begun_with(system) == 256, "the terminal's bars in its window")
        said = (tmp_path / "supervisor.out").read_text()
        assert "history: euro: 300 bars of EURUSD M15" in said
        assert len((tmp_path / "bars" / "euro.csv").read_text().splitlines()) == 301
        wait_system(lambda: system.processed("euro") > 5, "ticks of the terminal")
        system.stop()
        windows.end()
        system.start()
        wait_system(lambda: begun_with(system) == 256, "the next one goes on with them")
        assert (tmp_path / "supervisor.out").read_text().count("history:") == 1
    finally:
        system.stop()
        windows.client.close()
        if windows.process is not None and windows.process.poll() is None:
            windows.end()


def realised_by(system: System) -> float:
    """What the strategy's own process believes to have made: it sizes its positions by that."""
    metrics = system.strategy("euro").metrics
    return metrics.realised if metrics is not None else 0.0


OBEDIENT = """
from pathlib import Path

from mt5crs_worker.strategy import BUY, EXIT, HOLD, Strategy


class Obedient(Strategy):
    warmup = 15

    def on_bar(self, bars):
        return HOLD

    def on_tick(self, tick, bars):
        return BUY if Path("buy").exists() else EXIT
"""


def test_commission_alone_breaks_a_limit_of_losses_whatever_is_killed(tmp_path: Path) -> None:
    """A trade of 0.01 lots loses its spread of 0.10, and costs 0.08."""
    (tmp_path / "windows").mkdir()
    windows = Windows(tmp_path / "windows")
    windows.start()
    (tmp_path / "obedient.py").write_text(OBEDIENT)
    risk = {"max_position_size": 0.01, "stop_loss_atr_multiple": 20.0}
    entry = {"name": "euro", "symbol": "EURUSD", "timeframe": "S1", "history": BARS}
    strategy = {"strategy": "obedient:Obedient", "evaluate": "tick", "risk_config": risk}
    limit = {"rule": "max_loss", "scope": "strategy", "params": {"most": 0.13}}
    wide = {"rule": "max_loss", "params": {"most": 500.0}}
    system = CommandLine(tmp_path, [entry | strategy])
    system.port = windows.ticks
    system.write_config(
        [entry | strategy],
        {
            "paper_trading": False,
            "zmq_execution_host": "127.0.0.1",
            "zmq_execution_port": windows.orders,
            "account": {"login": 5001, "server": "StandIn-Demo"},
            "execution": {"dialect": "windows_gateway", "reconcile_every": 0.5},
            "risk": [limit | {"on_breach": "reduce"}, wide],
        },
    )

    try:
        wait_for(lambda: windows.hello().server_zone)
        assert system.call("start", "--live", "--detach").returncode == 0
        (tmp_path / "buy").touch()
        wait_system(lambda: system.json("positions"), "a position")
        (tmp_path / "buy").unlink()
        cost = 2 * 0.04
        wait_system(lambda: cost in [t["commission"] for t in system.json("trades")], "its costs")
        (trade,) = system.json("trades")
        net = trade["profit"] - cost
        assert trade["profit"] > -0.13 > net, trade
        assert system.json("locks") == []
        wait_system(lambda: realised_by(system) == pytest.approx(net), "its process to know")
        (tmp_path / "buy").touch()
        (lock,) = wait_system(lambda: system.json("locks"), "the lock")
        assert (lock["owner"], lock["scope"]) == ("max_loss by strategy", "euro")
        assert f"max_loss: {net:+,.2f} in " in lock["why"]
        pid = system.pid("gateway")
        os.kill(pid, signal.SIGKILL)
        system.wait_back("gateway", pid)
        before = len(system.json("orders", "-n", "1000"))
        wait_system(lambda: len(system.json("orders", "-n", "1000")) > before, "another order")
        assert system.json("orders", "-n", "1")[0]["code"] == "LOCKED"
        assert system.json("locks") == [lock]
        # Unlocked, it is the same loss that locks again: nothing was counted twice.
        system.said("unlock", "euro")
        (again,) = wait_system(lambda: system.json("locks"), "the lock again")
        assert again["why"] == lock["why"]
        assert len(windows.book()["deals"]) == 2
        assert system.call("stop").returncode == 0
    finally:
        system.call("stop")
        windows.client.close()
        if windows.process is not None:
            windows.end()
    system.assert_nothing_left()


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
