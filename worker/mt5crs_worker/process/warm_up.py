"""What a strategy's process that stands by does before it is needed."""

import msgspec

from mt5crs_shared.configuration.structs import decode_config
from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process.paths import VarPaths
from mt5crs_worker import prepared_models
from mt5crs_worker.adapter import LiveStrategyAdapter
from mt5crs_worker.process import rehearsal
from mt5crs_worker.strategy import ModelStrategy, class_of


def warm_up(spec: ChildSpec) -> list[str]:
    """Import the strategy's class, load its model where it is ours to load, and rehearse.

    No strategy of a trader's is made: what its `__init__` does happens once in each process that
    trades.

    Returns:
        The files that were read, besides modules.

    Raises:
        Mt5crsError: The class or the model cannot be used.
    """
    config = decode_config(spec.payload)
    (strategy,) = config.strategies
    prepared_models.use(VarPaths.of(spec).models)
    files = []
    if issubclass(class_of(strategy), ModelStrategy) and strategy.model_path is not None:
        LiveStrategyAdapter(strategy.model_path, strategy.threshold, strategy.risk_config)
        files.append(strategy.model_path)
    (stand_in,) = rehearsal.CONFIG.strategies
    plain = msgspec.structs.replace(stand_in, symbol=strategy.symbol)
    rehearsal.rehearse(msgspec.structs.replace(config, strategies=(plain,)))
    return files
