"""What is left of a death: a black box, a poison tick skipped, a memory hog replaced, adoption."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import crash_report
from mt5crs_shared.storage.crash_report import CrashReport
from tests.chaos.scene import SYMBOLS, Scene, entry, playing
from tests.system import System, wait_for


def box(system: System, name: str) -> CrashReport | None:
    """The newest black box of a child, once it is complete."""
    boxes = crash_report.load_reports(system.var / "crash", name)
    return boxes[-1] if boxes and boxes[-1].times.replacement_first_tick is not None else None


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Three strategies; the victim has a memory limit and a poison tick."""
    victim = entry(tmp_path, "victim", limits={"memory": "400MB", "memory_hard": "3GB"})
    victim["params"]["poison"] = 666.0
    others: list[dict[str, Any]] = [entry(tmp_path, n) for n in SYMBOLS if n != "victim"]
    with playing(tmp_path, [victim, *others]) as one:
        yield one


def test_a_crash_leaves_a_black_box(scene: Scene) -> None:
    scene.fault("segv")
    found = wait_for(lambda: box(scene.system, "victim"), "the black box")
    assert (found.cause, found.exit) == ("signal", "killed by SIGSEGV")
    assert "Segmentation fault" in found.stacks
    assert "strategies.py" in found.stacks
    assert found.unfinished == found.ticks[-1]
    assert len(found.ticks) > 10
    assert found.beats
    assert found.memory[-1] > 1_000_000
    assert found.decision.startswith("respawn after 0.00 s")
    assert found.times.respawned is not None
    assert 0.0 < (found.times.replacement_first_tick or 0.0) < 5.0


def test_a_respawned_strategy_says_what_it_found(scene: Scene) -> None:
    pid = scene.kill("victim")
    scene.system.wait_back("victim", pid)

    def told() -> list[str]:
        with sqlite3.connect(scene.system.var / "state" / "victim.db") as db:
            rows = db.execute("SELECT detail FROM events WHERE kind = 'recovered'").fetchall()
        return [detail for (detail,) in rows]

    found = wait_for(lambda: told() if len(told()) == 2 else None, "the second recovery")
    assert found[0].startswith("began anew, took 0 ticks from the tape")
    assert found[1].startswith("began from its checkpoint, took ")
    assert found[1].endswith("0 are gone; flat")


def test_a_hang_leaves_its_stacks(scene: Scene) -> None:
    scene.fault("loop")
    found = wait_for(lambda: box(scene.system, "victim"), "the black box")
    assert found.cause == "hang"
    assert "_misbehave" in found.stacks
    assert found.times.killed is not None


def test_a_poison_tick_is_skipped_the_third_time(scene: Scene) -> None:
    scene.pulse.inject(Tick("EURUSD", 0, 1.1001, 1.1002, volume=666.0))
    wait_for(lambda: scene.system.strategy("victim").process.restarts == 2, "two deaths")
    wait_for(lambda: scene.system.strategy("victim").process.state == "RUNNING", "RUNNING again")
    scene.run_on()
    scene.assert_undisturbed()
    wait_for(
        lambda: any(e.kind == "poison_tick" for e in scene.system.status().events), "the event"
    )
    sent = scene.pulse.sent["EURUSD"]
    wait_for(lambda: scene.system.processed("victim") >= sent - 1, "every other tick")
    metrics = scene.system.strategy("victim").metrics
    assert metrics is not None
    assert (metrics.ticks_processed, metrics.ticks_bad) == (sent - 1, 1)


def test_a_memory_hog_is_replaced_between_two_bars(scene: Scene) -> None:
    pid = scene.system.pid("victim")
    scene.fault("memory")
    scene.system.wait_back("victim", pid)
    scene.run_on()
    scene.assert_undisturbed()
    scene.assert_complete("victim")
    assert any(e.kind == "recycling" for e in scene.system.status().events)
    assert crash_report.load_reports(scene.system.var / "crash", "victim") == []


def test_children_that_fall_together_are_one_incident(scene: Scene) -> None:
    for name in ("victim", "witness", "bystander"):
        os.kill(scene.before[name] or 0, signal.SIGKILL)
    for name in ("victim", "witness", "bystander"):
        scene.system.wait_back(name, scene.before[name] or 0)
    kinds = [e.kind for e in scene.system.status().events]
    assert kinds.count("incident") == 1


def test_a_new_supervisor_adopts_the_children_of_a_dead_one(scene: Scene) -> None:
    assert scene.system.process is not None
    scene.system.process.kill()
    scene.system.process.wait()
    scene.system.start()
    scene.system.wait_running()
    assert scene.system.pids() == scene.before
    scene.run_on()
    scene.assert_undisturbed("victim", "witness", "bystander")


def test_a_supervisor_that_lost_its_list_replaces_whom_it_does_not_know(scene: Scene) -> None:
    assert scene.system.process is not None
    old = [psutil.Process(pid) for pid in scene.before.values() if pid is not None]
    scene.system.process.kill()
    scene.system.process.wait()
    VarPaths(scene.system.var).registry.unlink()
    scene.system.start()
    wait_for(lambda: not any(process.is_running() for process in old), "the old ones' end")
    scene.system.wait_running()
    before = scene.system.processed("witness")
    wait_for(lambda: scene.system.processed("witness") > before, "ticks again")


def test_after_a_power_cut_everybody_goes_on(scene: Scene) -> None:
    epochs = scene.system.epochs()
    scene.system.kill_everybody()
    # It is not forced to the disk at every spawn; ledger and journals remember who wrote last.
    VarPaths(scene.system.var).registry.unlink()
    scene.system.start()
    scene.system.wait_running()
    assert all(epoch > epochs[name] for name, epoch in scene.system.epochs().items())
    before = scene.system.processed("witness")
    wait_for(lambda: scene.system.processed("witness") > before, "ticks again")
    account = scene.system.status().account
    assert account is not None
    assert account.balance == 10_000.0
