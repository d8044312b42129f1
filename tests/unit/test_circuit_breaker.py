"""The circuit breaker, with a clock that the test moves."""

from hypothesis import given
from hypothesis import strategies as st

from mt5crs_worker.features.breaker import (
    FAILURES,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    CircuitBreaker,
)


def opened() -> CircuitBreaker:
    """One that has opened at 0.0."""
    breaker = CircuitBreaker()
    for _ in range(FAILURES):
        assert breaker.pause_left(0.0) == 0.0
        breaker.failed(0.0)
    return breaker


def test_a_few_failures_in_a_row_open_it_for_a_while() -> None:
    breaker = opened()
    assert breaker.pause_left(0.0) == FIRST_PAUSE
    assert breaker.pause_left(FIRST_PAUSE - 1.0) == 1.0
    assert breaker.pause_left(FIRST_PAUSE) == 0.0


def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = CircuitBreaker()
    for _ in range(5):
        for _ in range(FAILURES - 1):
            breaker.failed(0.0)
        breaker.succeeded()
    assert breaker.pause_left(0.0) == 0.0


def test_one_attempt_after_the_pause_decides() -> None:
    breaker = opened()
    breaker.failed(FIRST_PAUSE)
    assert breaker.pause_left(FIRST_PAUSE) == 2.0 * FIRST_PAUSE
    now = 3.0 * FIRST_PAUSE
    assert breaker.pause_left(now) == 0.0
    breaker.succeeded()
    breaker.failed(now)
    assert breaker.pause_left(now) == 0.0, "one failure after a success is the first one"


@given(st.lists(st.booleans(), max_size=60))
def test_it_never_pauses_for_longer_than_it_may_and_always_tries_again(goes: list[bool]) -> None:
    breaker, now = CircuitBreaker(), 0.0
    for good in goes:
        left = breaker.pause_left(now)
        assert 0.0 <= left <= LONGEST_PAUSE
        now += left
        assert breaker.pause_left(now) == 0.0
        if good:
            breaker.succeeded()
        else:
            breaker.failed(now)
