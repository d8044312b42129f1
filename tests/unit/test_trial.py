"""What a trader's own tests are made of finds what would go wrong in a process."""

from pathlib import Path

import pytest

from mt5crs_shared.errors import ConfigError
from mt5crs_shared.market.bars import Bar
from mt5crs_worker.answers import AnswerError, StateError
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.strategy import BUY, HOLD, SELL, Signal, Strategy
from mt5crs_worker.testing import StrategyTrial, UnknownEntryError, bars_of
from tests.system import ROOT, shipped_symbols
from tests.unit.instance_cases import CROSS, SYMBOL, Book, config, market

HERE = "tests.unit.test_trial"


class Turning(Strategy):
    """BUY and SELL in turns; where it remembers whose turn it is, its params say."""

    warmup = 2

    def on_bar(self, bars: BarWindow) -> Signal:
        memory = self.__dict__ if self.params.get("forgets") else self.state
        memory["turn"] = -memory.get("turn", -1)
        return BUY if memory["turn"] == 1 else SELL


class Wordy(Strategy):
    """Answers in words."""

    warmup = 1

    def on_bar(self, bars: BarWindow) -> Signal:
        return "BUY"  # type: ignore[return-value]  # that is its mistake


class Hoarding(Strategy):
    """Keeps its bars in its state."""

    warmup = 1

    def on_bar(self, bars: BarWindow) -> Signal:
        self.state["bars"] = bars
        return HOLD


def trial(folder: Path, name: str, params: str = "{}") -> StrategyTrial:
    symbols = [f"  - {entry}" for entry in shipped_symbols(["EURUSD"])]
    (folder / "symbols.yaml").write_text("\n".join(["symbols:", *symbols]))
    entry = f"{{name: one, symbol: EURUSD, timeframe: S1, strategy: '{name}', params: {params}}}"
    file = folder / "strategies.yaml"
    file.write_text(f"strategies:\n  - {entry}\n")
    return StrategyTrial(file, "one")


def test_bars_follow_each_other() -> None:
    assert bars_of([1.1, 1.3, 1.2], "S30") == [
        Bar(0, 1.1, 1.1, 1.1, 1.1, 1),
        Bar(30_000_000, 1.1, 1.3, 1.1, 1.3, 1),
        Bar(60_000_000, 1.3, 1.3, 1.2, 1.2, 1),
    ]


def test_it_is_asked_from_its_warmup_on(tmp_path: Path) -> None:
    assert trial(tmp_path, f"{HERE}:Turning").signals(bars_of([1.1] * 4)) == [BUY, SELL, BUY]


def test_a_class_that_remembers_in_its_state_lives_through_deaths(tmp_path: Path) -> None:
    sound = trial(tmp_path, f"{HERE}:Turning")
    bars = bars_of([1.1] * 5)
    assert sound.signals_through_deaths(bars) == sound.signals(bars)


def test_a_class_that_remembers_elsewhere_is_found(tmp_path: Path) -> None:
    forgetful = trial(tmp_path, f"{HERE}:Turning", "{forgets: true}")
    bars = bars_of([1.1] * 5)
    assert forgetful.signals(bars) == [BUY, SELL, BUY, SELL]
    assert forgetful.signals_through_deaths(bars) == [BUY] * 4


def test_what_a_process_would_refuse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnswerError, match="answered 'BUY'; it must answer"):
        trial(tmp_path, f"{HERE}:Wordy").signals(bars_of([1.1]))
    with pytest.raises(StateError, match="cannot be kept"):
        trial(tmp_path, f"{HERE}:Hoarding").signals(bars_of([1.1]))


def test_it_answers_as_in_its_process(tmp_path: Path) -> None:
    ticks = market(minutes=3)
    process = StrategyInstance(config(), SYMBOL, Book(), 10_000.0, "USD")
    bars: list[Bar] = []
    for tick in ticks:
        process.on_tick(tick)
        last = process.window.last
        if last is not None and (not bars or bars[-1] != last):
            bars.append(last)
    decided = [decision.signal for decision in process.take_decisions()]
    answered = trial(tmp_path, CROSS).signals(bars)
    assert answered == decided
    assert {BUY, SELL, HOLD} <= set(answered)


def test_an_entry_that_is_not_there_is_told(tmp_path: Path) -> None:
    trial(tmp_path, CROSS)
    with pytest.raises(UnknownEntryError, match="has no strategy called won; "):
        StrategyTrial(tmp_path / "strategies.yaml", "won")
    with pytest.raises(ConfigError, match="no such file"):
        StrategyTrial(tmp_path / "none.yaml", "one")


def test_a_model_is_tried_likewise() -> None:
    model = StrategyTrial(ROOT / "config" / "strategies.yaml", "eurusd_trend_v1")
    closes = [1.1 + 0.0001 * (n % 7) for n in range(257)]
    assert len(model.signals(bars_of(closes))) == 2
