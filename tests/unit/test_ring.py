"""What a ring answers does not hang on what it was asked before, and it is quick about it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mt5crs_services.ring import TickRing
from mt5crs_shared.market.backlog import LONGEST_TAIL, TAIL, BacklogRequest, TickMark, tail_of
from mt5crs_shared.market.catch_up import CatchUp
from mt5crs_shared.market.sanity import TickSanity
from mt5crs_shared.market.ticks import Tick

few = st.builds(
    Tick,
    st.just("EURUSD"),
    st.integers(1, 6),
    st.sampled_from([1.1, 1.2]),
    st.just(1.3),
    timed=st.booleans(),
)
tails = st.lists(few, min_size=1, max_size=3).map(tuple)


@given(st.lists(st.one_of(few, tails), max_size=40), st.integers(3, 20))
def test_a_question_is_answered_as_if_it_were_the_first(
    steps: list[Tick | tuple[Tick, ...]], keep: int
) -> None:
    ring, appended = TickRing("EURUSD", keep, 5), []
    for step in steps:
        if isinstance(step, Tick):
            ring.append(step)
            appended.append(step)
            continue
        fresh = TickRing("EURUSD", keep, 5)
        for tick in appended:
            fresh.append(tick)
        question = BacklogRequest(1, "EURUSD", TickMark(4, 1, step))
        assert ring.answer(question) == fresh.answer(question)


def test_asking_again_for_what_is_not_there_does_not_search_everything_again() -> None:
    # Each reader asks thirty times a second; a tape that was busy with that was taken for hung.
    ring = TickRing("EURUSD", 100_000, 5)
    for number in range(190_000):
        ring.append(Tick("EURUSD", number * 1000, 1.1, 1.2))
    mark = TickMark(4, 1, (Tick("EURUSD", 150_000_001, 1.1, 1.2),))
    question = BacklogRequest(1, "EURUSD", mark)
    times = []
    for _ in range(10):
        begun = time.perf_counter()
        assert ring.answer(question).status == "unknown"
        times.append(time.perf_counter() - begun)
    assert min(times[1:]) < times[0] / 10.0


def test_what_two_have_from_each_other_does_not_go_round() -> None:
    """Both have lost the market; the publisher had said the same again before."""
    said = [Tick("EURUSD", number * 1000, 1.1, 1.2) for number in range(1, 21)]
    tape, gateway = TickRing("EURUSD", 50_000, 7), TickRing("EURUSD", 50_000, 9)
    for tick in said:
        tape.append(tick)
    for tick in (*said, *said):
        gateway.append(tick)
    to_tape, to_gateway = CatchUp("EURUSD", tape.mark()), CatchUp("EURUSD", tape.mark())
    for _ in range(30):
        own = to_gateway.mark
        for tick in to_tape.on_backlog(gateway.answer(to_tape.request(), own, joined=False)):
            tape.append(tick)
        for tick in to_gateway.on_backlog(tape.answer(to_gateway.request())):
            gateway.append(tick)
    assert (len(tape), len(gateway)) == (20, 40)


def test_who_follows_the_market_says_what_came_since_and_nothing_twice() -> None:
    said = [Tick("EURUSD", number * 1000, 1.1, 1.2) for number in range(1, 31)]
    tape, gateway = TickRing("EURUSD", 50_000, 7), TickRing("EURUSD", 50_000, 9)
    for tick in said[:20]:
        tape.append(tick)
    for tick in (*said[:20], *said):
        gateway.append(tick)
    # By its number, the tape's last one is the second of two that are alike.
    own = TickMark(7, 30, tuple(said[-8:]))
    mark = tape.mark()
    answer = gateway.answer(BacklogRequest(1, "EURUSD", mark), own)
    assert (answer.status, answer.ticks) == ("ok", tuple(said[20:]))


def test_who_has_heard_a_repetition_more_is_not_told_again_what_is_newest() -> None:
    """The tape joined anew in a repetition that the gateway did not have yet."""
    said = [Tick("EURUSD", number * 1000, 1.1 + number * 1e-5, 1.2) for number in range(70)]
    repeated = said[4:68]
    for count in range(1, LONGEST_TAIL):
        tape = CatchUp("EURUSD")
        for tick in (*said, *repeated[:count]):
            tape.on_live(tick)
        tape.join_now()
        # It missed the first of the repetition, or all of it, and has a newer tick.
        for gateway in (said, [*said, Tick("EURUSD", 71_000, 1.1, 1.2)], [*said, *repeated[4:]]):
            ring = TickRing("EURUSD", 50_000, 9)
            for tick in gateway:
                ring.append(tick)
            answer = ring.answer(BacklogRequest(1, "EURUSD", tape.mark))
            assert answer.status == "ok"
            assert said[-1] not in answer.ticks, count
            news = [tick for tick in gateway if tick.time_us > said[-1].time_us]
            assert [tick for tick in answer.ticks if tick.time_us > said[-1].time_us] == news


SAID = [Tick("EURUSD", 10**15 + number * 10**6, 1.1 + number * 1e-5, 1.2) for number in range(31)]
AHEAD = replace(SAID[19], time_us=SAID[19].time_us + 4 * 86_400_000_000)
"""A tick from the future."""
SAME_TIME = replace(SAID[29], bid=1.15)


@pytest.mark.parametrize(
    ("reader", "ring", "broken", "news"),
    [
        # One from the future before what is repeated.
        ([*SAID[:20], AHEAD, *SAID[20:30], *SAID[15:19]], [*SAID[:20], AHEAD, *SAID[20:30]], 0, []),
        # The newest itself is repeated, and the ring has all of it.
        ([*SAID[:20], *SAID[8:20]], [*SAID[:20], *SAID[8:20], SAID[20]], 0, [SAID[20]]),
        # What was repeated last lies in an older hole of the ring.
        ([*SAID[:30], *SAID[5:9]], [*SAID[:5], *SAID[10:30]], 5, []),
        # Two ticks of one time.
        ([*SAID[:30], SAME_TIME, *SAID[20:30]], [*SAID[:30], SAME_TIME], 0, []),
        # The ring has heard the repetition alone, and another one after what is new.
        (
            [*SAID[:8], *SAID[2:6]],
            [*SAID[:2], *SAID[3:7], *SAID[13:15], SAID[7], SAID[13]],
            2,
            SAID[13:15],
        ),
    ],
)
def test_where_a_publisher_repeats_itself_nothing_new_is_told_twice_or_left_out(
    reader: list[Tick], ring: list[Tick], broken: int, news: list[Tick]
) -> None:
    kept = TickRing("EURUSD", 1_000, 9)
    for number, tick in enumerate(ring):
        kept.append(tick, broken=bool(broken) and number == broken)
    taken = CatchUp("EURUSD")
    for tick in reader:
        taken.on_live(tick)
    taken.join_now()
    newest_us = max(tick.time_us for tick in reader if tick is not AHEAD)
    told = kept.answer(BacklogRequest(1, "EURUSD", taken.mark)).ticks
    fresh = [tick for tick in told if tick.time_us > newest_us]
    assert list(dict.fromkeys(fresh)) == news
    # What is late is known as that; what is good would be traded on again.
    judge = TickSanity()
    for tick in reader:
        judge.judge(tick)
    assert not [tick for tick in told if judge.judge(tick) == "good" and tick in reader]


def test_a_ring_that_lags_behind_after_a_long_silence_says_that_it_has_nothing_yet() -> None:
    weekend = 2 * 86_400_000_000
    monday = [replace(tick, time_us=tick.time_us + weekend) for tick in SAID[10:15]]
    ring = TickRing("EURUSD", 1_000, 9)
    for tick in (*SAID[:10], *monday[:4]):
        ring.append(tick)
    reader = TickMark(7, 15, (*SAID[7:10], *monday))
    assert ring.answer(BacklogRequest(1, "EURUSD", reader)).status == "unknown"
    ring.append(monday[4])
    answer = ring.answer(BacklogRequest(1, "EURUSD", reader))
    assert (answer.status, answer.ticks) == ("ok", ())


def test_a_mark_of_ticks_without_a_time_is_short_where_the_clock_goes_back() -> None:
    untimed = [
        replace(tick, timed=False, time_us=tick.time_us - (50 if n > 20 else 0) * 10**6)
        for n, tick in enumerate(SAID)
    ]
    assert tail_of(untimed) == tuple(untimed[-TAIL:])


def test_who_has_lost_the_market_too_says_what_it_had_heard_more() -> None:
    said = [Tick("EURUSD", number * 1000, 1.1, 1.2) for number in range(1, 31)]
    tape, gateway = TickRing("EURUSD", 50_000, 7), TickRing("EURUSD", 50_000, 9)
    for tick in said[:27]:
        tape.append(tick)
    for tick in said:
        gateway.append(tick)
    own, question = TickMark(7, 30, tuple(said[-8:])), BacklogRequest(1, "EURUSD", tape.mark())
    answer = gateway.answer(question, own, joined=False)
    assert (answer.status, answer.ticks) == ("ok", tuple(said[27:]))
    assert gateway.answer(question, TickMark(7, 26, own.tail), joined=True).status == "unknown"


def test_a_first_tick_of_a_clock_that_had_run_ahead_is_not_newer_than_what_came_after_it() -> None:
    """A gateway that has just begun told the tape all that it had, as if it were news."""
    day = 86_400_000_000
    ring = TickRing("EURUSD", 1_000, 9)
    for time_us in (2 * day + 100, 2 * day + 200, 300, 400, 500):
        ring.append(Tick("EURUSD", time_us, 1.1, 1.2))
    unheard = (Tick("EURUSD", 600, 1.3, 1.4),)
    assert ring.answer(BacklogRequest(1, "EURUSD", TickMark(7, 90, unheard))).status == "unknown"
    older = (Tick("EURUSD", 200, 1.3, 1.4),)
    assert ring.answer(BacklogRequest(1, "EURUSD", TickMark(7, 90, older))).status == "trimmed"


def test_where_a_ring_begins_is_no_news() -> None:
    """A gateway that has read nothing yet has the last ticks of an earlier one, and no more."""
    day = 86_400_000_000
    ring = TickRing("EURUSD", 1_000, 9)
    for time_us in (2 * day + 100, 2 * day + 200):
        ring.append(Tick("EURUSD", time_us, 1.1, 1.2), known_before=True)
    asked = BacklogRequest(1, "EURUSD", TickMark(7, 90, (Tick("EURUSD", 600, 1.3, 1.4),)))
    assert ring.answer(asked).status == "unknown"
    ring.append(Tick("EURUSD", 700, 1.1, 1.2))
    assert ring.answer(asked).status == "trimmed"
