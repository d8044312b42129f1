"""What a strategy's process that stands by does before it is needed."""

import signal
import tempfile
from pathlib import Path

import msgspec

from mt5crs_shared.configuration.structs import Config, decode_config
from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process.paths import VarPaths
from mt5crs_worker import prepared_models
from mt5crs_worker.adapter import LiveStrategyAdapter
from mt5crs_worker.process.main import Worker
from mt5crs_worker.strategy import ModelStrategy, class_of

STAND_IN = "mt5crs_worker.examples.ma_cross:MovingAverageCross"
"""Boots in place of a trader's strategy."""


def warm_up(spec: ChildSpec) -> list[str]:
    """Import the strategy's class, load its model where it is ours to load, and rehearse a boot.

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
    found = class_of(strategy)
    files = []
    if issubclass(found, ModelStrategy) and strategy.model_path is not None:
        LiveStrategyAdapter(strategy.model_path, strategy.threshold, strategy.risk_config)
        files.append(strategy.model_path)
    if found is not ModelStrategy:
        plain = msgspec.structs.replace(strategy, strategy=STAND_IN, params={}, history=None)
        config = msgspec.structs.replace(config, strategies=(plain,))
    _rehearse(spec, config)
    return files


def _rehearse(spec: ChildSpec, config: Config) -> None:
    """Boot once, where nobody is: the second time takes half as long.

    What a forked process touches for the first time is copied, and what it runs for the first time
    is compiled.
    """
    with tempfile.TemporaryDirectory() as folder:
        nobody = msgspec.structs.replace(config.globals, zmq_market_url=f"ipc://{folder}/market")
        nowhere = msgspec.structs.replace(config, globals=nobody)
        VarPaths(Path(folder)).create()
        worker = Worker(
            msgspec.structs.replace(
                spec,
                var_dir=folder,
                epoch=1,
                identity=b"nobody",
                payload=msgspec.json.encode(nowhere),
            ),
            preloaded=True,
        )
        worker.rehearse()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
