import gzip
import struct
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_shared.market.bars import TIMEFRAME_US, Bar, BarBuilder
from mt5crs_shared.market.ticks import Tick
from mt5crs_worker.bars import WINDOW, BarWindow, HistoryError, load_history

MINUTE = TIMEFRAME_US["M1"]


def tick(time_us: int, mid: float) -> Tick:
    return Tick("EURUSD", time_us, mid - 0.25, mid + 0.25)


def bar(number: int, price: float = 1.0) -> Bar:
    return Bar(number * MINUTE, price, price + 0.5, price - 0.5, price + 0.25, 7)


def window_of(count: int, first: int = 0) -> BarWindow:
    window = BarWindow()
    for number in range(first, first + count):
        window.append(bar(number, 100.0 + number))
    return window


def test_first_tick_of_a_later_bar_closes_the_former() -> None:
    builder = BarBuilder("M1")
    mids = [(0, 2.0), (10, 5.0), (20, 1.0), (MINUTE - 1, 3.0)]
    assert [builder.add(tick(at, mid)) for at, mid in mids] == [None] * 4
    assert builder.add(tick(MINUTE, 4.0)) == Bar(0, 2.0, 5.0, 1.0, 3.0, 4)
    assert builder.open_bar == Bar(MINUTE, 4.0, 4.0, 4.0, 4.0, 1)


def test_periods_without_ticks_make_no_bars() -> None:
    builder = BarBuilder("M1")
    builder.add(tick(5, 2.0))
    assert builder.add(tick(10 * MINUTE + 5, 3.0)) == Bar(0, 2.0, 2.0, 2.0, 2.0, 1)
    assert builder.open_bar == Bar(10 * MINUTE, 3.0, 3.0, 3.0, 3.0, 1)


def test_a_late_tick_counts_into_the_open_bar() -> None:
    builder = BarBuilder("M1")
    builder.add(tick(5 * MINUTE, 2.0))
    assert builder.add(tick(MINUTE, 9.0)) is None
    assert builder.open_bar == Bar(5 * MINUTE, 2.0, 9.0, 2.0, 9.0, 2)


def test_no_bar_is_open_before_the_first_tick() -> None:
    assert BarBuilder("M1").open_bar is None


@pytest.mark.parametrize("timeframe", TIMEFRAME_US)
def test_bars_are_aligned_to_utc(timeframe: str) -> None:
    builder = BarBuilder(timeframe)  # type: ignore[arg-type]
    at = 1_700_000_000_123_456
    builder.add(tick(at, 2.0))
    length = TIMEFRAME_US[timeframe]  # type: ignore[index]
    assert builder.open_bar is not None
    assert builder.open_bar.start_us == at // length * length


times = st.lists(st.integers(0, 5 * MINUTE), min_size=1, max_size=60)


@given(times=times, cut=st.integers(0, 60), late=st.booleans())
def test_bars_equal_a_plain_grouping_and_survive_a_handover(
    times: list[int], cut: int, late: bool
) -> None:
    ticks = [tick(at, 2.0 + at % 97) for at in (times if late else sorted(times))]
    builder = BarBuilder("M1")
    closed = []
    for number, each in enumerate(ticks):
        if number == cut:
            builder = BarBuilder("M1", builder.open_bar)
        closed.append(builder.add(each))
    groups: list[list[Tick]] = []
    newest = -1
    for each in ticks:
        if each.time_us // MINUTE > newest:
            newest = each.time_us // MINUTE
            groups.append([])
        groups[-1].append(each)
    expected = [
        Bar(
            group[0].time_us // MINUTE * MINUTE,
            group[0].mid,
            max(t.mid for t in group),
            min(t.mid for t in group),
            group[-1].mid,
            len(group),
        )
        for group in groups
    ]
    assert [*filter(None, closed), builder.open_bar] == expected


@pytest.mark.parametrize("count", [0, 1, WINDOW - 1, WINDOW, WINDOW + 1, 20 * WINDOW + 3])
def test_window_holds_the_last_256(count: int) -> None:
    window = window_of(count)
    held = range(max(0, count - WINDOW), count)
    assert len(window) == len(held)
    assert window.full == (count >= WINDOW)
    assert window.closes.tolist() == [100.25 + number for number in held]
    assert window.highs.tolist() == [100.5 + number for number in held]
    assert window.lows.tolist() == [99.5 + number for number in held]
    assert window.last == (bar(count - 1, 99.0 + count) if count else None)


def test_window_columns_are_contiguous_and_read_only() -> None:
    window = window_of(WINDOW + 5)
    for column in (window.highs, window.lows, window.closes):
        assert column.dtype == np.float64
        assert column.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1.0


@pytest.mark.parametrize("number", [9, 8])
def test_window_refuses_a_bar_that_is_not_newer(number: int) -> None:
    window = window_of(10)
    with pytest.raises(ValueError, match="not after the newest"):
        window.append(bar(number))
    assert len(window) == 10


@pytest.mark.parametrize("count", [0, 1, WINDOW, 30 * WINDOW])
def test_window_round_trip_is_exact(count: int) -> None:
    window = window_of(count)
    again = BarWindow.from_bytes(window.to_bytes())
    assert again.to_bytes() == window.to_bytes()
    assert again.last == window.last
    for number in range(count, count + 5000):
        window.append(bar(number, 1.0 / (number + 1)))
        again.append(bar(number, 1.0 / (number + 1)))
    assert again.to_bytes() == window.to_bytes()
    assert len(window.to_bytes()) < 12_400


@given(st.data())
def test_window_refuses_damage(data: st.DataObject) -> None:
    whole = window_of(3).to_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    flip = data.draw(st.integers(1, 255))
    damaged = whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :]
    with pytest.raises(ValueError, match="bar window"):
        BarWindow.from_bytes(damaged)
    with pytest.raises(ValueError, match="bar window"):
        BarWindow.from_bytes(whole[:at])


@pytest.mark.parametrize(("version", "count"), [(2, 0), (1, 1), (1, 257)])
def test_window_refuses_another_version_or_count(version: int, count: int) -> None:
    body = struct.pack("<4sHH", b"MBAR", version, count)
    with pytest.raises(ValueError, match="bar window"):
        BarWindow.from_bytes(body + struct.pack("<I", zlib.crc32(body)))


def history(tmp_path: Path, *rows: str, header: str = "timestamp,open,high,low,close") -> Path:
    path = tmp_path / "bars.csv"
    path.write_text("\n".join([header, *rows, ""]))
    return path


def test_history_reads_zones_naive_times_and_further_columns(tmp_path: Path) -> None:
    path = history(
        tmp_path,
        "1970-01-01T00:00:00Z,1,4,1,2,9",
        "1970-01-01 02:01:00+02:00,2,3,1,3,9",
        "1970-01-01 00:03:00,3,3,3,3,9",
        header="Timestamp,open,high,low,close,volume",
    )
    assert load_history(path, "M1") == [
        Bar(0, 1.0, 4.0, 1.0, 2.0, 0),
        Bar(MINUTE, 2.0, 3.0, 1.0, 3.0, 0),
        Bar(3 * MINUTE, 3.0, 3.0, 3.0, 3.0, 0),
    ]


def test_history_of_shorter_bars_is_aggregated_without_the_unfinished_last(tmp_path: Path) -> None:
    rows = [f"1970-01-01T00:{m:02}:00Z,{m + 1},{m + 3},{m + 1},{m + 2}" for m in range(13)]
    rows.remove(rows[6])
    assert load_history(history(tmp_path, *rows), "M5") == [
        Bar(0, 1.0, 7.0, 1.0, 6.0, 0),
        Bar(5 * MINUTE, 6.0, 12.0, 6.0, 11.0, 0),
    ]
    ending = [*rows, *(f"1970-01-01T00:{m}:00Z,20,20,20,20" for m in (13, 14))]
    assert len(load_history(history(tmp_path, *ending), "M5")) == 3


def test_history_may_be_gzipped_and_empty(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv.gz"
    path.write_bytes(gzip.compress(b"timestamp,open,high,low,close\n1970-01-01,1,1,1,1\n\n"))
    assert load_history(path, "D1") == [Bar(0, 1.0, 1.0, 1.0, 1.0, 0)]
    assert load_history(history(tmp_path), "M1") == []


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("1970-01-01T00:01:00Z,1,1,1", ":3: a row with too few columns"),
        ("1970-01-01T00:01:00Z,1,1,1,x", ":3: could not convert string to float: 'x'"),
        ("soon,1,1,1,1", ":3: Invalid isoformat string: 'soon'"),
        ("1970-01-01T00:01:00Z,1,1,1,nan", ":3: a number that is not finite"),
        ("1970-01-01T00:01:00Z,1,inf,1,1", ":3: a number that is not finite"),
        ("1970-01-01T00:01:00Z,0,1,0,1", ":3: not 0 < low"),
        ("1970-01-01T00:01:00Z,1,2,1,3", ":3: not 0 < low"),
        ("1970-01-01T00:01:00Z,1,2,1.5,1.5", ":3: not 0 < low"),
        ("1970-01-01T00:00:00Z,1,1,1,1", ":3: not later than the row before"),
        ("1969-12-31T23:59:00Z,1,1,1,1", ":3: not later than the row before"),
        ("1970-01-01T00:05:00Z,1,1,1,1", ":2: bars of 300 s, which do not fit into M1"),
    ],
)
def test_history_refuses_with_file_and_line(tmp_path: Path, second: str, said: str) -> None:
    path = history(tmp_path, "1970-01-01T00:00:00Z,1,1,1,1", second)
    with pytest.raises(HistoryError) as caught:
        load_history(path, "M1")
    assert str(caught.value).startswith(f"{path}{said}")


def test_history_refuses_bars_that_straddle_two(tmp_path: Path) -> None:
    path = history(tmp_path, "1970-01-01T00:00:30Z,1,1,1,1", "1970-01-01T00:01:30Z,1,1,1,1")
    with pytest.raises(HistoryError, match=r":2: bars of 60 s, which do not fit into M1"):
        load_history(path, "M1")


def test_history_refuses_a_file_without_the_columns(tmp_path: Path) -> None:
    path = history(tmp_path, header="time,open,high,close")
    with pytest.raises(HistoryError, match=r"bars\.csv:1: the header lacks timestamp, low; it has"):
        load_history(path, "M1")


def test_history_refuses_what_cannot_be_read(tmp_path: Path) -> None:
    cut = tmp_path / "cut.csv.gz"
    rows = "".join(f"1970-01-01T00:{m:02}:00Z,1,1,1,1\n" for m in range(60))
    cut.write_bytes(gzip.compress(f"timestamp,open,high,low,close\n{rows}".encode())[:-9])
    for path in (tmp_path / "none.csv", tmp_path, cut):
        with pytest.raises(HistoryError, match=f"{path} cannot be read"):
            load_history(path, "M1")


def test_history_of_real_minutes_becomes_five_minute_bars() -> None:
    path = Path(__file__).parents[3] / "shared/data/GBPUSD_M1_bid_2012-02.csv.gz"
    if not path.exists():
        pytest.skip(f"recorded data is missing: {path}")
    minutes, fives = load_history(path, "M1"), load_history(path, "M5")
    assert len(minutes) == 30_117
    assert max(b.high for b in minutes) == max(b.high for b in fives)
    assert all(a.start_us < b.start_us for a, b in pairwise(fives))
