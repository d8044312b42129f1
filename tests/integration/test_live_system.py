"""A whole system before a bridge, on the defaults: refused, started, traded, flattened, stopped."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bridges.office import BridgeProcess
from tests.bridges.scripted_bridge import Faults
from tests.integration.test_cli_process import CommandLine
from tests.system import BARS, Pulse, wait_for

STRATEGY = """
from mt5crs_worker.strategy import BUY, HOLD, SELL, Strategy


class Restless(Strategy):
    warmup = 15

    def on_bar(self, bars):
        return HOLD

    def on_tick(self, tick, bars):
        self.state["ticks"] = self.state.get("ticks", 0) + 1
        return BUY if self.state["ticks"] % 20 < 10 else SELL
"""


def entry(name: str) -> dict[str, Any]:
    """A strategy of a trader's own, which turns its position twice a second."""
    return {
        "name": name,
        "symbol": "EURUSD",
        "strategy": "restless:Restless",
        "timeframe": "S1",
        "history": BARS,
        "evaluate": "tick",
        # Bars of a second move little: a stop of two ATR could lie within the spread.
        "risk_config": {"stop_loss_atr_multiple": 20.0, "take_profit_risk_reward": 20.0},
    }


def held_by(system: CommandLine, name: str) -> float:
    """What the strategy's own process believes to hold."""
    metrics = system.strategy(name).metrics
    return metrics.position_lots if metrics is not None else 0.0


def is_opening(order: dict[str, Any]) -> bool:
    return order["action"] == "OPEN" and order["status"] == "FILLED"


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[BridgeProcess]:
    made = BridgeProcess("open_close", tmp_path / "terminal.db", Faults())
    made.start()
    yield made
    made.kill()


def test_it_trades_only_where_it_is_said_twice(tmp_path: Path, bridge: BridgeProcess) -> None:
    (tmp_path / "restless.py").write_text(STRATEGY)
    loss = {"rule": "max_loss", "params": {"most": 3, "unit": "per_cent"}, "on_breach": "halt"}
    system = CommandLine(
        tmp_path,
        [entry("euro"), entry("twin")],
        {
            "paper_trading": False,
            "zmq_execution_port": bridge.port,
            "account": {"login": 7, "server": "Broker-Demo", "hedging": True},
            # Nobody can say which account a bridge of this kind trades.
            "execution": {"dialect": "open_close", "trust_account": True},
            "risk": [loss],
        },
    )
    pulse = Pulse(system.port, ["EURUSD"], rate=20.0)
    pulse.start()
    try:
        assert "this trades account 7 at Broker-Demo" in system.said("start", code=2)
        assert system.call("start", "--live", "--detach").returncode == 0
        wait_for(lambda: len(bridge.book.deals()) > 4, "deals at the broker")
        assert "LIVE  balance" in system.said("status")
        for name in ("euro", "twin"):
            orders = system.json("orders", name, "-n", "10000")
            first, *others = [order["lots"] for order in orders if is_opening(order)]
            assert first == 0.01 and all(lots > 0.01 for lots in others), (first, others)
        # The paper shadow: one row for each deal, whatever is killed.
        os.kill(system.pid("gateway"), signal.SIGKILL)
        before = len(bridge.book.deals())
        wait_for(lambda: len(bridge.book.deals()) > before + 4, "deals of the next gateway")
        system.said("pause", "--all", "--halt")
        wait_for(lambda: not system.json("resolve"), "the fate of every order")
        compared = {(s["strategy"], s["kind"]): s for s in system.json("compare")["deals"]}
        ordered = [o for o in system.json("orders", "-n", "10000") if o["price"] and o["epoch"]]
        assert compared["", ""]["deals"] == compared["", ""]["compared"] == len(ordered)
        assert compared["twin", "OPEN"]["wall_ms_median"] > 0.0
        assert "together" in system.said("compare")
        system.said("flatten", "--all")
        assert bridge.book.positions() == []
        assert system.said("resolve") == "The fate of every order is known.\n"
        ticket, _, _ = bridge.book.deal("EURUSD", "BUY", 0.2, 0, "by hand")
        (found,) = wait_for(lambda: system.json("adopt"), "what is nobody's")
        assert (found["ticket"], found["lots"]) == (ticket, 0.2)
        told = system.said("adopt", str(ticket), "twin", "--yes")
        assert f"twin has position {ticket}" in told
        pid = system.pid("twin")
        wait_for(lambda: held_by(system, "twin") == 0.2, "its process to know")
        assert system.pid("twin") == pid
        assert f"twin has position {ticket}" in system.said("adopt", str(ticket), "twin")
        epoch = system.strategy("twin").process.epoch
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: system.strategy("twin").process.epoch > epoch, "another process")
        wait_for(lambda: held_by(system, "twin") == 0.2, "and that one to know")
        system.said("flatten", "twin")
        events = system.said("events", "--kind", "foreign,deal")
        assert f"position {ticket} (BUY 0.2 EURUSD) is not ours" in events
        assert "BUY 0.2 EURUSD at " in events and " is adopted" in events
        assert system.call("stop").returncode == 0
    finally:
        pulse.stop()
        system.call("stop")
    ended = system.said("events", "gateway", "--kind", "stopped")
    assert "exit code 0" in ended
    system.assert_nothing_left()
