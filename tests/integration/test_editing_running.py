"""Commands that change the strategies file of a system that runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_former_strategies import entry as holding
from tests.integration.test_reload import Desk, recorder
from tests.system import Pulse, wait_for


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    entries = [
        recorder(tmp_path, "euro", "EURUSD"),
        recorder(tmp_path, "cable", "GBPUSD"),
        recorder(tmp_path, "spare", "EURUSD", enabled=False),
    ]
    made = Desk(tmp_path, entries)
    made.entries = entries
    made.pulse = Pulse(made.port, ["EURUSD", "GBPUSD"])
    made.start()
    try:
        made.wait_running()
        made.pulse.start()
        wait_for(lambda: made.processed("euro") > 20, "ticks")
        yield made
    finally:
        made.pulse.stop()
        made.stop()


def test_one_is_enabled_and_runs_and_others_keep_their_process(desk: Desk) -> None:
    before, text = desk.pids(), desk.config.read_text()
    assert desk.said("enable", "spare").endswith("`reload` takes it up\n")
    assert desk.pids() == before
    told = desk.said("enable", "spare", "--reload")
    assert told.startswith("spare is enabled already\n") and "added" in told
    assert desk.strategy("spare").process.state == "RUNNING"
    assert desk.config.read_text() == text.replace("enabled: false", "enabled: true")

    more = desk.folder / "more.yaml"
    more.write_text("name: more\nsymbol: EURUSD\nstrategy: tests.chaos.strategies:Recordr\n")
    said = desk.said("add", str(more), "--reload", code=4)
    assert f"{more}:3:11 strategy: " in said and "did you mean Recorder" in said
    file = desk.folder / "more.ticks"
    more.write_text(more.read_text().replace("Recordr", "Recorder") + f"params:\n  file: {file}\n")
    desk.said("add", str(more), "--reload")
    wait_for(lambda: desk.processed("more") > 20, "ticks of the one that was added")
    desk.said("remove", "spare", "more", "--reload")
    after = desk.pids()
    assert after.keys() == before.keys()
    assert {name: after[name] for name in ("euro", "cable")} == {
        name: before[name] for name in ("euro", "cable")
    }
    desk.assert_complete("euro", "EURUSD")


def test_another_file_than_the_one_that_runs(desk: Desk) -> None:
    other = desk.folder / "other.yaml"
    other.write_text(desk.config.read_text())
    assert "runs another file" in desk.said("--config", str(other), "disable", "cable")
    text = other.read_text()
    assert "name that one with --config" in desk.said(
        "--config", str(other), "enable", "cable", "--reload", code=1
    )
    assert other.read_text() == text


def test_a_position_that_would_be_left_is_told_before(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [holding("buyer", "EURUSD"), holding("other", "GBPUSD")])
    pulse = Pulse(desk.port, ["EURUSD", "GBPUSD"])
    pulse.start()
    desk.start()
    try:
        wait_for(lambda: desk.strategy("buyer").position_lots, "a position")
        text = desk.config.read_text()
        for verb in ("disable", "remove"):
            said = desk.said(verb, "buyer", "--reload", code=1)
            assert said.startswith("error: nothing was changed: buyer would leave a position open")
        assert desk.config.read_text() == text
        assert "(manual)" in desk.said("disable", "buyer", "--reload", "--flatten")
        assert [p["strategy"] for p in desk.json("positions")] == ["other"]
    finally:
        pulse.stop()
        desk.stop()
