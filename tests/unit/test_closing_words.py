"""What people are told of a position that they had closed."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from mt5crs_shared.trading.operator_requests import TradingReport
from mt5crs_shared.trading.orders import Code, Fill
from mt5crs_supervisor.commands import trading

OLD_US = 1_700_000_000_000_000
PROFIT = "profit +9.25 (manual)"


@pytest.mark.parametrize(
    ("old_us", "price"),
    [(None, "1.1"), (OLD_US, "1.1 (newest tick 2023-11-14 22:13:20 UTC)")],
    ids=["of now", "the feed is dead"],
)
def test_a_price_that_is_not_of_now_is_told_with_its_time(old_us: int | None, price: str) -> None:
    time_us = old_us or time.time_ns() // 1000
    fill = Fill(
        "5:manual", "euro", "EURUSD", 5, "OUT", "SELL", 0.1, 1.1, time_us, Code.MANUAL, 9.25
    )
    gateway: Any = SimpleNamespace(ask=lambda _: TradingReport((), (), (), (), closed=(fill,)))
    told: list[str] = []
    trading.close(gateway, (), told.append)
    assert told == [f"euro: BUY 0.1 EURUSD is closed at {price}: {PROFIT}"]
