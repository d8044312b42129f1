"""The black box of a death, as `crashes NAME` shows it."""

import time
from pathlib import Path

import msgspec
import pytest

from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import crash_report
from mt5crs_supervisor.commands.records import crashes
from tests.unit.death_cases import report, tick


def shown(var: Path, **changes: object) -> list[str]:
    paths = VarPaths(var)
    paths.create()
    died = msgspec.structs.replace(report("gold", "2026-01-01T22:00:00.5Z"), **changes)
    crash_report.write_box(paths.crash, died)
    return crashes.last_death(paths, "gold")


def test_the_last_ticks_are_told_from_the_one_at_hand(tmp_path: Path) -> None:
    lines = shown(tmp_path, ticks=tuple(map(tick, range(1, 9))), unfinished=tick(8))
    begin = next(n for n, line in enumerate(lines) if line.startswith("  tick "))
    at_hand, *before = lines[begin:]
    assert at_hand.endswith("00:00:00.000008Z was being processed")
    assert [line[:12] for line in before] == ["  before    ", *[" " * 12] * 4]
    assert before[0].endswith(".000003Z")
    assert before[-1].endswith(".000007Z")


def test_of_one_that_died_between_two_ticks_they_are_the_last(tmp_path: Path) -> None:
    assert shown(tmp_path)[-1] == "  ticks     EURUSD 1.00001 / 1.1 at 1970-01-01T00:00:00.000001Z"


def test_a_death_is_told_in_local_time_as_in_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        heading = shown(tmp_path)[0]
        table = crashes.overview(crash_report.load_reports(VarPaths(tmp_path).crash))
    time.tzset()
    assert heading == "gold, pid 1, epoch 1001, 2026-01-02 07:00:00"
    assert table[1].startswith("2026-01-02 07:00:00  gold")


def test_a_tick_that_came_again_and_again_is_shown_as_often(tmp_path: Path) -> None:
    lines = shown(tmp_path, ticks=(tick(1), tick(8), tick(8), tick(8)), unfinished=tick(8))
    begin = next(n for n, line in enumerate(lines) if line.startswith("  before "))
    assert [line[-3:] for line in lines[begin:]] == ["01Z", "08Z", "08Z"]


def test_a_time_that_is_none_is_shown_as_it_stands(tmp_path: Path) -> None:
    assert shown(tmp_path, time="long ago")[0] == "gold, pid 1, epoch 1001, long ago"
