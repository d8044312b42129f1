"""A strategy in the test's hands: ticks in, decisions out, and a restart that nobody notices."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt5crs_shared.configuration.structs import RiskConfig
from mt5crs_shared.market.backlog import TickMark
from mt5crs_shared.market.bars import Bar
from mt5crs_shared.market.sanity import TickSanity
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_shared.storage.decision_log import Decision
from mt5crs_shared.trading.orders import Code
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.strategy import BUY, EXIT, HOLD, SELL, StrategyError
from tests.unit.instance_cases import (
    CROSS,
    HERE,
    SYMBOL,
    Book,
    config,
    instance,
    market,
    second,
    wobble,
)


def test_ticks_of_other_symbols_are_not_its_business() -> None:
    one = instance(Book())
    assert one.on_tick(Tick("EURUSD.s", 1, 1.1, 1.2))
    assert one.get_status().ticks_received == 0


def test_bad_ticks_are_counted_and_skipped() -> None:
    one = instance(Book())
    for tick in (second(5), second(4), second(6, mid=0.0), second(7, mid=2.0), second(8)):
        assert one.on_tick(tick)
    status = one.get_status()
    assert (status.ticks_received, status.ticks_processed, status.ticks_bad) == (5, 2, 3)


def test_a_signal_opens_with_stop_and_target_and_the_opposite_one_turns() -> None:
    book = Book()
    one = instance(book, strategy=f"{HERE}:Scripted", params={"signals": [BUY, BUY, SELL, EXIT]})
    for tick in wobble(21):
        one.on_tick(tick)
    done = [d.action for d in one.take_decisions()]
    assert done[:4] == ["OPEN", "KEEP", "TURN", "CLOSE"]
    opening = next(iter(book.results.values())).fill
    assert opening is not None
    assert opening.stop_loss < opening.price < opening.take_profit
    assert one.bot.position is None
    assert one.bot.realised == 4.0
    assert one.get_status().orders_sent == 4


def test_on_a_crossed_quote_nothing_is_decided_but_the_bar_is_not_forgotten() -> None:
    one = instance(Book(), strategy=f"{HERE}:Scripted", params={"signals": [BUY]})
    ticks = list(wobble(18))
    ticks[15] = second(15, spread=-0.0001)
    for tick in ticks[:16]:
        one.on_tick(tick)
    assert one.take_decisions() == []
    one.on_tick(Tick("EURUSD", 15_500_000, 1.1, 1.1001))
    (decision,) = one.take_decisions()
    assert (decision.time_us, decision.action) == (15_500_000, "OPEN")
    assert one.get_status().ticks_crossed == 1


def test_warming_up_decides_nothing() -> None:
    one = instance(Book(), strategy=f"{HERE}:Scripted", params={"signals": [BUY] * 9})
    for tick in wobble(30):
        one.on_tick(tick, decide=False)
    assert one.take_decisions() == []
    assert len(one.window) == 29


def test_errors_of_the_strategy_stay_in_the_strategy() -> None:
    one = instance(Book(), strategy=f"{HERE}:Failing")
    answers = [one.on_tick(tick) for tick in wobble(4)]
    assert answers == [True, False, False, False]
    status = one.get_status()
    assert status.error_count == 3
    assert "ZeroDivisionError: a bug in the strategy (instance_cases.py:" in status.last_error
    assert status.ticks_processed == 4


def test_a_stop_within_the_spread_is_no_trade() -> None:
    risk = RiskConfig(stop_loss_atr_multiple=0.1)
    one = instance(Book(), strategy=f"{HERE}:Scripted", params={"signals": [BUY]}, risk_config=risk)
    for tick in wobble(17):
        one.on_tick(tick)
    (first, *_) = one.take_decisions()
    assert first.action == "NO_TRADE"
    assert "within the spread" in first.detail
    status = one.get_status()
    assert (status.signals_generated, status.signals_untraded, status.orders_sent) == (1, 1, 0)
    assert status.last_reason == first.detail


def test_a_refused_order_leaves_no_position() -> None:
    book = Book()
    book.refuse = Code.NO_MARGIN
    one = instance(book, strategy=f"{HERE}:Scripted", params={"signals": [BUY]})
    for tick in wobble(17):
        one.on_tick(tick)
    assert one.bot.position is None
    assert one.take_decisions()[0].action == "REFUSED"
    status = one.get_status()
    assert (status.orders_sent, status.orders_rejected, status.orders_missed) == (1, 1, 0)
    assert status.last_reason == "order refused: NO_MARGIN"


@pytest.mark.parametrize("code", [Code.STALE, Code.NO_LEASE])
def test_an_order_that_never_left_is_missed_and_not_sent(code: Code) -> None:
    book = Book()
    book.refuse = code
    one = instance(book, strategy=f"{HERE}:Scripted", params={"signals": [SELL]})
    for tick in wobble(17):
        one.on_tick(tick)
    assert one.take_decisions()[0].action == "MISSED"
    status = one.get_status()
    assert (status.orders_sent, status.orders_rejected, status.orders_missed) == (0, 0, 1)
    assert status.last_reason == f"order not sent: {code}"


def test_a_turn_whose_second_half_is_too_old_counts_both_halves() -> None:
    book = Book()
    one = instance(book, strategy=f"{HERE}:Scripted", params={"signals": [BUY, SELL, BUY]})
    for tick in wobble(16):
        one.on_tick(tick)
    book.refuse_openings = Code.STALE
    one.on_tick(second(16))
    status = one.get_status()
    assert (status.orders_sent, status.orders_filled, status.orders_missed) == (2, 2, 1)
    assert status.last_reason == "order not sent: STALE"
    book.refuse_openings = None
    one.on_tick(second(17, 1.101))
    status = one.get_status()
    assert (status.orders_sent, status.last_reason) == (3, "")
    assert 0 < status.last_reason_us < status.last_tick_time_us


def test_a_touched_stop_is_learned_before_the_tick_is_looked_at_further() -> None:
    book = Book()
    one = instance(book, strategy=f"{HERE}:Scripted", params={"signals": [BUY, HOLD, BUY]})
    for tick in wobble(16):
        one.on_tick(tick)
    assert one.bot.position is not None
    one.on_tick(second(16, mid=1.05))
    assert one.bot.position is None
    assert one.bot.realised == -1.0
    one.on_tick(second(17, mid=1.05))
    assert one.bot.position is not None


def test_one_tick_from_the_future_ends_no_position_and_a_second_one_does() -> None:
    one = instance(Book(), strategy=f"{HERE}:Scripted", params={"signals": [BUY, HOLD, BUY]})
    for tick in wobble(16):
        one.on_tick(tick)
    one.on_tick(second(90_000, mid=1.05))
    one.on_tick(second(17))
    one.on_tick(second(90_000, mid=1.05))
    assert one.bot.position is not None
    # Whoever takes over between the two knows of the first one.
    later = TickSanity(one.sanity.state)
    assert later.judge(second(90_001, mid=1.05)) == "early" and later.protects
    one.on_tick(second(90_001, mid=1.05))
    assert one.bot.position is None


def test_a_position_that_the_book_closed_meanwhile_keeps_its_profit() -> None:
    book = Book()
    one = instance(book, strategy=f"{HERE}:Scripted", params={"signals": [BUY, EXIT]})
    for tick in wobble(16):
        one.on_tick(tick)
    position = one.bot.position
    assert position is not None
    book.refuse = Code.NO_POSITION
    book.closed_by(position, second(16, mid=1.05))
    one.on_tick(second(17))
    assert one.bot.position is None
    assert one.bot.realised == -1.0
    assert one.take_decisions()[-1].action == "CLOSE"


def test_deciding_on_every_tick_sees_the_open_bar() -> None:
    one = instance(Book(), evaluate="tick", strategy=f"{HERE}:Scripted", params={"signals": []})
    for tick in wobble(20):
        one.on_tick(tick)
    assert one.strategy.state["said"] == 20 - 14
    assert len(one.window) == 19


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("no.such:Thing", "there is no module no; looked in "),
        ("mt5crs_worker.examples.ma_cros:X", "there is no module mt5crs_worker.examples.ma_cros"),
        ("mt5crs_worker.examples.ma_cross:Missing", "has no class Missing; it has MovingAverage"),
        (CROSS.lower().replace("average", "Averag"), "did you mean MovingAverageCross?"),
        ("mt5crs_worker.bars:BarWindow", "no subclass of Strategy"),
        (f"{HERE}:Abstract", "on_bar"),
    ],
)
def test_a_class_that_cannot_be_used_says_why(entry: str, words: str) -> None:
    with pytest.raises(StrategyError, match=words):
        instance(Book(), strategy=entry)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import tallib\n", "No module named 'tallib' (broken.py:1)"),
        ("x = 1 /\n", "SyntaxError: invalid syntax (broken.py:1)"),
        ("x = 1 / 0\n", "ZeroDivisionError: division by zero (broken.py:1)"),
        ("import sys\nsys.exit()\n", "SystemExit (broken.py:2)"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    (tmp_path / "broken.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StrategyError, match=re.escape(words)):
        instance(Book(), strategy="broken:Breakout")
    with pytest.raises(StrategyError, match=re.escape("did you mean broken?")):
        instance(Book(), strategy="brocken:Breakout")


def run_whole(ticks: list[Tick], book: Book, **changes: object) -> list[Decision]:
    one = instance(book, **changes)
    for tick in ticks:
        one.on_tick(tick)
    return one.take_decisions()


def run_with_deaths(
    ticks: list[Tick], book: Book, cuts: list[int], lost: list[int], **changes: object
) -> list[Decision]:
    """The same, but at each cut the process dies after losing some ticks past its checkpoint."""
    decisions: list[Decision] = []
    one, begin = instance(book, **changes), 0
    for cut, loses in zip(cuts, lost, strict=True):
        end = max(cut, begin)
        for tick in ticks[begin:end]:
            one.on_tick(tick)
        decisions += one.take_decisions()
        saved = one.checkpoint(TickMark(0, 0, ()), 0, one.get_status())
        for tick in ticks[end : end + loses]:
            one.on_tick(tick)
        one = StrategyInstance(
            config(**changes), SYMBOL, book, 10_000.0, "USD", epoch=2, checkpoint=saved
        )
        begin = end
    for tick in ticks[begin:]:
        one.on_tick(tick)
    return decisions + one.take_decisions()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5), st.randoms(use_true_random=False), st.sampled_from(["bar", "tick"]))
def test_a_strategy_that_died_decides_as_one_that_never_did(
    seed: int, chance: random.Random, evaluate: str
) -> None:
    ticks = market(seed, bad=0.05)
    cuts = sorted(chance.randrange(len(ticks)) for _ in range(5))
    lost = [chance.randrange(40) for _ in cuts]
    calm, stormy = Book(), Book()
    expected = run_whole(ticks, calm, evaluate=evaluate)
    found = run_with_deaths(ticks, stormy, cuts, lost, evaluate=evaluate)
    assert found == expected
    assert stormy.results == calm.results
    assert stormy.exits == calm.exits
    assert any(d.action in ("OPEN", "TURN") for d in expected)


def test_counters_go_on_over_a_restart() -> None:
    ticks = market()
    one = instance(Book())
    for tick in ticks[:100]:
        one.on_tick(tick)
    saved = one.checkpoint(TickMark(0, 0, ()), 0, one.get_status())
    two = StrategyInstance(config(), SYMBOL, Book(), 10_000.0, "USD", 2, saved)
    assert two.get_status() == one.get_status()
    assert two.get_status() != StrategyMetrics()


def test_bars_of_a_file_are_told_apart_from_those_of_ticks() -> None:
    one = StrategyInstance(config(), SYMBOL, Book(), 10_000.0, "USD")
    minute = 60_000_000
    one.warm_up([Bar(n * minute, 1.1, 1.2, 1.0, 1.1, 0) for n in range(-40, 0)])
    for tick in wobble(3):
        one.on_tick(tick)
    status = one.get_status()
    assert (status.history_bars, status.warm) == (40, 40 + status.bars)
    again = one.checkpoint(TickMark(0, 0, ()), 0, status)
    other = StrategyInstance(config(), SYMBOL, Book(), 10_000.0, "USD", checkpoint=again)
    assert other.get_status().history_bars == 40
