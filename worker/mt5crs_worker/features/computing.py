"""The definitions of the 18 features, of the bars alone."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import talib

from mt5crs_shared.errors import Mt5crsError
from mt5crs_worker.bars import WINDOW as WINDOW
from mt5crs_worker.bars import BarWindow

FEATURES: Final = (
    "sma_20",
    "sma_50",
    "sma_200",
    "rsi_14",
    "macd_line",
    "macd_signal",
    "macd_histogram",
    "atr_14",
    "bb_upper",
    "bb_middle",
    "bb_lower",
    "bb_position",
    "rsi_momentum",
    "macd_strength",
    "sma_trend",
    "volatility_ratio",
    "returns_1d",
    "returns_5d",
)
"""Names of the features, in the order of the array that `compute` returns."""

BASIC: Final = FEATURES[:11]
"""Those that others are derived from, by `complete`."""


class FeatureError(Mt5crsError, ValueError):
    """Features that cannot be computed or used; this bar brings no decision."""


ATR_PERIOD: Final = 14
"""Bars of the average true range that stops are measured in."""


def average_true_range(window: BarWindow) -> float:
    """Wilder's ATR(14) of the newest bar, in the quote currency; NaN with fewer than 15 bars."""
    if len(window) <= ATR_PERIOD:
        return math.nan
    return float(talib.ATR(window.highs, window.lows, window.closes, ATR_PERIOD)[-1])


# What overflows is found below; a warning on top of that would say nothing.
@np.errstate(all="ignore")
def compute(window: BarWindow) -> npt.NDArray[np.float64]:
    """Compute the features of the newest bar, float64 of shape (18,), in the order of `FEATURES`.

    A pure function of the 256 bars in the window: recursive averages (Wilder's and exponential)
    start anew at the oldest of them, so that a worker that died and one that did not agree bit
    for bit. The definitions are TA-Lib's: Wilder smoothing in RSI and ATR, the population's
    standard deviation in the Bollinger bands, exponential averages seeded with a simple one, an
    RSI of 0 over closes that are all equal.

    Raises:
        FeatureError: There are fewer than 256 bars, or a value is not finite.
    """
    if not window.full:
        raise FeatureError(f"features need {WINDOW} closed bars; there are {len(window)}")
    closes = window.closes
    sma_20, sma_50, sma_200 = (talib.SMA(closes, period)[-1] for period in (20, 50, 200))
    rsi = talib.RSI(closes, 14)[-1]
    macd_line, macd_signal, macd_histogram = (out[-1] for out in talib.MACD(closes, 12, 26, 9))
    upper, middle, lower = (out[-1] for out in talib.BBANDS(closes, 20, 2.0, 2.0))
    basic = (
        sma_20,
        sma_50,
        sma_200,
        rsi,
        macd_line,
        macd_signal,
        macd_histogram,
        average_true_range(window),
        upper,
        middle,
        lower,
    )
    return complete(basic, closes)


@np.errstate(all="ignore")
def complete(basic: Sequence[float], closes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """All 18 features, of the 11 that the others are derived from and of the closes.

    Args:
        basic: In the order of `BASIC`.
        closes: Of at least six closed bars, the newest last.

    Raises:
        FeatureError: A value is not finite.
    """
    first = np.array(basic, dtype=np.float64)
    close = closes[-1]
    sma_20, sma_50, _, rsi, _, _, macd_histogram, atr, upper, _, lower = first
    derived = (
        min(max((close - lower) / (upper - lower + 1e-8), 0.0), 1.0),
        rsi - 50.0,
        abs(macd_histogram),
        (sma_20 - sma_50) / sma_50,
        atr / close,
        close / closes[-2] - 1.0,
        close / closes[-6] - 1.0,
    )
    values = np.concatenate((first, derived))
    if not np.isfinite(values).all():
        wrong = ", ".join(np.array(FEATURES)[~np.isfinite(values)])
        raise FeatureError(f"features that are not finite: {wrong}")
    return values
