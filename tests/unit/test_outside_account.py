"""The account of an outside publisher's ticks misses none, and its stream is repeatable."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.outside import stream
from benchmarks.outside.account import Account, account, comparable_until
from benchmarks.outside.publisher import Published
from benchmarks.outside.stream import AHEAD_US, Event, Trouble
from mt5crs_shared.market.ticks import Tick

TICKS = [
    Published(Tick("EURUSD", (n + 1) * 100_000, 1.1 + n % 7 * 1e-5, 1.2), not 20 <= n < 30)
    for n in range(100)
]
HOLE = (TICKS[19].tick.time_us, TICKS[30].tick.time_us)


def found(processed: int, spans: list[tuple[int, int]]) -> tuple[int, int, int, int]:
    result = account(TICKS, spans, processed)
    return result.lost, result.twice, result.missed, result.unsent


@pytest.mark.parametrize(
    ("processed", "spans", "expected"),
    [
        (90, [HOLE], (0, 0, 10, 10)),
        (89, [HOLE], (1, 0, 10, 10)),
        (91, [HOLE], (0, 1, 10, 10)),
        (90, [], (10, 0, 0, 0)),
        (85, [(TICKS[17].tick.time_us, TICKS[33].tick.time_us)], (0, 0, 15, 10)),
    ],
)
def test_every_tick_is_lost_or_named(
    processed: int, spans: list[tuple[int, int]], expected: tuple[int, int, int, int]
) -> None:
    assert found(processed, spans) == expected


def test_what_is_not_to_be_believed_need_not_be_processed() -> None:
    future = Published(Tick("EURUSD", 10**12, 1.1, 1.2), True)
    repeated = TICKS[40]
    told = account([*TICKS[:50], future, repeated, *TICKS[50:]], [], 100)
    assert (told.lost, told.twice, told.judged_bad) == (0, 0, 2)


def test_a_span_that_was_never_published_is_seen() -> None:
    assert account(TICKS, [(HOLE[1], HOLE[0])], 100).unknown == 1
    assert account(TICKS, [(1, 2)], 100).unknown == 1


def test_runs_are_comparable_until_they_heard_different_things() -> None:
    def missed(*times: int) -> dict[str, Account]:
        heard_all = Account(0, 0, 0, 0, 0, 0, 0, 0, 0, frozenset(), ())
        return {"a": heard_all, "b": replace(heard_all, missed_times=frozenset(times))}

    assert comparable_until(missed(1, 5), missed(1, 5), []) == float("inf")
    assert comparable_until(missed(1, 5, 9), missed(1, 5), []) == 9
    assert comparable_until(missed(1, 5, 9), missed(1, 5), [7]) == 7


def test_troubles_are_a_function_of_their_seed() -> None:
    first = stream.troubles(3, 200.0, 4.0)
    assert first == stream.troubles(3, 200.0, 4.0)
    assert first != stream.troubles(4, 200.0, 4.0)
    assert {event.kind for event in first} == set(Trouble)
    assert [event.at for event in first] == sorted(event.at for event in first)


def test_a_stream_begins_when_all_are_quoted_and_no_two_ticks_look_alike(tmp_path: Path) -> None:
    days = {symbol: tmp_path / f"{symbol}.csv" for symbol in ("EURUSD", "USDJPY")}
    for symbol, first in (("EURUSD", 0), ("USDJPY", 5)):
        rows = [f"2026-01-05T00:00:{n:02d}Z,1.1,1.2" for n in range(first, 20) for _ in range(2)]
        days[symbol].write_text("\n".join(["timestamp,bid,ask", *rows]))
    ticks = list(stream.ticks(days, speed=2.0, seconds=5.0))
    for symbol in days:
        times = [tick.time_us - stream.BEGIN_US for tick in ticks if tick.symbol == symbol]
        assert times[:3] == [0, 1, 500_000]
        assert times == sorted(set(times))
        assert times[-1] <= 5_000_001
    assert stream.speed_for(days, 5.0) == pytest.approx(14.0 / 5.0)


def test_a_stepped_clock_steps_back() -> None:
    (event,) = [Event(10.0, Trouble.CLOCK)]
    tick = TICKS[0].tick
    ahead = [stream.stepped(tick, at, [event]).time_us for at in (9.9, 10.0, 12.9, 13.0)]
    assert ahead == [tick.time_us, *[tick.time_us + AHEAD_US] * 2, tick.time_us]
