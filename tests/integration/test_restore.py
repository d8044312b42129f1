"""A copy of the `var` folder, put back or taken elsewhere, is a system that goes on."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from mt5crs_shared.process.paths import VarPaths
from tests.integration.test_cli_process import CommandLine
from tests.integration.test_trading_verbs import entry
from tests.system import Pulse, wait_for

NAMES = ("euro", "yen")


def books(system: CommandLine) -> list[Any]:
    return [system.json("positions"), system.json("trades"), system.json("pnl")]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_copy_goes_on(tmp_path: Path, elsewhere: bool) -> None:
    system = CommandLine(tmp_path, [entry("euro", "EURUSD"), entry("yen", "EURJPY")])
    pulse = Pulse(system.port, ["EURUSD", "EURJPY", "USDJPY"], rate=20.0)
    pulse.start()
    copy = tmp_path / "copy"
    try:
        system.start()
        for name in NAMES:
            wait_for(lambda n=name: system.strategy(n).deals > 3, f"deals of {name}")
        assert system.call("stop").returncode == 0
        shutil.copytree(system.var, copy)
        kept = books(system)
        # The original trades on; then the copy takes its place, or begins somewhere else.
        system.start()
        wait_for(lambda: system.strategy("euro").deals > 12, "more deals")
        assert system.call("stop").returncode == 0
        if elsewhere:
            system.var, system.paths = copy, VarPaths(copy)
        else:
            shutil.rmtree(system.var)
            copy.rename(system.var)
        assert books(system) == kept
        system.start()
        system.wait_running()
        for name in NAMES:
            before = system.strategy(name).deals
            wait_for(lambda n=name, b=before: system.strategy(n).deals > b + 2, f"{name} to go on")
        assert all(child.restarts == 0 for child in system.status().children)
    finally:
        pulse.stop()
        system.stop()
