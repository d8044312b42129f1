"""With real money the first order of what decides is a small one."""

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Code
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.strategy import BUY, SELL, Signal, Strategy
from mt5crs_worker.trading.first_order import FirstOrder, setup_of
from tests.unit.instance_cases import SYMBOL, Book, config, wobble

HERE = __name__


class Turning(Strategy):
    """Turns its position with every closed bar."""

    warmup = 15

    def on_bar(self, bars: BarWindow) -> Signal:
        self.state["bars"] = self.state.get("bars", 0) + 1
        return BUY if self.state["bars"] % 2 else SELL


def lots(one: StrategyInstance, ticks: Iterable[Tick]) -> list[float]:
    """What was opened."""
    for tick in ticks:
        one.on_tick(tick)
    return [decision.lots for decision in one.take_decisions() if decision.lots]


def turning(first: FirstOrder | None, book: Book | None = None) -> StrategyInstance:
    entry = config(strategy=f"{HERE}:Turning")
    one = StrategyInstance(entry, SYMBOL, book or Book(), 10_000.0, "USD")
    one.bot.first = first
    return one


def test_the_first_is_small_and_those_that_follow_are_not() -> None:
    usual = lots(turning(None), wobble(20))
    assert len(usual) > 2 and min(usual) > 0.02
    first = FirstOrder(0.02, "now", dealt_by="before")
    held = lots(turning(first), wobble(20))
    assert held == [0.02, *usual[1:]]
    assert first.dealt_by == "now"
    # Another process goes on, and nothing has changed.
    assert lots(turning(FirstOrder(0.02, "now", first.dealt_by)), wobble(20)) == usual


def test_one_that_was_refused_does_not_count() -> None:
    first, book = FirstOrder(0.02, "now", dealt_by=""), Book()
    book.refuse = Code.NO_MARGIN
    assert lots(turning(first, book), wobble(18)) == []
    assert first.dealt_by == ""


def test_the_smallest_volume_is_always_allowed() -> None:
    first = FirstOrder(0.001, "now", dealt_by="")
    assert lots(turning(first), wobble(17))[0] == SYMBOL.lot_min


@pytest.mark.parametrize("what", ["settings", "model", "code"])
def test_whatever_decides_otherwise_is_another_setup(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "own_rules.py"
    source.write_text("class Own:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import own_rules  # type: ignore[import-not-found]

    before = setup_of(config(), "model 1", own_rules.Own)
    assert before == setup_of(config(), "model 1", own_rules.Own)
    entry, model = config(), "model 1"
    if what == "settings":
        entry = config(params={"fast": 4})
    elif what == "model":
        model = "model 2"
    else:
        source.write_text("class Own:\n    threshold = 1\n")
    assert setup_of(entry, model, own_rules.Own) != before
    del sys.modules["own_rules"]
