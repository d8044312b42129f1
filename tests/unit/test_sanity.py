"""Which ticks are believed."""

from hypothesis import given
from hypothesis import strategies as st

from mt5crs_shared.market.sanity import PRICES, TickSanity
from mt5crs_shared.market.ticks import Tick


def tick(time_us: int, bid: float, ask: float | None = None) -> Tick:
    return Tick("EURUSD", time_us, bid, bid if ask is None else ask)


def test_good_ticks_and_crossed_ones_are_believed() -> None:
    judge = TickSanity()
    assert judge.judge(tick(1, 1.1, 1.2)) == "good"
    assert judge.judge(tick(1, 1.2, 1.1)) == "good"


def test_prices_that_are_not_positive_are_bad() -> None:
    judge = TickSanity()
    assert judge.judge(tick(1, 0.0, 1.0)) == "not_positive"
    assert judge.judge(tick(1, 1.0, -1.0)) == "not_positive"


def test_a_time_that_goes_back_is_bad_and_counted_until_it_is_over() -> None:
    judge = TickSanity()
    judge.judge(tick(100, 1.0))
    assert [judge.judge(tick(t, 1.0)) for t in (99, 98)] == ["late", "late"]
    assert judge.late_count == 2
    assert judge.judge(tick(100, 1.0)) == "good"
    assert judge.late_count == 0


def test_a_single_far_price_is_bad_and_a_new_level_is_believed() -> None:
    judge = TickSanity()
    judge.judge(tick(1, 1.0))
    assert judge.judge(tick(2, 1.2)) == "jump"
    assert judge.judge(tick(3, 1.0)) == "good"
    assert [judge.judge(tick(t, 1.2)) for t in (4, 5, 6)] == ["jump", "jump", "good"]
    assert judge.judge(tick(7, 1.21)) == "good"


def test_far_prices_that_disagree_are_never_a_level() -> None:
    judge = TickSanity()
    judge.judge(tick(1, 1.0))
    assert [judge.judge(tick(2, p)) for p in (2.0, 5.0, 2.0, 5.0)] == ["jump"] * 4


@given(
    st.lists(st.tuples(st.integers(0, 50), st.floats(-1.0, 3.0)), max_size=60),
    st.integers(0, 60),
)
def test_a_judge_that_was_restarted_judges_alike(quotes: list[tuple[int, float]], cut: int) -> None:
    whole, first = TickSanity(), TickSanity()
    expected = [whole.judge(tick(*quote)) for quote in quotes]
    found = [first.judge(tick(*quote)) for quote in quotes[:cut]]
    second = TickSanity(first.state)
    found += [second.judge(tick(*quote)) for quote in quotes[cut:]]
    assert found == expected


SECOND = 1_000_000
DAY = 86_400 * SECOND


def seconds(judge: TickSanity, begin: int, count: int, mid: float = 1.0) -> list[str]:
    """Verdicts on a tick a second."""
    return [judge.judge(tick((begin + n) * SECOND, mid)) for n in range(count)]


def test_prices_that_no_market_has_are_bad() -> None:
    judge = TickSanity()
    for price in (5e-324, 1e308, *PRICES):
        assert judge.judge(tick(1, price, price)) == "not_positive"
    assert judge.judge(tick(1, 1.0)) == "good"


def test_a_tick_from_the_future_costs_itself_and_nothing_else() -> None:
    judge = TickSanity()
    assert seconds(judge, 0, 10) == ["good"] * 10
    for ahead in (600, 3_600, 86_400, 40 * 365 * 86_400):
        begin = judge.last_time_us // SECOND
        assert judge.judge(tick((begin + ahead) * SECOND, 1.0)) == "early"
        assert seconds(judge, begin + 1, 100) == ["good"] * 100


def test_the_very_first_tick_from_the_future_is_taken_back() -> None:
    judge = TickSanity()
    judge.judge(tick(DAY, 1.0))
    assert seconds(judge, 0, 5) == ["late", "late", "good", "good", "good"]


def test_a_burst_from_the_future_is_believed_until_the_clock_comes_back() -> None:
    judge = TickSanity()
    seconds(judge, 0, 10)
    assert seconds(judge, 86_400, 5) == ["early", "early", "good", "good", "good"]
    assert seconds(judge, 10, 400)[:3] == ["late", "late", "good"]
    assert judge.last_time_us == 409 * SECOND
    # ... and the day after is not shut.
    assert seconds(judge, 410, 10) == ["good"] * 10


def test_a_small_leap_is_believed_and_taken_back() -> None:
    judge = TickSanity()
    seconds(judge, 0, 10)
    assert judge.judge(tick(200 * SECOND, 1.0)) == "good"
    assert seconds(judge, 10, 4) == ["late", "late", "good", "good"]


def test_a_clock_that_really_goes_on_later_costs_two_ticks() -> None:
    judge = TickSanity()
    seconds(judge, 0, 10)
    weekend = 2 * 86_400
    assert seconds(judge, weekend, 5) == ["early", "early", "good", "good", "good"]


def test_a_symbol_that_is_quoted_seldom_is_believed() -> None:
    judge = TickSanity()
    times = [n * 1_200 * SECOND for n in range(50)]
    found = [judge.judge(tick(t, 1.0)) for t in times]
    assert found == ["good", "early", "early"] + ["good"] * 47


def test_ticks_that_were_taken_are_never_taken_again_however_many_come() -> None:
    judge = TickSanity()
    seconds(judge, 0, 500)
    seconds(judge, 100_000, 500)
    assert set(seconds(judge, 0, 400)) == {"late"}
    assert set(seconds(judge, 100_002, 400)) == {"late"}
    assert judge.late_count == 800


def test_frames_without_a_time_may_go_back() -> None:
    judge = TickSanity()
    stamps = [100, 101, 102, 50, 51, 52, 53]
    ticks = [Tick("EURUSD", t * SECOND, 1.0, 1.0, timed=False) for t in stamps]
    assert [judge.judge(t) for t in ticks][3:] == ["late", "late", "good", "good"]


def test_stops_wait_for_one_confirming_price_or_leap_and_for_no_time_that_is_past() -> None:
    judge = TickSanity()
    seconds(judge, 0, 10)
    protecting = []
    quotes = [(11, 1.2), (12, 1.2), (90_000, 1.0), (90_001, 1.0), (3, 1.0), (13, 2.0)]
    for quote in quotes:
        judge.judge(tick(quote[0] * SECOND, quote[1]))
        protecting.append(judge.protects)
    assert protecting == [False, True, False, True, True, False]


@given(
    st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=5, max_size=80),
    st.integers(601, 10**9),
)
def test_single_ticks_from_the_future_never_cost_another_tick(
    steps: list[tuple[int, bool]], ahead: int
) -> None:
    judge, now = TickSanity(), 0
    for step, future in steps:
        now += step
        assert judge.judge(tick(now * SECOND, 1.0)) == "good"
        if future:
            judge.judge(tick((now + ahead) * SECOND, 1.0))
