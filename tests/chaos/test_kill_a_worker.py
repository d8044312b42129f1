"""Whatever one strategy does, the others keep every tick, in time, in the same process."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mt5crs_shared.process.supervision import OUTPUT_LIMIT
from mt5crs_shared.storage import crash_report
from tests.chaos.scene import SYMBOLS, Scene, entry, playing
from tests.system import Pulse, System, running, wait_for


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Three strategies, 50 ticks a second each, everybody RUNNING."""
    with playing(tmp_path, [entry(tmp_path, name) for name in SYMBOLS]) as one:
        yield one


@pytest.mark.parametrize("fault", ["sigkill", "segv", "exit"])
def test_a_sudden_death(scene: Scene, fault: str) -> None:
    pid = scene.system.pid("victim")
    scene.fault(fault)
    scene.system.wait_back("victim", pid)
    scene.run_on()
    scene.assert_undisturbed()
    scene.assert_complete("victim")
    victim = scene.system.strategy("victim").process
    assert victim.restarts == 1
    assert victim.recovery_ms is not None


def test_a_death_before_the_first_tick_costs_none(tmp_path: Path) -> None:
    # What is older than this would be left alone by a strategy that is new.
    entries = [entry(tmp_path, "victim", max_signal_age=0.05)]
    with running(tmp_path, entries) as system:
        pulse = Pulse(system.port, ["EURUSD"])
        try:
            pulse.wait_heard(3)
            one = Scene(system, pulse)
            pid = one.kill("victim")
            pulse.start()
            system.wait_back("victim", pid)
            wait_for(lambda: pulse.sent["EURUSD"] > 50, "ticks")
            pulse.stop()
            one.assert_complete("victim")
        finally:
            pulse.stop()


def test_an_exception_in_a_strategy_is_only_counted(scene: Scene) -> None:
    scene.fault("exception")
    wait_for(lambda: scene.system.strategy("victim").metrics.error_count == 1, "the error")
    scene.run_on()
    scene.assert_undisturbed("victim", "witness", "bystander")


@pytest.mark.parametrize("fault", ["loop", "sigstop"])
def test_a_hang_is_noticed_and_ended(scene: Scene, fault: str) -> None:
    pid = scene.system.pid("victim")
    scene.fault(fault)
    scene.system.wait_back("victim", pid)
    scene.run_on()
    scene.assert_undisturbed()
    scene.assert_complete("victim")
    said = scene.system.strategy("victim").process.last_error
    assert "no heartbeat for" in said
    (box,) = crash_report.load_reports(scene.system.var / "crash", "victim")
    # One that is stopped, or gets no turn within 0.25 s, cannot say where it is.
    assert (said.startswith("strategies.py:")) == bool(box.stacks)


def test_a_flood_of_output_stays_in_bounded_files(scene: Scene) -> None:
    scene.fault("flood")
    wait_for(lambda: not (scene.system.folder / "trigger").exists(), "the flood")
    scene.run_on(100)
    scene.assert_undisturbed()
    logs = sum(path.stat().st_size for path in (scene.system.var / "log").glob("victim*"))
    assert logs < 60_000_000


def test_what_is_written_past_print_does_not_fill_the_disk(scene: Scene) -> None:
    scene.fault("raw flood")
    wait_for(lambda: not (scene.system.folder / "trigger").exists(), "the flood")
    scene.run_on()
    output = scene.system.var / "run" / "victim.stderr"
    wait_for(lambda: output.stat().st_size <= OUTPUT_LIMIT, "the file to be emptied")
    log = scene.system.var / "log" / "victim.log"
    said = "victim.stderr: 20000000 bytes written past print() were thrown away"
    # It is emptied first, and was empty before the flood.
    wait_for(lambda: said in log.read_text(), "the log to say so")
    assert output.stat().st_size <= OUTPUT_LIMIT
    scene.assert_undisturbed()


def test_a_memory_hog(scene: Scene) -> None:
    scene.fault("memory")
    wait_for(
        lambda: scene.system.strategy("victim").process.memory > 900_000_000, "the memory to show"
    )
    scene.run_on()
    scene.assert_undisturbed()


@pytest.mark.parametrize("service", ["gateway", "tape"])
def test_the_death_of_a_service_is_lived_through(scene: Scene, service: str) -> None:
    pid = scene.kill(service)
    scene.system.wait_back(service, pid)
    scene.run_on()
    scene.assert_undisturbed("victim", "witness", "bystander")


def test_the_death_of_the_tape_and_a_worker_together_loses_nothing(scene: Scene) -> None:
    scene.kill("tape")
    pid = scene.kill("victim")
    scene.system.wait_back("victim", pid)
    scene.run_on()
    scene.assert_undisturbed()
    scene.assert_complete("victim")


def test_the_death_of_the_forkserver_restarts_and_doubles_nobody(scene: Scene) -> None:
    forkserver = scene.system.status().forkserver_pid
    assert forkserver is not None
    os.kill(forkserver, signal.SIGKILL)
    wait_for(
        lambda: scene.system.status().forkserver_pid not in (None, forkserver), "a new forkserver"
    )
    scene.run_on(50)
    assert scene.system.pids() == scene.before
    pid = scene.kill("victim")
    scene.system.wait_back("victim", pid)
    scene.assert_undisturbed()
    named = [p for p in scene.system.processes() if "victim" in " ".join(p.cmdline())]
    assert len(named) == 1


def test_a_strategy_that_cannot_boot_stops_nobody(tmp_path: Path) -> None:
    entries = [
        entry(tmp_path, "victim", strategy="tests.chaos.strategies:Unbootable"),
        entry(tmp_path, "witness"),
    ]
    with running(tmp_path, entries, wait=False) as system:
        system.wait_state("victim", "QUARANTINED")
        system.wait_state("witness", "RUNNING")
        assert "it does not even start" in system.strategy("victim").process.last_error


def test_a_crash_loop_ends_in_quarantine(tmp_path: Path) -> None:
    victim = entry(tmp_path, "victim", restart={"backoff": 0.05, "backoff_max": 0.1})
    victim["params"]["always"] = "exit"
    with playing(tmp_path, [victim, entry(tmp_path, "witness")]) as one:
        one.system.wait_state("victim", "QUARANTINED")
        one.assert_undisturbed("witness")


def test_when_the_supervisor_dies_nobody_outlives_the_grace(tmp_path: Path) -> None:
    settings = {"supervisor": {"orphan_grace": 1.0, "lease": 2.0}}
    system = System(tmp_path, [entry(tmp_path, name) for name in SYMBOLS], settings)
    system.start()
    try:
        system.wait_running()
        assert system.process is not None
        children = system.processes()
        assert len(children) >= 6
        system.process.kill()
        wait_for(lambda: not system.processes(), "every process to end")
    finally:
        system.stop()
