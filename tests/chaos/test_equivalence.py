"""Nothing that happens to its processes changes what a system decides, orders and earns."""

from pathlib import Path
from typing import Any

import pytest

from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.chaos import campaign, replay_run, scenario, verdict
from mt5crs_supervisor.chaos.campaign import Kind
from mt5crs_supervisor.chaos.campaign_system import CampaignSystem
from tests.system import ROOT, shipped_symbols

CROSS = "mt5crs_worker.examples.ma_cross:MovingAverageCross"
STRATEGIES: list[dict[str, Any]] = [
    {
        "name": "model",
        "symbol": "EURUSD",
        "model_path": str(ROOT / "models" / "baseline_v1.json"),
        "threshold": 0.52,
    },
    {"name": "cross", "symbol": "EURUSD", "strategy": CROSS, "timeframe": "S5"},
    {"name": "gold", "symbol": "XAUUSD", "strategy": CROSS, "timeframe": "S5", "standby": True},
    {
        "name": "each_tick",
        "symbol": "EURUSD",
        "strategy": CROSS,
        "timeframe": "M1",
        "evaluate": "tick",
    },
    # Its profit is in yen, which only the ticks of a symbol that nobody trades convert.
    {"name": "yen", "symbol": "EURJPY", "strategy": CROSS, "timeframe": "S5", "standby": True},
]
SYMBOLS = ["EURUSD", "XAUUSD", "EURJPY", "USDJPY"]
SYMBOL_OF = {entry["name"]: entry["symbol"] for entry in STRATEGIES}
TICKS = 10_000
"""Of each symbol, one a second: 166 bars of a minute."""


def installation(folder: Path, files: list[Path], speed: float = 0.0) -> CampaignSystem:
    folder.mkdir()
    var = folder / "var"
    strategies = [scenario.sabotaged(s, VarPaths(var)) for s in STRATEGIES] if speed else STRATEGIES
    symbols = shipped_symbols(SYMBOLS)
    file = folder / "strategies.yaml"
    scenario.write_config(file, strategies, symbols, files, speed)
    return CampaignSystem(file, var)


def compare(
    folder: Path, kinds: tuple[Kind, ...], faults: int, speed: float, seed: int = 1
) -> verdict.CampaignVerdict:
    """Run the same ticks in peace and with faults."""
    specs = [SymbolSpec(**entry) for entry in shipped_symbols(SYMBOLS)]
    files = list(scenario.make_up(folder, specs, TICKS, seed).values())
    published = {spec.name: TICKS for spec in specs}
    untouched = replay_run.run_replay(installation(folder / "untouched", files), published)
    plan = campaign.plan(seed, faults, 0.5, kinds, list(SYMBOL_OF))
    struck = replay_run.run_replay(installation(folder / "struck", files, speed), published, plan)
    return verdict.judge(untouched, struck, published, SYMBOL_OF, faults)


def assert_holds(result: verdict.CampaignVerdict) -> None:
    assert result.holds, "\n".join([*result.differences, *verdict.lines(result)])
    assert result.identical > 1_000


@pytest.mark.timeout(300)
def test_a_fault_of_each_kind_leaves_no_trace(tmp_path: Path) -> None:
    assert_holds(compare(tmp_path, tuple(Kind), faults=len(Kind), speed=600.0))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", tuple(Kind))
def test_each_fault_by_itself_leaves_no_trace(tmp_path: Path, kind: Kind) -> None:
    assert_holds(compare(tmp_path, (kind,), faults=15, speed=600.0))
