"""Each feature against its definition, written out in plain numpy."""

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt5crs_shared.market.bars import TIMEFRAME_US, Bar
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.features import FEATURES, WINDOW, FeatureError, compute

Array = npt.NDArray[np.float64]


def random_bars(seed: int, start: float, sigma: float, count: int = WINDOW) -> list[Bar]:
    rng = np.random.default_rng(seed)
    closes = start * np.exp(np.cumsum(rng.normal(0.0, sigma, count + 1)))
    wicks = start * sigma * rng.random((count, 2))
    bars = []
    for number in range(count):
        open_, close = closes[number].item(), closes[number + 1].item()
        high, low = max(open_, close) + wicks[number, 0], min(open_, close) - wicks[number, 1]
        bars.append(Bar(number * TIMEFRAME_US["M1"], open_, float(high), float(low), close, 9))
    return bars


def window_of(bars: list[Bar]) -> BarWindow:
    window = BarWindow()
    for bar in bars:
        window.append(bar)
    return window


def ema(values: Array, period: int) -> Array:
    """Exponential average seeded with the simple one; the first value stands at period - 1."""
    out = [float(np.mean(values[:period]))]
    for value in values[period:]:
        out.append(out[-1] + 2.0 / (period + 1) * (float(value) - out[-1]))
    return np.array(out)


def wilder(values: Array, period: int) -> float:
    average = float(np.mean(values[:period]))
    for value in values[period:]:
        average = (average * (period - 1) + float(value)) / period
    return average


def slow_features(bars: list[Bar]) -> dict[str, float]:
    closes = np.array([bar.close for bar in bars])
    close = float(closes[-1])
    sma = {period: float(np.mean(closes[-period:])) for period in (20, 50, 200)}
    change = np.diff(closes)
    gain, loss = wilder(np.maximum(change, 0), 14), wilder(np.maximum(-change, 0), 14)
    rsi = 100.0 * gain / (gain + loss)
    # Both averages begin at the same bar, the 26th.
    line = ema(closes[14:], 12) - ema(closes, 26)
    signal = float(ema(line, 9)[-1])
    ranges = [
        max(bar.high - bar.low, abs(bar.high - former.close), abs(bar.low - former.close))
        for former, bar in pairwise(bars)
    ]
    atr = wilder(np.array(ranges), 14)
    sigma = float(np.sqrt(np.mean((closes[-20:] - sma[20]) ** 2)))
    upper, lower = sma[20] + 2.0 * sigma, sma[20] - 2.0 * sigma
    return {
        "sma_20": sma[20],
        "sma_50": sma[50],
        "sma_200": sma[200],
        "rsi_14": rsi,
        "macd_line": float(line[-1]),
        "macd_signal": signal,
        "macd_histogram": float(line[-1]) - signal,
        "atr_14": atr,
        "bb_upper": upper,
        "bb_middle": sma[20],
        "bb_lower": lower,
        "bb_position": float(np.clip((close - lower) / (upper - lower + 1e-8), 0.0, 1.0)),
        "rsi_momentum": rsi - 50.0,
        "macd_strength": abs(float(line[-1]) - signal),
        "sma_trend": (sma[20] - sma[50]) / sma[50],
        "volatility_ratio": atr / close,
        "returns_1d": (close - float(closes[-2])) / float(closes[-2]),
        "returns_5d": (close - float(closes[-6])) / float(closes[-6]),
    }


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize(
    ("start", "sigma"), [(1.1, 1.3e-4), (2400.0, 2.5e-4), (150.0, 1e-5), (0.9, 0.02)]
)
def test_feature_equals_its_definition(name: str, start: float, sigma: float) -> None:
    bars = random_bars(7, start, sigma)
    value = compute(window_of(bars))[FEATURES.index(name)]
    scale = start * sigma if name.startswith("macd") else 0.0
    assert value == pytest.approx(slow_features(bars)[name], rel=1e-7, abs=1e-7 * scale)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), sigma=st.floats(1e-5, 0.05), start=st.floats(0.01, 1e5))
def test_all_features_equal_their_definitions(seed: int, sigma: float, start: float) -> None:
    bars = random_bars(seed, start, sigma)
    expected = slow_features(bars)
    values = compute(window_of(bars))
    assert values.dtype == np.float64
    assert values.shape == (18,)
    tolerance = 1e-5 * start * sigma + 1e-9
    for name, value in zip(FEATURES, values, strict=True):
        assert value == pytest.approx(expected[name], rel=1e-5, abs=tolerance), name


def test_there_are_eighteen_in_the_agreed_order() -> None:
    assert tuple(slow_features(random_bars(1, 1.0, 0.01))) == FEATURES
    assert len(FEATURES) == 18
    assert WINDOW == 256


def test_features_are_a_function_of_the_last_256_bars_alone() -> None:
    bars = random_bars(3, 1.1, 1e-4, 5_000)
    old, young = window_of(bars), window_of(bars[-WINDOW:])
    restored = BarWindow.from_bytes(old.to_bytes())
    assert compute(old).tobytes() == compute(young).tobytes() == compute(restored).tobytes()


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_bollinger_position_is_clipped(side: float) -> None:
    bars = random_bars(5, 1.0, 1e-4)
    last = bars[-1].close * (1.0 + 0.05 * side)
    bars[-1] = Bar(bars[-1].start_us, last, last, last, last, 1)
    assert compute(window_of(bars))[FEATURES.index("bb_position")] == (side > 0)


def test_equal_closes_have_finite_features() -> None:
    values = dict(
        zip(
            FEATURES,
            compute(window_of([Bar(n, 2.0, 2.0, 2.0, 2.0, 1) for n in range(WINDOW)])),
            strict=True,
        )
    )
    assert values["rsi_14"] == 0.0
    assert values["atr_14"] == values["returns_1d"] == values["sma_trend"] == 0.0
    assert values["bb_position"] == 0.0


def test_features_need_256_bars() -> None:
    with pytest.raises(FeatureError, match="need 256 closed bars; there are 255"):
        compute(window_of(random_bars(1, 1.1, 1e-4, WINDOW - 1)))


@pytest.mark.parametrize("price", [math.nan, math.inf])
def test_features_that_are_not_finite_are_refused(price: float) -> None:
    bars = random_bars(1, 1.1, 1e-4)
    bars[-3] = Bar(bars[-3].start_us, price, price, price, price, 1)
    with pytest.raises(FeatureError, match=r"not finite: .*sma_20"):
        compute(window_of(bars))
