"""What a tired trader does to the files of a system: nothing of it may cost money."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.test_cli_process import FAST, STRATEGIES, CommandLine
from tests.system import wait_for

CABLE = STRATEGIES[1]


@pytest.fixture
def system(tmp_path: Path) -> Iterator[CommandLine]:
    """One strategy that trades all the time; its processes are ended without the command line."""
    made = CommandLine(tmp_path, [CABLE], {"feed": FAST})
    try:
        yield made
    finally:
        for process in made.processes():
            process.terminate()
        wait_for(lambda: not made.processes(), "the end")


def set_symbol(system: CommandLine, symbol: str) -> None:
    document = yaml.safe_load(system.config.read_text())
    document["strategies"][0]["symbol"] = symbol
    system.config.write_text(yaml.safe_dump(document))


def refusal(system: CommandLine) -> str:
    """Why the strategy does not trade; every start is stopped again."""
    started = system.call("start", "--detach")
    assert started.returncode == 1, started.stdout
    wait_for(lambda: system.strategy("cable").process.state == "QUARANTINED", "the refusal")
    reason = system.strategy("cable").process.last_error
    assert system.call("stop").returncode == 0
    return reason


def test_a_strategy_trades_on_no_books_but_its_own(system: CommandLine) -> None:
    assert system.call("start", "--detach").returncode == 0
    wait_for(lambda: system.strategy("cable").deals >= 3, "deals")
    wait_for(lambda: system.strategy("cable").position_lots, "a position")
    assert system.call("stop").returncode == 0
    (held,) = system.json("positions")

    set_symbol(system, "EURUSD")
    assert f"{held['side']} {held['lots']:g} of GBPUSD" in refusal(system)
    assert system.json("positions") == [held]

    set_symbol(system, "GBPUSD")
    for file in system.var.glob("ledger.db*"):
        file.unlink()
    assert "the ledger does not know it" in refusal(system)
    assert system.json("positions") == []


def test_a_copied_folder_and_a_cleared_one_leave_the_running_system_alone(
    system: CommandLine, tmp_path: Path
) -> None:
    assert system.call("start", "--detach").returncode == 0
    pids = system.pids()
    copied = tmp_path / "copied"
    shutil.copytree(system.var, copied / "var", ignore=shutil.ignore_patterns("*.ipc"))
    other = CommandLine(copied, [CABLE], {"feed": FAST})
    assert other.call("status").returncode == 3
    started = other.call("start", "--detach")
    assert started.returncode == 0, started.stdout
    assert other.call("stop").returncode == 0
    assert system.pids() == pids

    running = json.loads((system.var / "supervisor.pid").read_text())["pid"]
    shutil.rmtree(system.var / "run")
    again = system.call("start")
    assert (again.returncode, f"pid {running}" in again.stderr) == (1, True)
