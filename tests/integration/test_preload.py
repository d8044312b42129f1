"""What lies in every process lies there because somebody needs it."""

import sys
from pathlib import Path

import numpy as np
import xgboost

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_worker.answers import HOLD, Signal
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.features import FEATURES
from mt5crs_worker.strategy import Strategy
from tests.chaos.crosses import CROSS
from tests.system import ROOT, System, running

MODEL = {
    "name": "model",
    "symbol": "EURUSD",
    "model_path": str(ROOT / "models" / "baseline_v1.json"),
}
CLASS = {"name": "cross", "symbol": "EURUSD", "strategy": CROSS}


def has_xgboost(system: System) -> dict[str, bool]:
    """Of each child, and of what they are forked from."""
    report = system.status()
    pids = {**system.pids(), "forkserver": report.forkserver_pid}
    return {
        name: "libxgboost" in Path(f"/proc/{pid}/maps").read_text() for name, pid in pids.items()
    }


def found_at_two_starts(system: System) -> list[dict[str, bool]]:
    found = []
    for _ in range(2):
        system.start()
        try:
            system.wait_running()
            found.append(has_xgboost(system))
        finally:
            system.stop()
    return found


def test_xgboost_is_nowhere_where_models_have_tables_from_the_first_start_on(
    tmp_path: Path,
) -> None:
    system = System(tmp_path, [MODEL, CLASS])
    first, second = found_at_two_starts(system)
    assert not any(first.values()), first
    assert not any(second.values()), second
    said = (tmp_path / "supervisor.out").read_text()
    assert "waitpid" not in said, "the end of the process that made them is no news"


def test_xgboost_is_everywhere_where_a_model_can_have_none(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(200, len(FEATURES)))
    data = xgboost.DMatrix(rows, rows[:, 0] > 0.0)
    settings = {"booster": "dart", "rate_drop": 0.5, "objective": "binary:logistic", "nthread": 1}
    model = tmp_path / "dart.json"
    xgboost.train(settings, data, 5).save_model(model)
    system = System(tmp_path, [{**MODEL, "model_path": str(model)}, CLASS])
    first, second = found_at_two_starts(system)
    assert all(first.values()), first
    assert all(second.values()), second


class Counts(Strategy):
    """Prints how many of ten references to a class are counted."""

    def __init__(self, config: StrategyConfig, symbol: SymbolSpec) -> None:
        super().__init__(config, symbol)
        before = sys.getrefcount(Strategy)
        more = [Strategy] * 10
        print("counted", sys.getrefcount(Strategy) - before, "of", len(more))

    def on_bar(self, bars: BarWindow) -> Signal:
        return HOLD


def test_who_refers_to_what_was_there_before_the_fork_is_not_counted_in_3_12_and_3_13(
    tmp_path: Path,
) -> None:
    strategy = {**CLASS, "strategy": f"{__name__}:{Counts.__name__}"}
    with running(tmp_path, [strategy]) as system:
        log = (system.var / "log" / "cross.log").read_text()
    assert f"counted {0 if sys.version_info[:2] in ((3, 12), (3, 13)) else 10} of 10" in log
