"""What a child's plan depends on, and what it does not."""

from pathlib import Path

import msgspec
import pytest

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.structs import decode_config
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


@pytest.mark.parametrize(("count", "heartbeat"), [(1, 0.5), (250, 0.5), (400, 0.8), (2_000, 1.0)])
def test_many_strategies_beat_more_seldom(count: int, heartbeat: float) -> None:
    config = loading.load_config(ROOT / "config" / "strategies.yaml", cwd=ROOT)
    one = config.strategies[0]
    names = [msgspec.structs.replace(one, name=f"s{number}") for number in range(count)]
    many = msgspec.structs.replace(config, strategies=tuple(names))
    plan = plans.plan_of(many, names[0])
    assert decode_config(plan.payload).globals.supervisor.heartbeat == heartbeat
    alone = msgspec.structs.replace(config, strategies=(names[0],))
    assert plans.plan_of(alone, names[0]).config_hash == plan.config_hash
