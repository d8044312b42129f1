"""`pause`, `resume`, `flatten` and `kill-switch` against a running system that wants to trade."""

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.installation import load_installation
from mt5crs_shared.storage import ledger_queries
from mt5crs_shared.trading.operator_requests import AskTrading
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.strategy import BUY, HOLD, SELL, Signal, Strategy
from tests.integration.test_cli_process import CommandLine
from tests.integration.test_former_strategies import entry as holding
from tests.system import BARS, Pulse, wait_for


class Restless(Strategy):
    """Turns its position with every fifth tick, so that it always wants something."""

    warmup = 15

    def on_bar(self, bars: BarWindow) -> Signal:
        return HOLD

    def on_tick(self, tick: Tick, bars: BarWindow) -> Signal:
        self.state["ticks"] = self.state.get("ticks", 0) + 1
        return BUY if self.state["ticks"] % 10 < 5 else SELL


def entry(name: str, symbol: str) -> dict[str, Any]:
    # Bars of a second move little: a stop of two ATR could lie within the spread.
    risk = {"stop_loss_atr_multiple": 20.0, "take_profit_risk_reward": 20.0}
    strategy = f"{__name__}:Restless"
    fixed = {"timeframe": "S1", "strategy": strategy, "evaluate": "tick", "risk_config": risk}
    return {"name": name, "symbol": symbol, "history": BARS, **fixed}


@contextlib.contextmanager
def trading(folder: Path, strategies: dict[str, str]) -> Iterator[CommandLine]:
    """A system of strategies, by name with their symbols, with default settings, each trading."""
    made = CommandLine(folder, [entry(name, symbol) for name, symbol in strategies.items()])
    pulse = Pulse(made.port, ["EURUSD", "EURJPY", "USDJPY"], rate=20.0)
    pulse.start()
    made.start()
    try:
        for name in strategies:
            wait_for(lambda name=name: made.strategy(name).deals > 2, f"deals of {name}")
        yield made
    finally:
        pulse.stop()
        made.stop()


@pytest.fixture
def system(tmp_path: Path) -> Iterator[CommandLine]:
    """Two on one symbol and one on a cross pair."""
    strategies = {"euro_a": "EURUSD", "euro_b": "EURUSD", "yen": "EURJPY"}
    with trading(tmp_path, strategies) as made:
        yield made


def deals(system: CommandLine, name: str | None = None) -> int:
    with contextlib.closing(sqlite3.connect(system.paths.ledger)) as db:
        return len(ledger_queries.deals(db, name))


def wants(system: CommandLine, name: str) -> int:
    metrics = system.strategy(name).metrics
    assert metrics is not None
    return metrics.orders_rejected


def wait_refused(system: CommandLine, *names: str) -> None:
    """Each of them has tried several orders in vain."""
    before = {name: wants(system, name) for name in names}
    for name in names:
        wait_for(lambda n=name: wants(system, n) >= before[n] + 2, f"refusals of {name}")


def halt_holding(system: CommandLine) -> list[dict[str, Any]]:
    """Halt everybody at a moment at which somebody holds something; what is held."""

    def halted() -> list[dict[str, Any]]:
        system.said("pause", "--all", "--halt")
        held: list[dict[str, Any]] = system.json("positions")
        if not held:
            system.said("resume", "--all")
        return held

    return wait_for(halted, "somebody to hold something")


def test_what_is_paused_opens_nothing_and_the_others_trade_on(system: CommandLine) -> None:
    told = system.said("pause", "euro_*", "--why", "news")
    assert told.count("opens no position any more; REDUCING by ") == 2 and "news" in told
    for name in ("euro_a", "euro_b"):
        wait_for(lambda n=name: not system.strategy(n).position_lots, f"{name} to close")
    flat, free = deals(system, "euro_a"), deals(system, "yen")
    wait_for(lambda: deals(system, "yen") > free + 2, "the other one to trade")
    wait_refused(system, "euro_a")
    assert deals(system, "euro_a") == flat
    status = system.said("status")
    assert "REDUCING" in status and "euro_a: REDUCING by " in status
    assert "until `resume euro_a`" in system.said("explain", "euro_a")

    assert system.said("resume", "euro_a") == "euro_a: is not paused any more\n"
    wait_for(lambda: deals(system, "euro_a") > flat, "it to trade again")
    assert [found["scope"] for found in system.json("locks")] == ["euro_b"]
    events = system.said("events", "euro_a", "--kind", "locked,unlocked")
    assert len(events.splitlines()) == 2


def test_with_the_kill_switch_on_nothing_gets_through(system: CommandLine) -> None:
    told = system.said("kill-switch", "on", "--why", "enough")
    before = deals(system)
    assert "kill switch ON: HALTED by " in told
    assert "tried with each of 3 strategies: none gets an order through" in told
    wait_refused(system, "euro_a", "euro_b", "yen")

    os.kill(system.pid("gateway"), signal.SIGKILL)
    wait_refused(system, "euro_a", "euro_b", "yen")
    assert system.process is not None
    system.process.kill()
    system.process.wait()
    # The gateway lives on without a supervisor, and hears us.
    assert system.said("kill-switch").startswith("kill switch ON")
    system.start()
    system.wait_running()
    wait_refused(system, "euro_a", "euro_b", "yen")
    system.said("stop")
    assert system.said("kill-switch").startswith("kill switch ON (by the ledger: no gateway runs)")
    assert system.said("pause", "--all", code=3).startswith("error: no system is running")
    assert system.json("locks")[0]["owner"] == "kill-switch"
    system.start()
    system.wait_running()
    wait_refused(system, "euro_a", "euro_b", "yen")
    assert deals(system) == before

    assert "say --yes" in system.said("kill-switch", "off", code=2)
    assert system.said("kill-switch", "off", "--yes").startswith("kill switch OFF")
    wait_for(lambda: deals(system) > before + 3, "everybody to trade again")


def test_flatten_closes_and_the_strategy_knows(system: CommandLine) -> None:
    held = {p["strategy"]: p for p in halt_holding(system)}
    wait_for(lambda: len(system.json("positions")) == len(held), "what is on its way")
    told = system.said("kill-switch", "on", "--flatten")
    assert told.count("(manual)") == len(held)
    assert system.json("positions") == []
    assert system.said("flatten", "--all") == "nothing is open\n"
    system.said("kill-switch", "off", "--yes")
    assert "still held back" in system.said("resume", "euro_a")
    system.said("resume", "--all")
    for name in ("euro_a", "euro_b", "yen"):
        before = deals(system, name)
        wait_for(lambda n=name, b=before: deals(system, n) > b + 2, f"{name} to trade on")
    assert all(child.restarts == 0 for child in system.status().children)

    one, *others = halt_holding(system)
    assert "(manual)" in system.said("flatten", str(one["ticket"]))
    assert [p["ticket"] for p in system.json("positions")] == [p["ticket"] for p in others]


WRONG = {
    ("pause", "euro_c"): "no strategy called euro_c. Did you mean euro_",
    ("pause", "euro_a", "x*"): "no strategy called x*",
    ("pause",): "name strategies",
    ("pause", "euro_a", "--all"): "name strategies",
    ("pause", "euro_a", "--until", "2020-01-01T10:00"): "that is over",
    ("pause", "euro_a", "--until", "soon"): "--until soon: expected a span",
    ("flatten", "77"): "no open position called 77",
    ("flatten",): "name strategies or tickets",
    ("flatten", "euro_a", "--all"): "name strategies or tickets",
    ("kill-switch", "--flatten"): "--flatten and --why belong to `kill-switch on`",
    ("kill-switch", "on", "--yes"): "--yes belongs to `kill-switch off`",
}


def test_a_gateway_that_has_just_begun_closes_at_quotes_of_now(system: CommandLine) -> None:
    held = {p["ticket"]: p for p in halt_holding(system)}
    os.kill(system.pid("gateway"), signal.SIGKILL)
    told = system.said("flatten", "--all")
    assert told.count("is closed at") == len(held)
    trades = {trade["ticket"]: trade for trade in system.json("trades")}
    for ticket, position in held.items():
        assert trades[ticket]["closed_us"] >= position["open_time_us"]


def test_one_that_only_holds_learns_from_another_gateway_that_its_position_has_ended(
    tmp_path: Path,
) -> None:
    """It sends nothing meanwhile: who closed it does not know where it is."""
    made = CommandLine(tmp_path, [holding("holder", "EURUSD")])
    pulse = Pulse(made.port, ["EURUSD"], rate=20.0)
    pulse.start()
    made.start()
    try:
        wait_for(lambda: made.strategy("holder").position_lots, "a position")
        for deals_so_far in (1, 3):
            pid = made.pid("gateway")
            os.kill(pid, signal.SIGKILL)
            made.wait_back("gateway", pid)
            assert "(manual)" in made.said("flatten", "holder")
            wait_for(lambda n=deals_so_far: deals(made) >= n + 2, "it to open another one")
        metrics = made.strategy("holder").metrics
        assert metrics is not None
        assert metrics.orders_rejected == 0
    finally:
        pulse.stop()
        made.stop()


@pytest.mark.parametrize("wish", ["hold", "flatten"])
def test_the_position_of_one_that_is_given_up(tmp_path: Path, wish: str) -> None:
    holder = holding("holder", "EURUSD", on_give_up=wish)
    made = CommandLine(tmp_path, [holder, entry("yen", "EURJPY")])
    pulse = Pulse(made.port, ["EURUSD", "EURJPY", "USDJPY"], rate=20.0)
    pulse.start()
    made.start()
    try:
        wait_for(lambda: made.strategy("holder").position_lots, "a position")
        wait_for(lambda: made.strategy("yen").deals > 2, "deals of the other one")
        made.kill_until_given_up("holder")
        if wish == "hold":
            assert made.strategy("holder").position_lots
            note = "lots stay open, guarded by the gateway; `flatten holder`"
            assert note in made.said("status")
            return
        wait_for(lambda: not made.strategy("holder").position_lots, "it to be flat")
        (order,) = [o for o in made.json("orders", "holder") if o["code"] == "MANUAL"]
        assert order["reason"] == "closed by the supervisor, which has given the strategy up"
        before = deals(made, "yen")
        wait_for(lambda: deals(made, "yen") > before + 2, "the other one to go on")
        # Mended and started again, it knows.
        made.said("restart", "holder")
        wait_for(lambda: made.strategy("holder").position_lots, "another position")
    finally:
        pulse.stop()
        made.stop()


def test_a_gateway_that_was_given_up_is_named(system: CommandLine) -> None:
    system.kill_until_given_up("gateway")
    told = system.said("kill-switch", "on", code=1)
    assert "nothing was done: the gateway is QUARANTINED" in told
    assert "`restart gateway`" in told


def test_a_pause_outlives_the_place_in_the_file(system: CommandLine) -> None:
    system.said("pause", "euro_a")
    entries = [entry("euro_b", "EURUSD"), entry("yen", "EURJPY")]
    system.write_config(entries, {})
    system.said("reload", "--keep")
    assert "is not paused any more" in system.said("resume", "euro_a")
    assert system.call("flatten", "euro_a").returncode == 0


def test_what_is_wrong_is_said_and_changes_nothing(system: CommandLine) -> None:
    for arguments, words in WRONG.items():
        assert words in system.said(*arguments, code=2)
    assert system.json("locks") == []


def test_a_strategy_is_no_operator(system: CommandLine) -> None:
    known = load_installation(system.paths.installation)
    with zmq.Context() as context:
        for identity, heard in (
            (known.identity("euro_a", system.epochs()["euro_a"] + 1_000), False),
            (b"operator:7:0000", False),
            (known.identity("operator", 7), True),
        ):
            with context.socket(zmq.DEALER) as socket:
                socket.setsockopt(zmq.LINGER, 0)
                socket.setsockopt(zmq.IDENTITY, identity)
                socket.connect(system.paths.endpoint("gateway"))
                socket.send(msgspec.msgpack.encode(AskTrading()))
                assert bool(socket.poll(2_000 if heard else 500)) is heard


def test_a_risk_rule_locks_until_somebody_unlocks(system: CommandLine) -> None:
    entries = [entry("euro_a", "EURUSD"), entry("euro_b", "EURUSD"), entry("yen", "EURJPY")]
    rule = {"rule": "max_openings", "scope": "strategy", "params": {"most": 1, "seconds": 86_400.0}}
    system.write_config(entries, {"risk": [rule | {"on_breach": "reduce"}]})
    system.said("reload")
    names = ["euro_a", "euro_b", "yen"]
    wait_for(lambda: {k["scope"] for k in system.json("locks")} == set(names), "three locks")
    assert "unlock yen" in system.said("locks") and "REDUCING" in system.said("status")
    wait_for(lambda: not system.json("positions"), "positions to be closed")
    before = deals(system)
    wait_refused(system, *names)
    assert deals(system) == before

    assert "resume" not in system.said("explain", "yen")
    assert system.said("resume", "yen").startswith("yen: was not paused; still held back: REDUCING")
    system.write_config(entries, {})
    system.said("reload")
    told = system.said("unlock", "euro*")
    assert sorted(told.splitlines()) == [
        *(f"{name}: max_openings by strategy lets it trade again" for name in ("euro_a", "euro_b")),
        "where a rule is broken still, the next order locks again",
    ]
    wait_for(lambda: deals(system, "euro_a") and deals(system) > before, "deals after unlocking")
    assert [k["scope"] for k in system.json("locks")] == ["yen"]
    assert "every strategy" not in system.said("unlock", "--all")
    assert system.said("unlock", "--all") == "no risk rule has locked anything\n"
    assert system.said("unlock", "yen") == "yen: no risk rule has locked it\n"
