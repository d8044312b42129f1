"""A sabotaged strategy is the other one, until it is told to hurt itself.

That it obeys, and what comes of it, is in tests/chaos/test_equivalence.py.
"""

from pathlib import Path
from typing import Any

import pytest

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.chaos import scenario
from mt5crs_worker.examples.ma_cross import MovingAverageCross
from mt5crs_worker.strategy import ModelStrategy, StrategyError, load_strategy
from tests.system import ROOT

EURUSD = SymbolSpec("EURUSD", 100_000.0, 5, 0.01, 0.01, 100.0, "USD", "EUR")
CROSS = "mt5crs_worker.examples.ma_cross:MovingAverageCross"


def config(folder: Path, **entry: Any) -> StrategyConfig:
    made = scenario.sabotaged({"name": "victim", **entry}, VarPaths(folder))
    return StrategyConfig(
        name="victim",
        symbol="EURUSD",
        strategy=made["strategy"],
        params=made["params"],
        model_path=entry.get("model_path"),
    )


def test_it_is_the_class_that_it_stands_for_with_its_params(tmp_path: Path) -> None:
    made = load_strategy(config(tmp_path, strategy=CROSS, params={"fast": 3}), EURUSD)
    assert isinstance(made, MovingAverageCross)
    assert made.params == {"fast": 3}
    assert made.warmup == MovingAverageCross.warmup
    assert made.config.strategy == CROSS


def test_it_is_the_model_where_no_class_is_named(tmp_path: Path) -> None:
    path = str(ROOT / "models" / "baseline_v1.json")
    assert isinstance(load_strategy(config(tmp_path, model_path=path), EURUSD), ModelStrategy)


def test_a_class_that_cannot_be_found_is_refused_as_ever(tmp_path: Path) -> None:
    with pytest.raises(StrategyError, match="no_such_module"):
        load_strategy(config(tmp_path, strategy="no_such_module:Gone"), EURUSD)
