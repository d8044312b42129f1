"""What a ring answers does not hang on what it was asked before, and it is quick about it."""

import time

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mt5crs_services.ring import TickRing
from mt5crs_shared.market.backlog import LONGEST_TAIL, BacklogRequest, TickMark
from mt5crs_shared.market.catch_up import CatchUp
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
            assert answer.ticks[-1:] == tuple(gateway[70:])[-1:]


def test_a_hole_in_which_the_clock_ran_ahead_has_its_edges_on_either_side_of_that() -> None:
    day = 86_400_000_000
    said = [Tick("EURUSD", 10**15 + number * 10**6, 1.1, 1.2) for number in range(40)]

    def ahead(some: list[Tick]) -> list[Tick]:
        return [replace(tick, time_us=tick.time_us + 2 * day) for tick in some]

    # Before the hole one tick was from the future; after it, the first ones are of that clock.
    for before, after in (
        (said[:10], [*ahead(said[20:25]), *said[25:30]]),
        ([*said[:9], *ahead(said[9:10])], said[20:30]),
        ([*said[:9], *ahead(said[9:10])], [*ahead(said[20:25]), *said[25:30]]),
    ):
        ring = TickRing("EURUSD", 1_000, 9)
        for tick in before:
            ring.append(tick)
        for number, tick in enumerate(after):
            ring.append(tick, broken=number == 0)
        mark = TickMark(7, 12, tuple(said[10:13]))  # It heard three ticks more.
        answer = ring.answer(BacklogRequest(1, "EURUSD", mark))
        assert (answer.status, answer.ticks) == ("ok", tuple(after))
        # What is in no hole is not here yet.
        for heard in (said[31], ahead(said[27:28])[0]):
            mark = TickMark(7, 12, (heard,))
            assert ring.answer(BacklogRequest(1, "EURUSD", mark)).status == "unknown"


def test_a_reader_that_alone_has_heard_a_tick_from_the_future_goes_on_after_it() -> None:
    """The tape never has it; the symbol was silent, and everybody waited for a word of the tape."""
    day = 86_400_000_000
    said = [Tick("EURUSD", 10**15 + number * 10**6, 1.1, 1.2) for number in range(20)]
    early = replace(said[9], time_us=said[9].time_us + 4 * day)
    ring = TickRing("EURUSD", 1_000, 9)
    for tick in said[:10]:
        ring.append(tick)
    for heard in ((early,), (early, early)):
        asked = BacklogRequest(1, "EURUSD", TickMark(7, 12, (*said[2:10], *heard)))
        assert ring.answer(asked).status == "unknown", "it may still come"
    for tick in said[10:]:
        ring.append(tick)
    for heard in ((early,), (early, early)):
        asked = BacklogRequest(1, "EURUSD", TickMark(7, 12, (*said[2:10], *heard)))
        assert ring.answer(asked).ticks == tuple(said[10:])
    nothing_else = BacklogRequest(1, "EURUSD", TickMark(7, 12, (early,)))
    assert ring.answer(nothing_else).status == "unknown"


def test_of_two_holes_neither_swallows_what_lies_between_them() -> None:
    hour, day = 3_600_000_000, 86_400_000_000
    said = [Tick("EURUSD", 10**15 + number * 10**6, 1.1, 1.2) for number in range(80)]

    def later(some: list[Tick], by_us: int) -> list[Tick]:
        return [replace(tick, time_us=tick.time_us + by_us) for tick in some]

    # A clock that had run ahead between them; a silence of hours, and old ticks once more.
    for between, after in (
        (later(said[20:25], 2 * day), said[30:35]),
        (later(said[0:5], 2 * hour), [*said[60:62], *later(said[10:15], 2 * hour)]),
    ):
        ring = TickRing("EURUSD", 1_000, 9)
        for part in (said[:10], between, after):
            for number, tick in enumerate(part):
                ring.append(tick, broken=number == 0 and part is not said)
        answer = ring.answer(BacklogRequest(1, "EURUSD", TickMark(7, 12, tuple(said[10:13]))))
        assert answer.status == "unknown" or set(between) <= set(answer.ticks)


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
