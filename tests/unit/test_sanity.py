"""Which ticks are believed."""

from hypothesis import given
from hypothesis import strategies as st

from mt5crs_shared.sanity import TickSanity
from mt5crs_shared.ticks import Tick


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
