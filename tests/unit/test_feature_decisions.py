"""What stands in a decision of where its features came from, and what it was decided on."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mt5crs_shared.configuration.structs import (
    Config,
    FeatureApiConfig,
    GlobalConfig,
    StrategyConfig,
)
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_worker.answers import HOLD, Signal
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.features import compute
from mt5crs_worker.features.source import Obtained
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.process.trouble import trouble_of
from mt5crs_worker.strategy import ModelStrategy, Strategy, StrategyError, load_strategy
from tests.unit.instance_cases import SYMBOL, Book

MODEL = str(Path(__file__).parents[2] / "models" / "baseline_v1.json")
HERE = "tests.unit.test_feature_decisions"


class Wordy(ModelStrategy):
    """A trader's own, with words of its own."""

    def on_bar(self, bars: BarWindow) -> Signal:
        signal = super().on_bar(bars)
        self.note = "own words"
        return signal


class NoModel(Strategy):
    """Has no features to be asked for."""

    def on_bar(self, bars: BarWindow) -> Signal:
        return HOLD


class Scripted:
    """Gives what it is told to give."""

    def __init__(self, *obtained: Obtained) -> None:
        self._coming = list(obtained)
        self._last: Obtained | None = None

    def of(self, bars: BarWindow) -> npt.NDArray[np.float64] | None:
        self._last = self._coming.pop(0)
        return None if self._last.source == "none" else compute(bars)

    def take(self) -> Obtained | None:
        taken, self._last = self._last, None
        return taken


def entry(strategy: str | None = None, on_failure: str = "hold") -> StrategyConfig:
    return StrategyConfig(
        name="euro",
        symbol="EURUSD",
        model_path=MODEL,
        timeframe="S1",
        threshold=0.5,
        strategy=f"{HERE}:{strategy}" if strategy else None,
        features="api",
        feature_api=FeatureApiConfig(1.0, on_failure),  # type: ignore[arg-type]
    )


def decided(*obtained: Obtained, strategy: str | None = None) -> StrategyInstance:
    """A strategy with as many decisions."""
    made = StrategyInstance(entry(strategy), SYMBOL, Book(), 10_000.0, "USD")
    assert isinstance(made.strategy, ModelStrategy)
    made.strategy.source = made.decider.source = Scripted(*obtained)
    for second in range(256 + len(obtained)):
        bid = 1.1 + 0.002 * np.sin(second / 5.0)
        made.on_tick(Tick("EURUSD", 1_700_000_000_000_000 + second * 1_000_000, bid, bid + 0.00002))
    return made


def test_each_decision_says_where_its_features_came_from() -> None:
    made = decided(Obtained("api"), Obtained("local", "no reply"), Obtained("none", "refused"))
    decisions = made.take_decisions()
    assert [decision.note for decision in decisions] == [
        "features of the API",
        "features computed here: no reply",
        "held, without features: refused",
    ]
    assert [decision.probability is not None for decision in decisions] == [True, True, False]
    assert (decisions[-1].signal, decisions[-1].action) == (0, "NONE")
    counts = made.get_status()
    assert (counts.features_from_api, counts.feature_faults, counts.error_count) == (1, 2, 0)


def test_a_traders_own_words_follow() -> None:
    made = decided(Obtained("api"), strategy="Wordy")
    (decision,) = made.take_decisions()
    assert decision.note == "features of the API; own words"


def test_who_computes_says_nothing_of_it() -> None:
    """The decisions of strategies that ask nobody are what they always were."""
    made = decided()
    assert isinstance(made.strategy, ModelStrategy)
    made.strategy.source = made.decider.source = None
    made.on_tick(Tick("EURUSD", 1_700_000_256_000_000, 1.1, 1.10002))
    (decision,) = made.take_decisions()
    assert decision.note == ""
    assert decision.probability is not None


def test_a_class_without_a_model_cannot_ask() -> None:
    with pytest.raises(StrategyError, match="is no ModelStrategy, and features: api is for the"):
        load_strategy(entry("NoModel"), SYMBOL)


@pytest.mark.parametrize(
    ("on_failure", "done"), [("hold", "nothing is decided"), ("local", "they are computed here")]
)
def test_a_few_bars_without_features_are_told(on_failure: str, done: str) -> None:
    config = Config("", (entry(on_failure=on_failure),), GlobalConfig(), {"EURUSD": SYMBOL})
    few = StrategyMetrics(feature_faults_in_a_row=2, last_feature_fault="http://a: refused")
    enough = StrategyMetrics(feature_faults_in_a_row=3, last_feature_fault="http://a: refused")
    assert trouble_of(config, few) == ""
    told = f"no features of the API for the last 3 bars, {done}: http://a: refused"
    assert trouble_of(config, enough) == told
