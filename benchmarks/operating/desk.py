"""The desk of an operator's day: twenty strategies on a made-up market, and how it is touched."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mt5crs_shared.control.status_report import StrategyStatus
from mt5crs_supervisor.chaos import scenario
from mt5crs_supervisor.chaos.campaign_system import COMMAND, CampaignSystem, wait_for
from tests.system import shipped_symbols

ROOT = Path(__file__).resolve().parents[2]
SYMBOLS = ("EURUSD", "GBPUSD", "XAUUSD", "EURJPY", "USDJPY")
CROSS = "mt5crs_worker.examples.ma_cross:MovingAverageCross"
RECORDER = "tests.chaos.strategies:Recorder"

AT_MOST = 90.0
"""Seconds for a command; one that waits for its minute says then what it waits for."""

TOUCHED = ("paused", "flat", "changed", "gone", "switched")
"""Strategies that the operator does something to."""

KILLED = ("killed_euro", "killed_yen")
"""Untouched by the operator, and killed again and again."""

RECORDERS = {f"all_{symbol.lower()}": symbol for symbol in SYMBOLS[:4]}
"""Strategies that write down each tick that they take, by their symbols."""


def entries(folder: Path) -> list[dict[str, Any]]:
    """The twenty: of each kind, on each symbol, cross pairs among them."""
    found: list[dict[str, Any]] = [
        {"name": name, "symbol": symbol, "strategy": RECORDER, "evaluate": "tick"}
        | {"params": {"file": str(folder / f"{name}.ticks")}}
        for name, symbol in RECORDERS.items()
    ]
    model = str(ROOT / "models" / "baseline_v1.json")
    of_model = {"model_path": model, "threshold": 0.52, "timeframe": "S15"}
    found.append({"name": "model", "symbol": "EURUSD", **of_model})
    found += [cross(f"tick_{s.lower()}", s, evaluate="tick") for s in ("EURUSD", "EURJPY")]
    found += [
        cross(f"{symbol.lower()}_{timeframe.lower()}", symbol, timeframe)
        for timeframe in ("S15", "S30")
        for symbol in ("EURUSD", "XAUUSD", "EURJPY")
    ]
    found += [cross(KILLED[0], "EURUSD"), cross(KILLED[1], "EURJPY")]
    found += [cross(name, SYMBOLS[n % 4]) for n, name in enumerate(TOUCHED)]
    return found


def cross(name: str, symbol: str, timeframe: str = "S15", **fields: Any) -> dict[str, Any]:
    """A strategy that trades often."""
    fixed: dict[str, Any] = {
        "strategy": CROSS,
        "timeframe": timeframe,
        "params": {"fast": 3, "slow": 8},
    }
    return {"name": name, "symbol": symbol, **fixed, **fields}


class Desk:
    """One installation, touched as an operator touches it: by the file, and by the command line.

    Args:
        folder: Where everything is.
        replay: What its feed publishes, by symbol.
        speed: How many times faster than the clock; 0: as fast as possible.
        hook: Who is told of everything; an Apprise URL. Empty: nobody is.
    """

    def __init__(
        self, folder: Path, replay: Mapping[str, Path], speed: float, hook: str = ""
    ) -> None:
        folder.mkdir()
        self.folder = folder
        self.file = folder / "strategies.yaml"
        scenario.write_config(
            self.file, entries(folder), shipped_symbols(SYMBOLS), list(replay.values()), speed
        )
        if hook:
            os.environ["OPERATED_HOOK"] = hook
            to = [{"name": "hook", "address": "env:OPERATED_HOOK"}]
            document = self.document()
            document["global"]["notify"] = {"to": to}
            self.write(document)
        self.system = CampaignSystem(self.file, folder / "var", cwd=ROOT)

    def document(self) -> dict[str, Any]:
        """The file, as it is now."""
        found: dict[str, Any] = yaml.safe_load(self.file.read_text())
        return found

    def write(self, document: Mapping[str, Any]) -> None:
        """Put another one in its place."""
        self.file.write_text(yaml.safe_dump(dict(document), sort_keys=False))

    def call(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """What a command of the operator prints, and how it ends."""
        where = ["--var-dir", str(self.folder / "var"), "--config", str(self.file)]
        command = [*COMMAND, *where, *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=AT_MOST)

    def say(self, *arguments: str, code: int = 0) -> str:
        """What a command prints that ends with this code."""
        result = self.call(*arguments)
        said = f"{' '.join(arguments)}\n{result.stdout}{result.stderr}"
        assert result.returncode == code, said
        print(f"  {arguments[0]} {' '.join(arguments[1:])}: ok", file=sys.stderr)
        return result.stdout + result.stderr

    def strategy(self, name: str) -> StrategyStatus:
        """One strategy's status."""
        return next(s for s in self.system.status().strategies if s.process.name == name)

    def wait_open(self, name: str) -> None:
        """Wait until a strategy holds a position."""
        wait_for(lambda: self.strategy(name).position_lots, f"a position of {name}")
