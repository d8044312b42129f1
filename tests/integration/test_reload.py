"""`reload`, and starting and stopping one strategy, on a system that goes on meanwhile."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chaos.strategies import RECORD
from tests.integration.test_cli_process import CommandLine
from tests.integration.test_former_strategies import entry as holding
from tests.system import ROOT, Pulse, wait_for

SYMBOLS = ["EURUSD", "GBPUSD", "EURJPY", "USDJPY"]


def recorder(folder: Path, name: str, symbol: str, **fields: Any) -> dict[str, Any]:
    """One that writes down each tick it has taken."""
    params = {"file": str(folder / f"{name}.ticks")}
    kind = "tests.chaos.strategies:Recorder"
    fixed = {"timeframe": "S1", "evaluate": "tick", "strategy": kind, "params": params}
    return {"name": name, "symbol": symbol, **fixed, **fields}


class Desk(CommandLine):
    """A system on 50 ticks a second of each symbol, of a publisher that is none of ours."""

    pulse: Pulse
    entries: list[dict[str, Any]]

    def edit(self, *entries: dict[str, Any], **globals_: Any) -> None:
        self.write_config(list(entries), globals_)

    def assert_complete(self, name: str, symbol: str, since: int = 0) -> None:
        """Every tick that was sent has been taken, each once."""
        self.pulse.silence()
        file = self.folder / f"{name}.ticks"
        sent = self.pulse.sent[symbol] - since
        wait_for(lambda: file.stat().st_size >= sent * RECORD.size, f"{name} to take {sent} ticks")
        seen = [event for event, _ in RECORD.iter_unpack(file.read_bytes())]
        assert len(seen) == len(set(seen)) == sent


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    entries = [
        recorder(tmp_path, "euro", "EURUSD"),
        recorder(tmp_path, "cable", "GBPUSD"),
        recorder(tmp_path, "yen", "EURJPY"),
    ]
    made = Desk(tmp_path, entries)
    made.entries = entries
    made.pulse = Pulse(made.port, SYMBOLS)
    made.start()
    try:
        made.wait_running()
        made.pulse.wait_heard(1)
        made.pulse.start()
        wait_for(lambda: made.processed("yen") > 50, "ticks")
        yield made
    finally:
        made.pulse.stop()
        made.stop()


def test_untouched_ones_keep_their_process_and_miss_no_tick(desk: Desk) -> None:
    before = desk.pids()
    euro, cable, _yen = desk.entries
    other = {**cable, "timeframe": "S5"}
    new = recorder(desk.folder, "dollar", "USDJPY")
    desk.edit(euro, new, other)
    assert ": 3 differences (`reload --dry-run`" in desk.said("status")
    assert desk.json("status")["config_differences"] == 3
    assert desk.json("config", "cable")["timeframe"] == "S5"
    assert desk.json("config", "cable", "--running")["timeframe"] == "S1"

    shown = desk.said("reload", "--dry-run")
    assert desk.pids() == before
    told = desk.said("reload")
    assert told.startswith(shown) and "1 untouched" in told
    for line in ("added", "removed", "changed", "untouched"):
        assert line in told
    assert 'timeframe: "S1" -> "S5"' in told

    after = desk.pids()
    assert list(desk.json("status")["strategies"][n]["process"]["name"] for n in range(3)) == [
        "euro",
        "dollar",
        "cable",
    ]
    assert after["euro"] == before["euro"]
    assert {n for n in before if n in after and after[n] != before[n]} == {
        "cable",
        "tape",
        "gateway",
    }
    assert "has changed at" not in desk.said("status")
    wait_for(lambda: desk.processed("dollar") > 20, "ticks of the new symbol")
    assert desk.said("reload").startswith("Nothing differs from what runs. ")
    assert desk.said("events", "--kind", "reload").count("added dollar; removed yen; changed ") == 1

    # Another supervisor takes over what the reload has made.
    assert desk.process is not None
    desk.process.kill()
    desk.process.wait()
    desk.start()
    desk.wait_running()
    assert desk.pids() == after
    desk.assert_complete("euro", "EURUSD")


def test_a_file_with_a_mistake_changes_nothing(desk: Desk) -> None:
    before = desk.epochs()
    euro, cable, yen = desk.entries
    desk.edit({**euro, "symbol": "NOSUCH"}, cable, yen)
    assert "NOSUCH" in desk.said("reload", code=4)
    desk.edit({**euro, "strategy": "tests.chaos.strategies:Recordr"}, cable, yen)
    assert "did you mean Recorder" in desk.said("reload", code=4)
    desk.config.write_text("strategies: [")
    desk.said("reload", code=4)
    assert ", and cannot be used: strategies.yaml:1:14: not valid" in " ".join(
        desk.said("status").split()
    )
    assert f"cannot be used: {desk.config}:1:14: " in desk.json("status")["config_problem"]
    desk.edit(euro, cable, yen, default_balance=5.0)
    assert "global.default_balance cannot change while it runs" in desk.said("reload", code=1)
    desk.edit(*desk.entries)
    assert desk.said("reload").startswith("Nothing differs from what runs. ")
    assert desk.epochs() == before
    desk.assert_complete("euro", "EURUSD")


def test_a_model_with_other_contents_is_taken_up(desk: Desk, tmp_path: Path) -> None:
    model = tmp_path / "model.json"
    shutil.copy(ROOT / "models" / "baseline_v1.json", model)
    modelled = {"name": "model", "symbol": "EURUSD", "model_path": str(model)}
    desk.edit(*desk.entries, modelled)
    assert "added" in desk.said("reload")
    pids = desk.pids()
    model.write_text(model.read_text() + "\n")
    told = desk.said("reload")
    assert "contents of model_path" in told and "3 untouched" in told
    after = desk.pids()
    assert {name for name in pids if pids[name] != after[name]} == {"model"}


def test_one_that_was_given_up_is_mended_by_a_reload(desk: Desk) -> None:
    bad = recorder(desk.folder, "bad", "EURUSD", params={"file": "/nowhere/at/all"})
    desk.edit(*desk.entries, bad)
    # Trying it out, as `reload` does, finds that.
    assert "No such file" in desk.said("reload", code=4)
    desk.kill_until_given_up("cable")
    assert desk.strategy("cable").process.state == "QUARANTINED"
    euro, cable, yen = desk.entries
    desk.edit(euro, {**cable, "timeframe": "S5"}, yen)
    desk.said("reload")
    assert desk.strategy("cable").process.state == "RUNNING"


def test_one_strategy_is_stopped_and_started(desk: Desk) -> None:
    before = desk.pids()
    assert desk.said("stop", "y*").startswith(f"yen is STOPPED (pid {before['yen']} -> none)")
    assert "yen is RUNNING" in desk.said("start", "yen")
    told = desk.said("restart", "euro", "cable")
    assert told.count("RUNNING") == 2
    assert "tape is a service" in desk.said("stop", "tape", code=1)
    assert "no child called yem. Did you mean yen" in desk.said("stop", "yen", "yem", code=2)
    assert desk.strategy("yen").process.state == "RUNNING"
    kinds = [line.split()[2:4] for line in desk.said("events", "--kind", "stop,start").splitlines()]
    assert kinds == [["yen", "stop"], ["yen", "start"]]
    desk.assert_complete("yen", "EURJPY")


def test_what_leaves_with_a_position_needs_a_word(tmp_path: Path) -> None:
    buyer, other = holding("buyer", "EURUSD"), holding("other", "GBPUSD")
    desk = Desk(tmp_path, [buyer, other])
    pulse = Pulse(desk.port, ["EURUSD", "GBPUSD"])
    pulse.start()
    desk.start()
    try:
        for name in ("buyer", "other"):
            wait_for(lambda n=name: desk.strategy(n).position_lots, f"a position of {name}")
        pids = desk.pids()
        desk.edit(other)
        assert "buyer would leave a position open" in desk.said("reload", code=1)
        assert desk.pids() == pids
        # A limit is taken up by a fresh gateway alone, and let go of again.
        limit = {"rule": "max_open_positions", "params": {"most": 0}}
        desk.edit(buyer, other, risk=[limit])
        told = desk.said("reload")
        assert "global.risk" in told and "2 untouched" in told
        desk.said("flatten", "other")
        wait_for(
            lambda: any("max_open_positions: 1 are" in o["detail"] for o in desk.json("orders")),
            "the limit to refuse",
        )
        desk.edit(buyer, other, risk=[{**limit, "params": {"most": "many"}}])
        assert "global.risk[0].params.most" in desk.said("reload", code=4)
        desk.edit(buyer, other)
        desk.said("reload")
        wait_for(lambda: desk.strategy("other").position_lots, "it to open again")
        desk.edit(other)
        told = desk.said("reload", "--flatten")
        assert "(manual)" in told
        assert [p["strategy"] for p in desk.json("positions")] == ["other"]
        assert desk.json("locks") == []
        desk.edit({**other, "enabled": False}, {**buyer, "name": "third"})
        desk.said("reload", "--keep")
        held = [p["strategy"] for p in desk.json("positions")]
        assert "other" in held
        assert desk.said("flatten", "other").startswith("other: BUY ")
    finally:
        pulse.stop()
        desk.stop()


def test_a_configuration_is_read_whole_or_not_at_all(desk: Desk) -> None:
    """The digest of what was checked goes along."""
    from mt5crs_supervisor.operator.control import ControlClient, Refused, ReloadRequest

    reply = ControlClient(desk.var).request(ReloadRequest("another", {}))
    assert reply == Refused("the file has changed while it was checked: try again")
    assert yaml.safe_load(desk.config.read_text())
