"""What the page shows of one strategy: read from its files, whatever they look like."""

import json
from pathlib import Path

import pytest

from mt5crs_services.page.strategy.candles import read_candles
from mt5crs_services.page.strategy.life import life_of
from mt5crs_services.page.strategy.log_tail import read_log_tail
from mt5crs_services.page.strategy.settings import read_settings
from mt5crs_services.page.strategy.view import read_strategy
from mt5crs_services.tape.tape_file import TapeFiles, TapeRecord
from mt5crs_services.tape.tape_reader import read_newest_ticks
from mt5crs_shared.events import Degraded, Restart, StateChanged, Well
from mt5crs_shared.market.bars import BarBuilder
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage.event_files import NumberedEvent
from tests.system import ROOT

SECOND = 1_000_000
BEGIN = 1_767_571_200 * SECOND


def ticks(symbol: str, count: int) -> list[Tick]:
    return [
        Tick(symbol, BEGIN + n * SECOND, 1.1 + n % 7 * 1e-4, 1.1002 + n % 7 * 1e-4)
        for n in range(count)
    ]


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Two symbols that alternate, over two files."""
    folder = tmp_path / "tape"
    folder.mkdir()
    files = TapeFiles(folder, ["GBPUSD", "EURUSD"], 500)
    for pair in zip(ticks("EURUSD", 400), ticks("GBPUSD", 400), strict=True):
        for tick in pair:
            files.append(TapeRecord(tick, False, False))
            files.flush()
    files.close()
    return folder


def test_the_tape_is_read_back_as_it_was_written(tape: Path) -> None:
    assert list(read_newest_ticks(tape, "EURUSD", 10**15)) == ticks("EURUSD", 400)
    assert list(read_newest_ticks(tape, "EURUSD", 9 * SECOND)) == ticks("EURUSD", 400)[-10:]
    assert list(read_newest_ticks(tape, "USDJPY", 10**15)) == []
    assert list(read_newest_ticks(tape / "nowhere", "EURUSD", 10**15)) == []


def test_a_record_that_is_being_written_is_left_out(tape: Path) -> None:
    with (tape / "current.tape").open("ab") as file:
        file.write(b"half a record")
    assert list(read_newest_ticks(tape, "EURUSD", 10**15)) == ticks("EURUSD", 400)


def test_candles_are_the_bars_of_a_strategy(tape: Path) -> None:
    builder = BarBuilder("M1")
    bars = [bar for tick in ticks("EURUSD", 400) if (bar := builder.add(tick)) is not None]
    assert builder.open_bar is not None
    assert read_candles(tape, "EURUSD", "M1", 100) == [*bars, builder.open_bar]
    assert read_candles(tape, "EURUSD", "M1", 2) == [bars[-1], builder.open_bar]
    assert read_candles(tape, "XAUUSD", "M1", 100) == []


def test_a_life_is_told_in_stretches() -> None:
    happened = [
        StateChanged("euro", "STOPPED", "STARTING"),
        StateChanged("cable", "STOPPED", "STARTING"),
        StateChanged("euro", "STARTING", "RUNNING"),
        Degraded("euro", "the feed is silent"),
        Restart("euro", "asked by the operator"),
        Well("euro", "the feed is silent"),
    ]
    events = [
        NumberedEvent(number, f"2026-01-05T00:00:{number:02}.000Z", event)
        for number, event in enumerate(happened)
    ]
    begin = 1_767_571_200.0
    found = [
        (one.state, one.begin - begin, one.end - begin)
        for one in life_of(events, "euro", begin + 60)
    ]
    assert found == [
        ("STARTING", 0.0, 2.0),
        ("RUNNING", 2.0, 3.0),
        ("DEGRADED", 3.0, 5.0),
        ("RUNNING", 5.0, 60.0),
    ]
    assert life_of(events, "nobody", begin) == []


def test_a_setting_says_which_line_it_stands_in() -> None:
    file = ROOT / "config" / "strategies.yaml"
    found = read_settings(file, ROOT, "gbpusd_pairtrading_v1")
    lines = file.read_text().splitlines()
    by_path = {one.path: one for one in found.fields}
    size = by_path["risk_config.max_position_size"]
    assert size.line is not None
    assert "max_position_size: 0.08" in lines[size.line - 1]
    assert size.value == "0.08"
    assert by_path["timeframe"].line is None
    assert by_path["timeframe"].value == '"M1"'


def test_a_file_that_is_refused_says_why(tmp_path: Path) -> None:
    file = tmp_path / "strategies.yaml"
    file.write_text("strategies: 7\n")
    assert "strategies.yaml:1" in read_settings(file, tmp_path, "euro").problem
    assert "has no nobody" in read_settings(ROOT / "config/strategies.yaml", ROOT, "nobody").problem


def test_the_end_of_a_log_is_read_line_by_line(tmp_path: Path) -> None:
    log = tmp_path / "euro.log"
    lines = [{"time": "t", "level": "INFO", "message": f"line {n}", "pid": 7} for n in range(10)]
    log.write_text("\n".join([*map(json.dumps, lines), "no line of ours", '{"half": ']))
    assert [line.message for line in read_log_tail(log, 5)] == ["line 7", "line 8", "line 9"]
    assert read_log_tail(tmp_path / "nowhere.log", 5) == []


def test_of_a_strategy_that_never_ran_there_is_little_to_show(tmp_path: Path) -> None:
    paths = VarPaths(tmp_path / "var")
    paths.create()
    view = read_strategy(paths, "eurusd_trend_v1", "EURUSD", ROOT / "config/strategies.yaml", ROOT)
    assert (view.timeframe, view.threshold, view.candles) == ("M1", 0.55, ())
    assert (view.trades, view.deaths, view.life, view.log) == ((), (), (), ())
    assert "there is no ledger yet" in view.problem
