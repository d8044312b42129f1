"""The 18 features that every model sees: one definition for training, backtest and live."""

from mt5crs_worker.features.computing import (
    ATR_PERIOD,
    BASIC,
    FEATURES,
    WINDOW,
    FeatureError,
    average_true_range,
    complete,
    compute,
)

__all__ = [
    "ATR_PERIOD",
    "BASIC",
    "FEATURES",
    "WINDOW",
    "FeatureError",
    "average_true_range",
    "complete",
    "compute",
]
