import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_services.feed.files import FeedFileError, count_ticks, merge, read_ticks
from mt5crs_shared.market.ticks import Tick

DATA = Path(__file__).parents[3] / "shared/data"
RECORDED = {
    "EURUSD_2014-05-05.csv.gz": 58_143,
    "NZDUSD_2014-05-05.csv.gz": 68_867,
    "XAUUSD_2014-05-05.csv.gz": 186_204,
    "GBPUSD_M1_bid_2012-02.csv.gz": 4 * 30_117,
}
MINUTE = 60_000_000


def recorded(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"recorded data is missing: {path}")
    return path


def write(path: Path, *rows: str, header: str = "timestamp,bid,ask") -> Path:
    text = "\n".join([header, *rows]).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize("name", ["EURUSD_2014-05-05.csv.gz", "EURUSD.csv", "EURUSD_x.csv"])
def test_ticks_are_read_as_recorded(tmp_path: Path, name: str) -> None:
    path = write(
        tmp_path / name,
        "1970-01-01T00:00:01.000002Z,1.5,1.25",
        "",
        "1970-01-01 02:00:01+02:00,1.1,1.2",
        "1970-01-01T00:00:00.5,0,1",
    )
    assert list(read_ticks(path)) == [
        Tick("EURUSD", 1_000_002, 1.5, 1.25),
        Tick("EURUSD", 1_000_000, 1.1, 1.2),
        Tick("EURUSD", 500_000, 0.0, 1.0),
    ]
    assert count_ticks(path) == 3
    assert {tick.symbol for tick in read_ticks(path, "EURUSD.s")} == {"EURUSD.s"}


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "X.csv", "9,2.0,1.0,1970-01-01", header="Volume,Ask,Bid,Timestamp")
    assert list(read_ticks(path)) == [Tick("X", 0, 1.0, 2.0)]


def bars(folder: Path, side: str, *rows: str) -> Path:
    name = f"GBPUSD_M1_{side}_2012-02.csv"
    return write(folder / name, *rows, header="timestamp,open,high,low,close")


@pytest.mark.parametrize("side", ["bid", "ask"])
def test_a_pair_of_bar_files_becomes_four_ticks_a_minute(tmp_path: Path, side: str) -> None:
    bars(tmp_path, "bid", "1970-01-01T00:00:00Z,3,9,1,5", "1970-01-01T00:01:00Z,5,6,2,4")
    bars(tmp_path, "ask", "1970-01-01T00:00:00Z,4,10,2,6", "1970-01-01T00:01:00Z,6,7,3,5")
    path = tmp_path / f"GBPUSD_M1_{side}_2012-02.csv"
    quotes = [(0, 3, 4), (20, 1, 2), (40, 9, 10), (59, 5, 6)]
    quotes += [(60, 5, 6), (80, 6, 7), (100, 2, 3), (119, 4, 5)]
    expected = [Tick("GBPUSD", at * 1_000_000, float(bid), float(ask)) for at, bid, ask in quotes]
    assert list(read_ticks(path)) == expected
    assert count_ticks(path) == 8


@pytest.mark.parametrize(
    "ask", [["1970-01-01T00:02:00Z,1,1,1,1"], [], ["1970-01-01T00:01:00Z,1,1,1,1"] * 2]
)
def test_bars_of_two_files_must_match(tmp_path: Path, ask: list[str]) -> None:
    path = bars(tmp_path, "bid", "1970-01-01T00:01:00Z,1,1,1,1")
    bars(tmp_path, "ask", *ask)
    with pytest.raises(FeedFileError, match=r"_bid_.*:\d: not the same minute as in .*_ask_.*:\d"):
        list(read_ticks(path))


def test_a_bar_file_without_its_sibling_is_refused(tmp_path: Path) -> None:
    path = bars(tmp_path, "bid", "1970-01-01T00:01:00Z,1,1,1,1")
    with pytest.raises(FeedFileError, match=r"_M1_ask_2012-02\.csv cannot be read"):
        list(read_ticks(path))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1970-01-01T00:00:01Z,1.5", "a row with too few columns"),
        ("1970-01-01T00:00:01Z,1.5,", "could not convert string to float: ''"),
        ("1970-01-01T00:00:01Z,1.5,one", "could not convert string to float: 'one'"),
        ("1970-01-01T00:00:01Z,1.5,nan", "a number that is not finite"),
        ("1970-01-01T00:00:01Z,-inf,1.5", "a number that is not finite"),
        ("yesterday,1.5,1.5", "Invalid isoformat string: 'yesterday'"),
    ],
)
def test_a_malformed_row_is_refused_with_file_and_line(tmp_path: Path, row: str, said: str) -> None:
    path = write(tmp_path / "EURUSD.csv", "1970-01-01T00:00:00Z,1.5,1.5", "", row)
    ticks = read_ticks(path)
    assert next(ticks).bid == 1.5
    with pytest.raises(FeedFileError) as caught:
        next(ticks)
    assert str(caught.value).startswith(f"{path}:4: {said}")


@pytest.mark.parametrize("header", ["", "time,bid,ask", "timestamp,bid"])
def test_a_file_without_the_columns_is_refused(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "EURUSD.csv", header=header)
    with pytest.raises(FeedFileError, match=r"EURUSD\.csv:1: the header lacks"):
        list(read_ticks(path))
    assert count_ticks(path) == 0


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    cut = write(tmp_path / "EURUSD.csv.gz", *(f"1970-01-01T00:00:{s}Z,1,1" for s in range(10, 60)))
    cut.write_bytes(cut.read_bytes()[:-9])
    plain = tmp_path / "GBPUSD.csv.gz"
    plain.write_text("timestamp,bid,ask\n")
    for path in (tmp_path / "none.csv", tmp_path, cut, plain):
        for use in (lambda path: list(read_ticks(path)), count_ticks):
            with pytest.raises(FeedFileError, match=f"{path} cannot be read"):
                use(path)


@given(st.lists(st.lists(st.integers(0, 20)), max_size=4))
def test_merge_is_a_stable_sort_by_time(times: list[list[int]]) -> None:
    streams = [
        [Tick(f"S{number}", at, 1.0, float(place)) for place, at in enumerate(sorted(stream))]
        for number, stream in enumerate(times)
    ]
    everything = [tick for stream in streams for tick in stream]
    assert list(merge(streams)) == sorted(everything, key=lambda tick: tick.time_us)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_files_are_read_whole(name: str) -> None:
    path = recorded(name)
    ticks = list(read_ticks(path))
    assert len(ticks) == RECORDED[name] == count_ticks(path)
    assert {tick.symbol for tick in ticks} == {name.partition("_")[0]}
    assert all(tick.bid > 0.0 < tick.ask for tick in ticks)


def test_recorded_ticks_include_crossed_quotes() -> None:
    ticks = list(read_ticks(recorded("EURUSD_2014-05-05.csv.gz")))
    assert 0.05 < sum(tick.crossed for tick in ticks) / len(ticks) < 0.15
