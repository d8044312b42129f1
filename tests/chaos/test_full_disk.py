"""A disk that is full for a while: nothing is traded unrecorded, and nothing is lost."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mt5crs_supervisor.chaos import replay_run, run_logs, scenario
from mt5crs_supervisor.chaos.campaign_system import CampaignSystem, wait_for
from tests.chaos import crosses
from tests.chaos.crosses import SPEC, TICKS

FULL_FOR = 15.0
"""Seconds; many times what the restart budget would bear."""

BACK_WITHIN = 10.0
"""Seconds until everybody works again; the longest wait for a machine is 5 s."""


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A filesystem of its own, of 64 MB."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small filesystem can be made by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def installation(folder: Path, var: Path, file: Path, speed: float) -> CampaignSystem:
    return crosses.installation(folder, var, ("one", "two"), file, speed, restart={})


def fill(folder: Path) -> Path:
    """Take every byte that is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1_000_000, 4_096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return filler


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_full_disk_loses_no_tick_and_no_order(tmp_path: Path) -> None:
    file = scenario.make_up(tmp_path, [SPEC], TICKS, seed=4)["EURUSD"]
    peace = tmp_path / "untouched"
    untouched = replay_run.run_replay(
        installation(peace, peace / "var", file, 0.0), {"EURUSD": TICKS}
    )
    with small_disk(tmp_path / "disk") as disk:
        system = installation(tmp_path / "struck", disk / "var", file, 400.0)
        system.start()
        try:
            system.wait_running()
            wait_for(lambda: system.status().totals.orders >= 8, "some orders")
            supervisor = system.status().pid
            filler = fill(disk)
            time.sleep(FULL_FOR)  # the trouble itself
            states = {child.name: child.state for child in system.status().children}
            filler.unlink()
            assert "QUARANTINED" not in states.values(), states
            wait_for(system.running, "every child RUNNING", BACK_WITHIN)
            assert system.status().pid == supervisor
            taken = {"one": TICKS, "two": TICKS}
            wait_for(lambda: replay_run.taken(system.status()) == taken, "every tick taken", 60.0)
        finally:
            assert system.close() == []
        found = run_logs.gather(system.paths, taken)
    assert run_logs.differences(untouched.logs, found, taken) == []
    assert found.books_agree
