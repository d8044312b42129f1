"""`validate` tries what a configuration names; whatever that does, it happens elsewhere."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_cli_process import CommandLine
from tests.system import ROOT

SOURCE = '''"""Strategies that cannot be used."""

import ctypes
import os
import time

from mt5crs_services.gateway import risk
from mt5crs_worker.strategy import HOLD, Strategy


class Good(Strategy):
    """Prints where others would see it."""

    def __init__(self, config, symbol):
        super().__init__(config, symbol)
        print("hello")

    def on_bar(self, bars):
        return HOLD


class Raises(Good):
    def __init__(self, config, symbol):
        super().__init__(config, symbol)
        1 / 0


class Forgetful(Good):
    def __init__(self, config, symbol):
        pass


class Leaves(Good):
    def __init__(self, config, symbol):
        os._exit(3)


class Crashes(Good):
    def __init__(self, config, symbol):
        ctypes.string_at(0)


class Rule(risk.Rule, frozen=True):
    most: float = 1.0

    def before(self, proposal, state):
        return None
'''


def entry(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "symbol": "EURUSD", "strategy": f"mine:{name.title()}", **changes}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(SOURCE)
    return tmp_path


def test_everything_that_cannot_be_used_is_told_with_its_line(folder: Path) -> None:
    (folder / "EURUSD_empty.csv").write_text("timestamp,bid,ask\n")
    (folder / "EURUSD_bad.csv").write_text("timestamp,bid,ask\n2026-01-01T00:00:00Z,1.1,x\n")
    (folder / "broken.json").write_text("{}")
    (folder / "bars.csv").write_text("timestamp,open,high,low,close\n")
    strategies = [
        entry("good"),
        entry("raises"),
        entry("god", enabled=False),
        entry("forgetful"),
        entry("leaves"),
        entry("crashes"),
        {"name": "model", "symbol": "EURUSD", "model_path": "broken.json"},
        entry("history", strategy="mine:Good", history="bars.csv"),
    ]
    feed = {"kind": "replay", "files": ["EURUSD_empty.csv", "EURUSD_bad.csv"]}
    risk = [{"rule": "mine:Ruel"}, {"rule": "mine:Rule"}, {"rule": "mine:Rule", "scope": "symbol"}]
    risk += [{"rule": "mine:Rule", "scope": "strategy"}]
    risk[1]["params"] = {"mo[x]": 1}  # type: ignore[assignment]
    risk[2]["params"] = {"mots": 1}  # type: ignore[assignment]
    risk[3]["params"] = {"most": "much"}  # type: ignore[assignment]
    system = CommandLine(folder, strategies, {"feed": feed, "risk": risk})
    lines = system.config.read_text().splitlines()
    done = system.call("validate")
    assert (done.returncode, done.stdout) == (4, "")
    found = done.stderr.splitlines()
    expected = [
        (
            "strategy: mine:Raises",
            "strategies[raises].strategy",
            "ZeroDivisionError: division by zero",
        ),
        ("strategy: mine:God", "strategies[god].strategy", "did you mean Good?"),
        (
            "strategy: mine:Forgetful",
            "strategies[forgetful].strategy",
            "super().__init__(config, symbol)",
        ),
        ("strategy: mine:Leaves", "strategies[leaves].strategy", "ends its process (exit code 3)"),
        ("strategy: mine:Crashes", "strategies[crashes].strategy", "(killed by SIGSEGV)"),
        ("model_path: broken.json", "strategies[model].model_path", "broken.json"),
        ("history: bars.csv", "strategies[history].history", "has no whole bar"),
        ("- EURUSD_empty.csv", "global.feed.files[0]", "has no ticks"),
        ("- EURUSD_bad.csv", "global.feed.files[1]", "EURUSD_bad.csv:2"),
        ("- rule: mine:Ruel", "global.risk[0].rule", "did you mean Rule?"),
        ("mo[x]: 1", "global.risk[1].params.mo[x]", "no parameter mo[x]; it has: most"),
        ("mots: 1", "global.risk[2].params.mots", "did you mean most?"),
        ("most: much", "global.risk[3].params.most", "params: Expected `float`, got `str`"),
    ]
    assert len(found) == len(expected), done.stderr
    for said, (written, path, words) in zip(found, expected, strict=True):
        at = [n for n, text in enumerate(lines, 1) if text.strip().endswith(written)]
        assert said.startswith(f"{system.config}:{at[-1]}:"), said
        assert f" {path}: " in said
        assert words in said


def test_a_module_that_fails_is_told_once_for_all_that_name_it(folder: Path) -> None:
    (folder / "mine.py").write_text("def broken(:\n")
    system = CommandLine(folder, [entry(f"s{n}") for n in range(8)])
    done = system.call("validate")
    assert done.returncode == 4
    (said,) = done.stderr.splitlines()
    at = [n for n, text in enumerate(system.config.read_text().splitlines(), 1) if "mine:" in text]
    assert said.startswith(f"{system.config}:{at[0]}:")
    lines = ", ".join(f"line {n}" for n in at[1:6])
    assert "mine.py:1" in said and said.endswith(f"; so in {lines}, 2 more")


def test_what_is_shipped_can_be_used(folder: Path) -> None:
    (folder / "EURUSD.csv").write_text("timestamp,bid,ask\n2026-01-01T00:00:00Z,1.1,1.2\n")
    shutil.copytree(ROOT / "models", folder / "models")
    model = {"name": "model", "symbol": "EURUSD", "model_path": "models/baseline_v1.json"}
    feed = {"kind": "replay", "files": ["EURUSD.csv"]}
    done = CommandLine(folder, [model, entry("good")], {"feed": feed}).call("validate")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("2 strategies, 2 enabled: valid\n")
