"""Errors of a strategy's code are counted one by one and told in few lines."""

import logging

import pytest

from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_worker.trading.tally import Tally


def fail(tally: Tally, text: str = "a bug") -> None:
    try:
        raise ValueError(text)
    except ValueError as error:
        tally.error(error)


def test_the_same_error_has_its_traceback_once(caplog: pytest.LogCaptureFixture) -> None:
    tally = Tally(StrategyMetrics())
    for n in range(89):
        fail(tally, f"bug {n}")
    assert (tally.metrics.error_count, tally.metrics.errors_in_a_row) == (89, 89)
    assert [record.exc_info is not None for record in caplog.records] == [True] + 6 * [False]
    assert caplog.messages[-1].startswith("the strategy's code failed as before, x64: ValueError")
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


def test_one_sound_evaluation_ends_a_row(caplog: pytest.LogCaptureFixture) -> None:
    tally = Tally(StrategyMetrics())
    fail(tally)
    tally.sound()
    fail(tally)
    assert (tally.metrics.error_count, tally.metrics.errors_in_a_row) == (2, 1)
    assert tally.metrics.last_error.startswith("ValueError: a bug (test_tally.py:")
