"""When a market is open, and when its silence is worth a word."""

from datetime import UTC, datetime

import pytest

from mt5crs_worker.process.market_hours import is_open, silence

WEDNESDAY = datetime(2026, 1, 7, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "base", "expected"),
    [
        (WEDNESDAY, "EUR", True),
        (datetime(2026, 1, 9, 21, 59, tzinfo=UTC), "EUR", True),  # Friday 16:59, winter
        (datetime(2026, 1, 9, 22, 0, tzinfo=UTC), "EUR", False),
        (datetime(2026, 7, 10, 20, 59, tzinfo=UTC), "EUR", True),  # Friday 16:59, summer
        (datetime(2026, 7, 10, 21, 0, tzinfo=UTC), "EUR", False),
        (datetime(2026, 1, 10, 12, 0, tzinfo=UTC), "EUR", False),
        (datetime(2026, 1, 11, 21, 59, tzinfo=UTC), "EUR", False),
        (datetime(2026, 1, 11, 22, 0, tzinfo=UTC), "EUR", True),  # Sunday 17:00
        (datetime(2026, 1, 11, 22, 30, tzinfo=UTC), "XAU", False),
        (datetime(2026, 1, 11, 23, 0, tzinfo=UTC), "XAU", True),
        (datetime(2026, 1, 7, 22, 30, tzinfo=UTC), "XAU", False),
        (datetime(2026, 1, 7, 22, 30, tzinfo=UTC), "EUR", True),
    ],
)
def test_the_week_of_a_market(moment: datetime, base: str, expected: bool) -> None:
    assert is_open(moment, base) is expected


def test_silence_counts_only_in_an_open_session() -> None:
    assert silence(29.0, 30.0, WEDNESDAY, "EUR") == ""
    assert silence(31.0, 30.0, WEDNESDAY, "EUR") == "the feed is silent: no tick for 31 s"
    assert silence(31.0, 30.0, datetime(2026, 1, 10, tzinfo=UTC), "EUR") == ""


def test_after_a_weekend_a_feed_has_its_time() -> None:
    weekend = 2 * 86_400.0
    assert silence(weekend, 30.0, datetime(2026, 1, 11, 22, 0, 20, tzinfo=UTC), "EUR") == ""
    assert silence(weekend, 30.0, datetime(2026, 1, 11, 22, 0, 31, tzinfo=UTC), "EUR") != ""
