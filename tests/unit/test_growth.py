"""What a system that runs for long keeps of its refused orders and of its past."""

from pathlib import Path

import pytest

from mt5crs_services.gateway.ledger.records import OpenOrder, OrderState
from mt5crs_shared.configuration.structs import RetentionConfig
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.storage import store
from mt5crs_shared.trading.orders import Code
from mt5crs_worker.answers import BUY, SELL, Signal
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.strategy import Strategy
from tests.unit.gateway_cases import Office, order, tick
from tests.unit.instance_cases import SYMBOL, Book, config

HERE = "tests.unit.test_growth"


class Eager(Strategy):
    """Wants to buy on each tick; to sell on each fifth."""

    warmup = 15

    def on_bar(self, bars: BarWindow) -> Signal:
        raise AssertionError("it is asked on ticks")

    def on_tick(self, tick: Tick, bars: BarWindow) -> Signal:
        self.state["asked"] = self.state.get("asked", 0) + 1
        return SELL if self.state["asked"] % 5 == 0 else BUY


def quotes(count: int) -> list[Tick]:
    """Ten ticks a second, up and down enough for an ATR."""
    return [
        Tick("EURUSD", n * 100_000, 1.1 + 0.001 * (n // 10 % 2), 1.1001 + 0.001 * (n // 10 % 2))
        for n in range(count)
    ]


def test_an_order_that_is_refused_is_not_sent_again_on_each_tick_of_a_bar() -> None:
    book = Book()
    book.refuse = Code.NO_MARGIN
    settings = config(strategy=f"{HERE}:Eager", evaluate="tick")
    first = StrategyInstance(settings, SYMBOL, book, 10_000.0, "USD")
    ticks = quotes(400)
    for each in ticks[:303]:
        first.on_tick(each)
    saved = first.checkpoint(None, 0, first.get_status())
    second = StrategyInstance(settings, SYMBOL, book, 10_000.0, "USD", checkpoint=saved)
    before = len(book.results)
    second.on_tick(ticks[303])
    assert len(book.results) == before
    for each in ticks[304:]:
        second.on_tick(each)
    asked = second.strategy.state["asked"]
    assert asked > 250
    assert second.bars == 39
    # One of each side on each of them that was asked about.
    assert len(book.results) == 2 * 26


def test_a_ledger_of_a_broker_that_keeps_no_streams_is_pruned_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PRUNE_EVERY", 50)
    office = Office(tmp_path / "ledger.db")
    monkeypatch.setattr(office.core.broker, "unsaved", tuple)
    office.ledger._file._retention = RetentionConfig(rows=100)
    for n in range(300):
        office.submit(order(tick(n), strategy="nobody"))
        office.core.save()
    (count,) = office.ledger._db.execute("SELECT count(*) FROM orders").fetchone()
    assert count <= 100 + 50


def test_the_ledger_keeps_deals_and_what_waits_and_prunes_old_refusals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PRUNE_EVERY", 50)
    office = Office(tmp_path / "ledger.db")
    office.ledger._file._retention = RetentionConfig(rows=1_000)
    waits = order(tick(0), order_id="it waits")
    office.ledger.record(waits, OrderState.NEW)
    office.open(tick(1_000))
    for n in range(3_000):
        office.submit(order(tick(2_000 + n)))
        if n % 50 == 49:
            office.feed(tick(2_000 + n))
            office.core.save()
    (count,) = office.ledger._db.execute("SELECT count(*) FROM orders").fetchone()
    assert count <= 1_000 + 50 + 1
    assert office.ledger.open_orders() == [OpenOrder(waits, OrderState.NEW)]
    assert [fill.code for fill in office.fills()] == [Code.FILLED]
    office.restart()
    assert office.position("euro") is not None
