"""Errors of a strategy's code are counted one by one and told in few lines."""

import logging

import pytest

from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_worker.features.source import Obtained
from mt5crs_worker.trading.tally import Tally


def fail(tally: Tally, text: str = "a bug") -> None:
    try:
        raise ValueError(text)
    except ValueError as error:
        tally.error(error, 7)


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
    assert tally.metrics.last_error_us == 7


def test_where_features_came_from_is_counted() -> None:
    tally = Tally(StrategyMetrics())
    for obtained in (
        Obtained("api"),
        Obtained("none", "refused"),
        Obtained("local", "no reply"),
        Obtained("api"),
        Obtained("local", "no reply"),
    ):
        tally.features(obtained)
    counts = tally.metrics
    assert (counts.features_from_api, counts.feature_faults) == (2, 3)
    assert (counts.feature_faults_in_a_row, counts.last_feature_fault) == (1, "no reply")
