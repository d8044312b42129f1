"""What a strategy's process that stands by does before it is needed."""

from mt5crs_shared.configuration.structs import decode_config
from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process.paths import VarPaths
from mt5crs_worker import prepared_models
from mt5crs_worker.adapter import LiveStrategyAdapter
from mt5crs_worker.strategy import ModelStrategy, class_of


def warm_up(spec: ChildSpec) -> list[str]:
    """Import the strategy's class, and load its model where it is ours to load.

    No strategy is made: what its `__init__` does happens once in each process that trades.

    Returns:
        The files that were read, besides modules.

    Raises:
        Mt5crsError: The class or the model cannot be used.
    """
    strategy = decode_config(spec.payload).strategies[0]
    prepared_models.use(VarPaths.of(spec).models)
    if not issubclass(class_of(strategy), ModelStrategy) or strategy.model_path is None:
        return []
    LiveStrategyAdapter(strategy.model_path, strategy.threshold, strategy.risk_config)
    return [strategy.model_path]
