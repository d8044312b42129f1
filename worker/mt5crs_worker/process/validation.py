"""Tries what an entry of the YAML names, in a process of its own: ``validate`` asks for it.

A class or a model may do anything while it is loaded; whatever it is, it happens here.
"""

from pathlib import Path

from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.errors import Mt5crsError, Unusable
from mt5crs_shared.process.validation import answer
from mt5crs_worker.adapter import ModelError
from mt5crs_worker.bars import HistoryError, load_history
from mt5crs_worker.strategy import load_strategy


def faults_of_strategy(config: Config) -> list[Unusable]:
    """What the only strategy of a configuration names and cannot be used."""
    (strategy,) = config.strategies
    found: list[Unusable] = []
    try:
        load_strategy(strategy, config.symbols[strategy.symbol])
    except ModelError as error:
        found.append(Unusable("model_path", str(error)))
    except Mt5crsError as error:
        found.append(Unusable("strategy", str(error)))
    if strategy.history is not None:
        try:
            bars = load_history(Path(strategy.history), strategy.timeframe)
            if not bars:
                found.append(Unusable("history", f"{strategy.history} has no whole bar"))
        except HistoryError as error:
            found.append(Unusable("history", str(error)))
    return found


def _import_xgboost(config: Config) -> None:
    """For this one and those that follow; no model is loaded before a fork."""
    if config.strategies[0].model_path is not None:
        import xgboost  # noqa: F401 - what it takes time for


if __name__ == "__main__":
    answer(faults_of_strategy, _import_xgboost)
