"""What a tired trader does to the files of a system: nothing of it may cost money."""

import contextlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from mt5crs_shared.process.installation import epochs_of
from mt5crs_shared.process.paths import ForeignFolderError, VarPaths
from tests.integration.test_cli_process import FAST, STRATEGIES, CommandLine
from tests.system import wait_for

CABLE = STRATEGIES[1]
LATE = """
import time
from pathlib import Path
from mt5crs_worker.examples.ma_cross import MovingAverageCross

class Late(MovingAverageCross):
    def __init__(self, config, symbol):
        super().__init__(config, symbol)
        if Path("late").exists():
            time.sleep(7.0)
"""
"""Longer than a feed of ours waits for strategies."""


@pytest.fixture
def system(tmp_path: Path) -> Iterator[CommandLine]:
    """One strategy that trades all the time; its processes are ended without the command line."""
    made = CommandLine(tmp_path, [CABLE], {"feed": FAST})
    try:
        yield made
    finally:
        for process in made.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
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


def stopped_with_a_position(system: CommandLine) -> dict[str, Any]:
    """Trade, and stop; once more where the position was closed in the last moment."""
    held: list[dict[str, Any]] = []
    while not held:
        assert system.call("start", "--detach").returncode == 0
        wait_for(lambda: system.strategy("cable").deals >= 3, "deals")
        wait_for(lambda: system.strategy("cable").position_lots, "a position")
        assert system.call("stop").returncode == 0
        held = system.json("positions")
    return held[0]


def test_a_strategy_trades_on_no_books_but_its_own(system: CommandLine) -> None:
    held = stopped_with_a_position(system)

    set_symbol(system, "EURUSD")
    assert f"{held['side']} {held['lots']:g} of GBPUSD" in refusal(system)
    assert system.json("positions") == [held]

    set_symbol(system, "GBPUSD")
    for file in system.var.glob("ledger.db*"):
        file.unlink()
    assert "the ledger does not know it" in refusal(system)
    assert system.json("positions") == []


@pytest.mark.parametrize("what", ["removed", "older copy"])
def test_a_strategy_that_runs_does_not_trade_on_over_another_ledger(
    system: CommandLine, what: str
) -> None:
    assert system.call("start", "--detach").returncode == 0
    wait_for(lambda: system.strategy("cable").deals >= 2, "deals")
    copy = system.folder / "copy.db"
    with sqlite3.connect(system.var / "ledger.db") as db, sqlite3.connect(copy) as other:
        db.backup(other)
    before = system.strategy("cable").deals
    wait_for(lambda: system.strategy("cable").deals >= before + 4, "more deals")
    for file in system.var.glob("ledger.db*"):
        file.unlink()
    if what == "older copy":
        shutil.copy(copy, system.var / "ledger.db")
    wait_for(lambda: system.service("gateway").state == "QUARANTINED", "the gateway's end")
    assert system.call("restart", "gateway").returncode == 0
    wait_for(lambda: system.strategy("cable").process.state == "QUARANTINED", "the refusal")
    assert "the ledger does not know it" in system.strategy("cable").process.last_error
    assert system.call("stop").returncode == 0


def test_nothing_is_lost_with_what_sqlite_keeps_beside_the_ledger(system: CommandLine) -> None:
    assert system.call("start", "--detach").returncode == 0
    wait_for(lambda: system.strategy("cable").deals >= 2, "deals")
    first = system.pid("gateway")
    (system.var / "ledger.db-wal").unlink()
    wait_for(lambda: system.pids()["gateway"] not in (None, first), "another gateway")
    deals = system.strategy("cable").deals
    wait_for(lambda: system.strategy("cable").deals >= deals + 2, "deals")
    assert system.call("stop").returncode == 0
    assert system.call("start", "--detach").returncode == 0
    assert system.strategy("cable").process.state == "RUNNING"
    assert system.call("stop").returncode == 0


def test_a_journal_that_is_taken_away_is_noticed(system: CommandLine) -> None:
    assert system.call("start", "--detach").returncode == 0
    wait_for(lambda: system.strategy("cable").deals >= 1, "a deal")
    first = system.pid("cable")
    (system.var / "state" / "cable.db").unlink()
    system.wait_back("cable", first)
    said = [event.detail for event in system.status().events if event.kind == "died"]
    assert "cable.db was removed or replaced while it was in use" in said[0]
    assert system.call("stop").returncode == 0


def test_books_are_looked_at_before_a_tick_is(system: CommandLine, tmp_path: Path) -> None:
    """A strategy that comes so late that the tape has ticks for it, which it would decide on."""
    (tmp_path / "late.py").write_text(LATE)
    document = yaml.safe_load(system.config.read_text())
    document["strategies"][0]["strategy"] = "late:Late"
    document["strategies"][0]["timeframe"] = "S1"
    system.config.write_text(yaml.safe_dump(document))
    stopped_with_a_position(system)
    for file in system.var.glob("ledger.db*"):
        file.unlink()
    (tmp_path / "late").touch()
    system.call("start", "--detach")
    wait_for(lambda: system.strategy("cable").process.state == "QUARANTINED", "the refusal")
    assert "the ledger does not know it" in system.strategy("cable").process.last_error
    assert system.json("orders") == []
    assert system.call("stop").returncode == 0


def test_a_copied_folder_and_a_cleared_one_leave_the_running_system_alone(
    system: CommandLine, tmp_path: Path
) -> None:
    assert system.call("start", "--detach").returncode == 0
    pids = system.pids()
    copied = tmp_path / "copied"
    # What trades meanwhile must not be in a journal and not in the ledger: that comes last.
    shutil.copytree(system.var, copied / "var", ignore=shutil.ignore_patterns("*.ipc", "ledger*"))
    for path in system.var.glob("ledger.db*"):
        shutil.copy(path, copied / "var")
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


def test_a_removed_folder_ends_its_processes_and_a_new_one_is_another_life(
    system: CommandLine,
) -> None:
    assert system.call("start", "--detach").returncode == 0
    before = system.status()
    old = [before.pid, *(pid for pid in system.pids().values() if pid)]
    epoch = system.strategy("cable").process.epoch
    # A start within the same second would have the same epochs, and another secret.
    wait_for(lambda: epochs_of(time.time()) > epoch, "the next second")
    shutil.rmtree(system.var)
    # At once, while all the old ones live; the old feed still has the port for a moment.
    system.call("start", "--detach")
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in old), "the end of the old ones")
    # The old feed had the port at first: the new one may have given up meanwhile.
    assert system.call("restart", "feed").returncode == 0
    system.wait_running()
    assert system.strategy("cable").process.epoch > epoch
    assert system.call("stop").returncode == 0


def test_files_are_for_their_user_alone(system: CommandLine) -> None:
    assert system.call("start", "--detach").returncode == 0
    wait_for(lambda: system.strategy("cable").deals > 0, "a deal")
    try:
        open_to_others = [
            str(path.relative_to(system.var))
            for path in system.var.rglob("*")
            if not path.is_symlink() and not path.is_socket() and path.stat().st_mode & 0o077
        ]
        assert open_to_others == []
    finally:
        assert system.call("stop").returncode == 0


def test_a_socket_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    paths = VarPaths(tmp_path / ("long" * 30))
    paths.create()
    foreign = paths.socket_file("control").parent
    os.chown(foreign, 12_345, 12_345)
    with pytest.raises(ForeignFolderError, match="belongs to user 12345"):
        paths.create()
