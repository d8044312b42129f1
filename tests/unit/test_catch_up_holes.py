"""Where a hole in the stream begins and ends that nobody can fill."""

from msgspec.structs import replace

from mt5crs_shared.market.catch_up import CatchUp
from tests.unit.test_catch_up import ask, quotes, ring_of


def test_a_tick_from_the_future_before_a_hole_swallows_none_of_those_after_it() -> None:
    stream, day_us = quotes(40), 86_400_000_000
    ahead = replace(stream[19], time_us=stream[19].time_us + day_us)
    reader = CatchUp("EURUSD", ring_of([*stream[:20], ahead]).mark())
    for tick in [*stream[15:20], *stream[25:30]]:
        reader.on_live(tick)
    assert reader.join_now() == stream[25:30]
    assert len(reader.take_breaks()) == 1


def test_a_gap_after_a_tick_from_the_future_ends_with_the_next_tick() -> None:
    stream = quotes(30)
    day = 86_400_000_000
    early, again = replace(stream[9], time_us=day), replace(stream[25], time_us=day + 25_000)
    reader = CatchUp("EURUSD")
    ask(ring_of([*stream[:9], early]), reader)
    live = [*stream[20:24], again, *stream[26:28]]
    for tick in live:
        assert reader.on_live(tick) == ()
    assert reader.join_now() == live
    (gap,) = reader.take_breaks()
    assert (gap.index, gap.before, gap.after) == (0, early, stream[20])


def test_where_the_clock_returned_in_a_gap_it_ends_with_the_first_tick_after_it() -> None:
    """A single tick from the future is no end of it, whenever it comes."""
    stream, day = quotes(40), 86_400_000_000
    ahead = [replace(tick, time_us=tick.time_us + day) for tick in stream[6:10]]
    early = replace(stream[21], time_us=stream[21].time_us + 3 * day)
    for live in ([stream[20], early], [stream[20], early, *stream[22:26]]):
        reader = CatchUp("EURUSD")
        ask(ring_of([*stream[:6], *ahead]), reader)
        for tick in live:
            reader.on_live(tick)
        assert reader.join_now() == live
        (gap,) = reader.take_breaks()
        assert (gap.index, gap.before, gap.after) == (0, ahead[-1], stream[20])


def test_where_the_publisher_repeats_itself_a_gap_begins_after_that() -> None:
    stream, day = quotes(40), 86_400_000_000
    early = replace(stream[35], time_us=stream[35].time_us + day)
    for new in (stream[35:38], [early, *stream[36:38]]):
        reader = CatchUp("EURUSD")
        ask(ring_of(stream[:30]), reader)
        reader.rejoin()
        for tick in [*stream[10:16], *new]:
            reader.on_live(tick)
        assert reader.join_now() == [*stream[10:16], *new]
        (gap,) = reader.take_breaks()
        assert (gap.index, gap.before, gap.after) == (6, stream[29], new[0])


def test_so_where_nothing_else_has_come_since_an_hour() -> None:
    stream, hour = quotes(40), 3_600_000_000
    new = replace(stream[35], time_us=stream[35].time_us + hour)
    reader = CatchUp("EURUSD")
    ask(ring_of(stream[:30]), reader)
    reader.rejoin()
    for tick in [*stream[10:16], new]:
        reader.on_live(tick)
    reader.join_now()
    (gap,) = reader.take_breaks()
    assert (gap.index, gap.before, gap.after) == (6, stream[29], new)
