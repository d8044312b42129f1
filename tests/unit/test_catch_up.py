"""The join of backlog and live stream: whatever arrives when, every tick is taken once."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mt5crs_services.ring import TickRing
from mt5crs_shared.market.backlog import BacklogReply, BacklogRequest
from mt5crs_shared.market.catch_up import PATIENCE, CatchUp
from mt5crs_shared.market.ticks import Tick


def ticks(count: int, start: int = 0, step_us: int = 1000) -> list[Tick]:
    return [Tick("EURUSD", (start + i) * step_us, 1.1 + (start + i) % 7, 2.0) for i in range(count)]


def quotes(count: int) -> list[Tick]:
    """Ticks at prices that are believed."""
    return [Tick("EURUSD", i * 1000, 1.1 + i % 7 * 1e-5, 1.2) for i in range(count)]


def ring_of(some: list[Tick], keep: int = 100_000, generation: int = 5) -> TickRing:
    ring = TickRing("EURUSD", keep, generation)
    for tick in some:
        ring.append(tick)
    return ring


def ask(ring: TickRing, reader: CatchUp, limit: int = 5_000) -> list[Tick]:
    """One question and its answer."""
    request = reader.request()
    limited = BacklogRequest(request.request_id, request.symbol, request.after, limit)
    return reader.on_backlog(ring.answer(limited))


def test_a_cold_reader_takes_the_tape_and_then_the_live_ticks_that_are_not_on_it() -> None:
    stream = ticks(20)
    reader = CatchUp("EURUSD")
    for tick in stream[8:13]:
        assert reader.on_live(tick) == ()
    taken = ask(ring_of(stream[:10]), reader)
    assert taken == stream[:13]
    assert reader.joined
    assert reader.duplicates == 2
    assert reader.on_live(stream[13]) == (stream[13],)


def test_live_ticks_that_the_tape_had_already_are_dropped_when_they_come_late() -> None:
    stream = ticks(20)
    reader = CatchUp("EURUSD")
    reader.on_live(stream[5])
    assert ask(ring_of(stream[:10]), reader) == stream[:10]
    assert reader.joined
    live = [got for tick in stream[6:15] for got in reader.on_live(tick)]
    assert live == stream[10:15]


def test_an_answer_counts_for_all_questions_about_its_place_and_no_other() -> None:
    stream = ticks(20)
    reader, ring = CatchUp("EURUSD"), ring_of(stream[:10])
    early, late = reader.request(), reader.request()
    assert reader.on_backlog(ring.answer(early)) == stream[:10]
    assert reader.on_backlog(ring.answer(late)) == [], "it begins before what was just taken"
    before = reader.request()
    reader.rejoin()
    assert reader.on_backlog(ring_of(stream).answer(before)) == []
    assert ask(ring_of(stream), reader) == stream[10:]


def test_a_tape_that_lags_behind_the_live_stream_is_asked_until_it_is_there() -> None:
    stream = ticks(12)
    reader = CatchUp("EURUSD")
    reader.on_live(stream[8])
    taken = ask(ring_of(stream[:6]), reader)
    assert not reader.joined
    assert reader.caught_up
    taken += ask(ring_of(stream[:10]), reader)
    assert reader.joined
    assert taken == stream[:10]


def test_a_silent_feed_counts_as_caught_up_once_the_tape_is_exhausted() -> None:
    reader = CatchUp("EURUSD")
    assert not reader.caught_up
    ask(ring_of(ticks(3)), reader)
    assert reader.caught_up
    assert not reader.joined


def test_a_respawned_reader_goes_on_after_its_mark_under_another_generation() -> None:
    stream = ticks(30)
    first = CatchUp("EURUSD")
    ask(ring_of(stream[:10], generation=1), first)
    second = CatchUp("EURUSD", first.mark)
    assert ask(ring_of(stream[3:20], generation=2), second) == stream[10:20]


def test_a_mark_older_than_the_tape_tells_how_many_ticks_are_gone() -> None:
    stream = ticks(100)
    first = CatchUp("EURUSD")
    ring = ring_of(stream[:10], keep=10)
    ask(ring, first)
    for tick in stream[10:100]:
        ring.append(tick)
    second = CatchUp("EURUSD", first.mark)
    taken = ask(ring, second)
    assert taken[-1] == stream[-1]
    assert second.missed == 90 - len(taken)
    assert second.missed > 0


def test_equal_ticks_are_told_apart_by_what_stands_around_them() -> None:
    same = Tick("EURUSD", 5_000, 1.0, 2.0)
    stream = [*ticks(5), same, same, same, *ticks(5, start=10)]
    reader = CatchUp("EURUSD")
    for tick in stream[6:10]:
        reader.on_live(tick)
    taken = ask(ring_of(stream), reader)
    taken += [got for tick in stream[10:] for got in reader.on_live(tick)]
    assert taken == stream


def test_a_quote_without_a_time_that_never_changes_is_joined_after_some_patience() -> None:
    same = [Tick("EURUSD", i, 1.0, 2.0, timed=False) for i in range(6)]
    reader = CatchUp("EURUSD")
    reader.on_live(same[5])
    ring = ring_of(same)
    for _ in range(PATIENCE + 2):
        ask(ring, reader)
    assert reader.joined


def test_two_sources_that_answer_the_same_question_are_believed_once() -> None:
    stream = ticks(10)
    reader = CatchUp("EURUSD")
    request = reader.request()
    first = reader.on_backlog(ring_of(stream, generation=1).answer(request))
    second = reader.on_backlog(ring_of(stream, generation=2).answer(request))
    assert (first, second) == (stream, [])


def test_after_a_lost_connection_nothing_is_lost_or_taken_twice() -> None:
    stream = ticks(40)
    reader = CatchUp("EURUSD")
    reader.on_live(stream[0])
    taken = ask(ring_of(stream[:1]), reader)
    taken += [got for tick in stream[1:10] for got in reader.on_live(tick)]
    reader.rejoin()
    for tick in stream[20:25]:
        assert reader.on_live(tick) == ()
    taken += ask(ring_of(stream[:22]), reader)
    taken += [got for tick in stream[25:] for got in reader.on_live(tick)]
    assert taken == stream


def test_an_unknown_mark_waits_for_a_tape_that_is_catching_up_itself() -> None:
    stream = ticks(20)
    reader = CatchUp("EURUSD")
    ask(ring_of(stream[:15]), reader)
    later = CatchUp("EURUSD", reader.mark)
    assert ask(ring_of(stream[:10], generation=9), later) == []
    assert not later.caught_up
    assert ask(ring_of(stream, generation=9), later) == stream[15:]


def test_giving_up_goes_on_after_the_last_tick_taken() -> None:
    stream = ticks(20)
    reader = CatchUp("EURUSD")
    ask(ring_of(stream[:5]), reader)
    reader.rejoin()
    for tick in stream[3:9]:
        reader.on_live(tick)
    assert reader.join_now() == stream[5:9]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Tick], int, int, list[int]]:
    """A stream with many equal neighbours, where the live one begins, and how tape and live mix."""
    gaps = draw(st.lists(st.sampled_from([0, 0, 1, 1, 2]), min_size=4, max_size=60))
    prices = draw(st.lists(st.sampled_from([1.0, 1.5]), min_size=len(gaps), max_size=len(gaps)))
    now, stream = 0, []
    for gap, price in zip(gaps, prices, strict=True):
        now += gap
        stream.append(Tick("EURUSD", now, price, price + 1.0))
    begin = draw(st.integers(0, len(stream) - 1))
    limit = draw(st.integers(1, 10))
    return stream, begin, limit, draw(st.lists(st.integers(0, 2), min_size=10, max_size=200))


def unique_in_order(stream: list[Tick]) -> bool:
    return len(set(stream)) == len(stream)


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_in_any_interleaving_every_tick_is_taken_once_and_in_order(
    world: tuple[list[Tick], int, int, list[int]],
) -> None:
    stream, begin, limit, moves = world
    stream = list(dict.fromkeys(stream))
    begin = min(begin, len(stream) - 1)
    ring = ring_of(stream[:begin])
    reader = CatchUp("EURUSD")
    taken: list[Tick] = []
    on_tape = live = begin
    for move in [*moves, *([0, 1, 2] * (len(stream) + 80))]:
        if move == 0 and on_tape < len(stream):
            ring.append(stream[on_tape])
            on_tape += 1
        elif move == 1 and live < len(stream):
            taken.extend(reader.on_live(stream[live]))
            live += 1
        elif move == 2:
            taken.extend(ask(ring, reader, limit))
    assert taken == stream
    assert unique_in_order(taken)


def test_a_reply_to_a_question_that_was_asked_again_is_ignored() -> None:
    stream = ticks(5)
    reader = CatchUp("EURUSD")
    old = reader.request()
    ring = ring_of(stream)
    reply: BacklogReply = ring.answer(old)
    assert ask(ring, reader) == stream
    assert reader.on_backlog(reply) == []


def test_a_hole_in_the_live_stream_is_noticed_and_filled_from_the_tape() -> None:
    # One tick from before the interruption is read after it; the tape has no hole.
    stream = ticks(60)
    reader = CatchUp("EURUSD", None)
    ask(ring_of(stream[:5]), reader)
    reader.rejoin()
    reader.on_live(stream[5])
    taken = ask(ring_of(stream[:20]), reader)
    assert taken == stream[5:20]
    live = [got for tick in stream[20:40] for got in reader.on_live(tick)]
    assert live == []
    assert not reader.joined
    taken += ask(ring_of(stream[:41]), reader)
    assert reader.joined
    taken += [got for tick in stream[40:] for got in reader.on_live(tick)]
    assert taken == stream[5:]
    assert reader.missed == 0


def test_a_hole_that_the_tape_has_too_is_told_with_its_ends() -> None:
    stream = ticks(30)
    ring = ring_of(stream[:10])
    ring.append(stream[20], broken=True)
    reader = CatchUp("EURUSD")
    assert len(ask(ring, reader)) == 11
    (found,) = reader.take_breaks()
    assert (found.index, found.before, found.after) == (10, stream[9], stream[20])
    assert reader.take_breaks() == ()


def test_going_on_without_the_tape_is_an_interruption() -> None:
    stream = ticks(30)
    reader = CatchUp("EURUSD")
    ask(ring_of(stream[:10]), reader)
    reader.rejoin()
    for tick in stream[15:20]:
        reader.on_live(tick)
    assert reader.join_now() == stream[15:20]
    (found,) = reader.take_breaks()
    assert (found.before, found.after) == (stream[9], stream[15])


def test_a_reader_that_heard_what_the_tape_did_not_joins_all_the_same() -> None:
    # After a new start with an outside publisher, whoever connects first hears more than the tape.
    stream = ticks(40)
    ring = ring_of(stream[:10])
    for number, tick in enumerate(stream[13:25]):
        ring.append(tick, broken=number == 0)
    reader = CatchUp("EURUSD")
    for tick in stream[11:20]:
        assert reader.on_live(tick) == ()
    taken = ask(ring, reader)
    assert taken == [*stream[:10], *stream[13:25]]
    assert reader.joined
    assert reader.missed == 2
    assert [found.after for found in reader.take_breaks()] == [stream[13]]
    live = [got for tick in stream[20:30] for got in reader.on_live(tick)]
    assert live == stream[25:30]


def test_what_came_before_the_oldest_tick_of_the_tape_is_not_missed_by_a_cold_reader() -> None:
    stream = ticks(40)
    reader = CatchUp("EURUSD")
    for tick in stream[4:15]:
        reader.on_live(tick)
    assert ask(ring_of(stream[10:13]), reader) == stream[10:15]
    assert (reader.joined, reader.missed, reader.duplicates) == (True, 0, 3)
    # Later on what is not on the tape is missed, as ever.
    reader.rejoin()
    ring = ring_of(stream[10:15])
    for number, tick in enumerate(stream[22:30]):
        ring.append(tick, broken=number == 0)
    for tick in stream[20:26]:
        reader.on_live(tick)
    assert ask(ring, reader) == stream[22:30]
    assert reader.missed == 2


def test_a_reader_that_heard_more_than_the_tape_waits_for_a_tape_that_lags_behind() -> None:
    stream = ticks(40)
    ring = ring_of(stream[:10])
    reader = CatchUp("EURUSD")
    for tick in stream[12:15]:
        reader.on_live(tick)
    taken = ask(ring, reader)
    assert not reader.joined
    for tick in stream[10:14]:
        ring.append(tick)
    taken += ask(ring, reader)
    assert (taken, reader.missed) == (stream[:15], 0)


def test_quotes_without_a_time_are_not_taken_for_others_by_a_single_one() -> None:
    def quote(number: int) -> Tick:
        return Tick("EURUSD", number, 1.1 + number % 5, 2.0, timed=False)

    reader = CatchUp("EURUSD")
    for number in (50, 7):
        reader.on_live(quote(number))
    # The tape is still far behind; that it has had the price of the second one says nothing.
    ask(ring_of([quote(number) for number in (1, 2, 3)]), reader)
    assert not reader.joined


def test_a_reader_that_heard_more_before_a_hole_goes_on_after_it() -> None:
    stream = quotes(60)
    reader = CatchUp("EURUSD")
    reader.on_live(stream[19])
    ring = ring_of(stream[:20])
    ask(ring, reader)
    for tick in stream[20:33]:
        assert reader.on_live(tick) == (tick,)
    # Both lose the publisher, the reader a little later.
    reader.rejoin()
    assert ask(ring, reader) == []
    for number, tick in enumerate(stream[40:45]):
        ring.append(tick, broken=number == 0)
    assert ask(ring, reader) == stream[40:45]
    assert [found.before for found in reader.take_breaks()] == [stream[32]]
    for tick in stream[44:48]:
        reader.on_live(tick)
    assert ask(ring, reader) == stream[45:48]
    assert (reader.joined, reader.missed) == (True, 0)


def test_a_reader_before_a_hole_that_is_still_open_is_not_sent_back_to_an_earlier_one() -> None:
    stream, day_us = quotes(60), 86_400_000_000
    ring = ring_of(stream[:20])
    # After an earlier hole the publisher's clock had run ahead for a while.
    for number, tick in enumerate(stream[24:28]):
        ahead = replace(tick, time_us=tick.time_us + day_us)
        ring.append(ahead, broken=number == 0)
    for tick in stream[28:40]:
        ring.append(tick)
    reader = CatchUp("EURUSD", ring_of(stream[:43]).mark())
    assert ask(ring, reader) == []
    for number, tick in enumerate(stream[50:52]):
        ring.append(tick, broken=number == 0)
    assert ask(ring, reader) == stream[50:52]


def test_a_reader_that_stopped_before_a_burst_of_repeated_ticks_loses_none_by_it() -> None:
    stream = quotes(60)
    reader = CatchUp("EURUSD", ring_of(stream[:31], generation=4).mark())
    published = [*stream[:50], *stream[10:45], *stream[50:]]
    assert ask(ring_of(published), reader) == published[31:]
