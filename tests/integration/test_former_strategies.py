"""A strategy that is disabled or renamed while it holds a position: guarded, shown, counted."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mt5crs_shared.control.status_report import StrategyStatus
from mt5crs_shared.market.ticks import Tick
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.strategy import BUY, Signal, Strategy
from tests.system import BARS, Pulse, System, wait_for


class Buyer(Strategy):
    """Wants to be long."""

    warmup = 15

    def on_bar(self, bars: BarWindow) -> Signal:
        return BUY


def entry(name: str, symbol: str, **changes: Any) -> dict[str, Any]:
    # Bars of a second move little: a stop of two ATR could lie within the spread.
    risk = {"stop_loss_atr_multiple": 20.0, "take_profit_risk_reward": 20.0}
    strategy = f"{__name__}:Buyer"
    fixed = {"timeframe": "S1", "strategy": strategy, "risk_config": risk}
    return {"name": name, "symbol": symbol, "history": BARS, **fixed, **changes}


@pytest.fixture
def system(tmp_path: Path, symbol: str) -> Iterator[System]:
    made = System(tmp_path, [entry("one", symbol), entry("two", "GBPUSD")])
    pulse = Pulse(made.port, ["EURUSD", "GBPUSD", "EURJPY", "USDJPY"])
    made.pulse = pulse  # type: ignore[attr-defined]
    pulse.start()
    made.start()
    try:
        yield made
    finally:
        pulse.stop()
        made.stop()


def former(system: System) -> Callable[[], StrategyStatus | None]:
    def find() -> StrategyStatus | None:
        return next((s for s in system.status().former if s.process.name == "one"), None)

    return find


# The yen pays in a currency that has to be converted: its converter is kept too.
@pytest.mark.parametrize(("symbol", "fate"), [("EURUSD", "DISABLED"), ("EURJPY", "REMOVED")])
def test_its_position_stays_guarded_and_its_money_in_the_table(
    system: System, symbol: str, fate: str
) -> None:
    held = wait_for(lambda: system.strategy("one").position_lots, "a position")
    system.stop()
    first = entry("one", symbol, enabled=False) if fate == "DISABLED" else None
    renamed = entry("uno", "GBPUSD")
    others = [first] if first is not None else [renamed]
    system.write_config([*others, entry("two", "GBPUSD")], {})
    system.start()
    row = wait_for(former(system), "the row of the former strategy")
    assert (row.process.state, row.symbol, row.position_lots) == (fate, symbol, held)
    assert row.process.pid is None
    system.wait_running()
    assert not system.service("gateway").degraded

    # A single tick is for who is there to hear it: the gateway takes live ones of every symbol.
    seen = wait_for(lambda: system.service("gateway").progress, "ticks at the gateway")
    wait_for(lambda: system.service("gateway").progress > seen + 40, "live ticks there")
    quote = Tick(symbol, 0, 1.05, 1.0501)
    system.pulse.inject(quote)  # type: ignore[attr-defined]
    closed = wait_for(lambda: (r := former(system)()) and not r.position_lots and r, "the stop")
    assert (closed.deals, closed.realised < 0.0) == (2, True)

    def balanced() -> bool:
        report = system.status()
        account, totals = report.account, report.totals
        made = 0.0 if account is None else account.equity - 10_000.0
        return account is not None and abs(totals.realised + totals.floating - made) < 0.005

    wait_for(balanced, "totals that equal the account")
