"""What lies in every process lies there because somebody needs it."""

from pathlib import Path

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


def test_xgboost_is_there_until_every_model_is_prepared(tmp_path: Path) -> None:
    system = System(tmp_path, [MODEL, CLASS])
    found = []
    for _ in range(2):
        system.start()
        try:
            system.wait_running()
            found.append(has_xgboost(system))
        finally:
            system.stop()
    assert all(found[0].values()), found[0]
    assert not any(found[1].values()), found[1]
