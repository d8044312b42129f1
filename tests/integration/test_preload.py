"""What lies in every process lies there because somebody needs it."""

from pathlib import Path

import numpy as np
import xgboost

from mt5crs_worker.features import FEATURES
from tests.chaos.crosses import CROSS
from tests.system import ROOT, System

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
    settings = {"booster": "dart", "objective": "binary:logistic", "nthread": 1}
    model = tmp_path / "dart.json"
    xgboost.train(settings, data, 5).save_model(model)
    system = System(tmp_path, [{**MODEL, "model_path": str(model)}, CLASS])
    first, second = found_at_two_starts(system)
    assert all(first.values()), first
    assert all(second.values()), second
