"""`start --watch-config`: what changes in the configuration's files is taken up by itself."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.test_former_strategies import entry as holding
from tests.integration.test_reload import Desk, recorder
from tests.integration.test_supervisor_errors import FEED, STRATEGIES, Faulty
from tests.system import ROOT, Pulse, System, wait_for


def watcher(system: System, but: int | None = None) -> int:
    """The process that watches, once it is another one than `but`."""

    def found() -> int | None:
        pid = system.status().config_watcher
        return pid if pid != but else None

    return wait_for(found, "a process that watches")


def wait_gone(pid: int) -> None:
    wait_for(lambda: not psutil.pid_exists(pid), f"the end of {pid}", within=10.0)


def untaken(system: System) -> list[str]:
    return [e.detail for e in system.status().events if e.kind == "not_taken_up"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    entries = [recorder(tmp_path, "euro", "EURUSD"), recorder(tmp_path, "cable", "GBPUSD")]
    made = Desk(tmp_path, entries)
    made.entries = entries
    made.pulse = Pulse(made.port, ["EURUSD", "GBPUSD"])
    made.start("--watch-config")
    try:
        made.wait_running()
        made.pulse.start()
        wait_for(lambda: made.processed("euro") > 20, "ticks")
        watcher(made)
        yield made
    finally:
        made.pulse.stop()
        made.stop()


def test_a_change_is_taken_up_and_a_mistake_changes_nothing(desk: Desk) -> None:
    before = desk.pids()
    model = desk.folder / "model.json"
    spare = {"name": "spare", "symbol": "EURUSD", "model_path": str(model)}
    desk.edit(*desk.entries, spare)
    # The model that it names is not there yet.
    wait_for(lambda: "model.json" in desk.status().config_problem, "the problem to be told")
    said = " ".join(desk.said("status").split())
    assert ", and cannot be used: strategies.yaml:" in said
    assert desk.pids() == before

    shutil.copy(ROOT / "models" / "baseline_v1.json", model)
    wait_for(lambda: "spare" in desk.pids(), "the new one")
    desk.wait_running()
    after = desk.pids()
    assert {name: after[name] for name in ("euro", "cable")} == {
        name: before[name] for name in ("euro", "cable")
    }
    assert desk.status().config_problem == ""
    assert "has changed" not in desk.said("status")
    model.write_text(model.read_text() + "\n")
    desk.wait_back("spare", after["spare"] or 0)

    epochs = desk.epochs()
    desk.config.write_text("strategies: [")
    wait_for(lambda: "not valid YAML" in desk.status().config_problem, "the mistake to be told")
    desk.config.write_text("strategies: 3\n")
    # Of a file that was written since, the old mistake is not told.
    told = desk.said("status")
    assert "strategies.yaml has changed" in told and "not valid YAML" not in told
    wait_for(lambda: "a list" in desk.status().config_problem, "the new mistake to be told")
    desk.edit(*desk.entries)
    wait_for(lambda: "spare" not in desk.pids(), "the one that was taken out to leave")
    assert {n: e for n, e in epochs.items() if n in before and n != "gateway"} == {
        n: e for n, e in desk.epochs().items() if n != "gateway"
    }
    (desk.folder / "symbols.yaml").write_text("symbols: []\n")
    wait_for(lambda: "symbols.yaml" in desk.status().config_problem, "that mistake to be told")
    assert "what strategies.yaml names has changed, and cannot be used" in desk.said("status")
    told = untaken(desk)
    assert len(told) == len(set(told)) == 4, told
    desk.assert_complete("euro", "EURUSD")


def test_a_position_that_would_be_left_is_told_and_kept(tmp_path: Path) -> None:
    buyer, other = holding("buyer", "EURUSD"), holding("other", "GBPUSD")
    desk = Desk(tmp_path, [buyer, other])
    pulse = Pulse(desk.port, ["EURUSD", "GBPUSD"])
    pulse.start()
    desk.start("--watch-config")
    try:
        wait_for(lambda: desk.strategy("buyer").position_lots, "a position")
        pid = watcher(desk)
        assert f"pid {pid} takes it up" in desk.said("disable", "buyer")
        wait_for(lambda: desk.status().config_problem, "it to be told")
        assert "buyer would leave a position open: `reload --keep`" in desk.status().config_problem
        assert "buyer" in desk.pids()
        desk.said("reload", "--keep")
        assert "buyer" not in desk.pids()
        assert desk.status().config_problem == ""
        assert len(untaken(desk)) == 1
    finally:
        pulse.stop()
        desk.stop()
    wait_gone(pid)


def test_it_lives_as_long_as_the_supervisor_does(tmp_path: Path) -> None:
    system = Faulty(tmp_path, STRATEGIES, FEED)
    system.start("--watch-config")
    try:
        system.wait_running()
        first = watcher(system)
        os.kill(first, signal.SIGKILL)
        second = watcher(system, but=first)

        system.fail()  # The supervisor begins again in place.
        third = watcher(system, but=second)
        wait_gone(second)
        one, two = STRATEGIES
        before = system.pids()
        system.write_config([one, {**two, "timeframe": "S15"}], FEED)
        wait_for(lambda: system.pids()["two"] not in (None, before["two"]), "two to be replaced")
        assert system.pids()["one"] == before["one"]

        assert system.process is not None
        system.process.kill()
        system.process.wait()
        wait_gone(third)
        assert system.call("start", "--detach", "--watch-config").returncode == 0
        fourth = watcher(system)
        assert system.call("stop").returncode == 0
        wait_gone(fourth)
    finally:
        system.call("stop")
        system.stop()
