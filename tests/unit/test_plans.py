"""What a child's plan depends on, and what it does not."""

from pathlib import Path

import pytest

from mt5crs_shared.configuration import loading
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_supervisor.children import plans
from tests.system import ROOT


def test_what_is_held_just_now_makes_no_other_plan_of_a_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = loading.load_config(ROOT / "config" / "strategies.yaml", cwd=ROOT)
    ledger = tmp_path / "ledger.db"
    flat = plans.services(config, ledger)
    for symbol in ("GBPUSD", "XAUUSD"):
        held: dict[str, SymbolSpec] = {symbol: config.symbols[symbol]}
        monkeypatch.setattr(plans, "_guarded", lambda _ledger, held=held: held)
        found = plans.services(config, ledger)
        assert [plan.config_hash for plan in found] == [plan.config_hash for plan in flat]
        assert all(symbol.encode() in plan.payload for plan in found)
