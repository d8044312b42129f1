"""Two strategies on one made-up EURUSD: the scene of the tests of damaged and full disks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_supervisor.chaos import scenario
from mt5crs_supervisor.chaos.campaign_system import CampaignSystem
from tests.system import shipped_symbols

CROSS = "mt5crs_worker.examples.ma_cross:MovingAverageCross"
TICKS = 12_000
SPEC = SymbolSpec("EURUSD", 1e5, 5, 0.01, 0.01, 100.0, "USD", "EUR", spread_points=8.0)


def installation(
    folder: Path,
    var: Path,
    names: tuple[str, str],
    file: Path,
    speed: float,
    restart: Mapping[str, Any] = scenario.RESTART,
) -> CampaignSystem:
    """Both strategies on a replay of `file`, configured in `folder`."""
    folder.mkdir()
    strategies = [
        {"name": name, "symbol": "EURUSD", "strategy": CROSS, "timeframe": "S5"} for name in names
    ]
    config = folder / "strategies.yaml"
    symbols = shipped_symbols({"EURUSD"})
    scenario.write_config(config, strategies, symbols, [file], speed, restart=restart)
    return CampaignSystem(config, var)
