"""A strategy's process where nobody is: it boots, takes ticks and ends, so that the next is quick.

Python adapts code while it runs, and a forked process gets a copy of each page that this, or a
count of references, writes to. What was done once before the fork is there for all.
"""

import math
import signal
import struct
import tempfile
from pathlib import Path

import msgspec

from mt5crs_shared.configuration.structs import Config, GlobalConfig, StrategyConfig
from mt5crs_shared.market import wire
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process.installation import load_or_make
from mt5crs_shared.process.paths import VarPaths
from mt5crs_worker import features
from mt5crs_worker.answers import HOLD, Signal
from mt5crs_worker.bars import WINDOW, BarWindow
from mt5crs_worker.process.main import Worker
from mt5crs_worker.strategy import Strategy
from mt5crs_worker.tree_ensemble import Tables, TreeEnsemble

TICKS = WINDOW + 16
"""A second apart: each closes a bar, and the last ones find the window full."""

_STUMP = Tables(
    base=0.0,
    depth=1,
    roots=struct.pack("<i", 0),
    left=struct.pack("<3i", 1, 1, 2),
    right=struct.pack("<3i", 2, 1, 2),
    features=struct.pack("<3i", 0, 0, 0),
    thresholds=struct.pack("<3f", 0.0, math.inf, math.inf),
    leaves=struct.pack("<3f", math.nan, 0.1, -0.1),
)
"""A model of one split."""


class StandIn(Strategy):
    """Computes what a model's strategy does, and never trades."""

    warmup = WINDOW

    def __init__(self, config: StrategyConfig, symbol: SymbolSpec) -> None:
        super().__init__(config, symbol)
        self._ensemble = TreeEnsemble(_STUMP)

    def on_bar(self, bars: BarWindow) -> Signal:
        """HOLD."""
        self.probability = self._ensemble.probability(features.compute(bars))
        return HOLD


SYMBOL = SymbolSpec("EURUSD", 100_000.0, 5, 0.01, 0.01, 100.0, "USD", "EUR")
CONFIG = Config(
    path="",
    strategies=(
        StrategyConfig(
            name="rehearsal", symbol=SYMBOL.name, strategy=f"{__name__}:StandIn", timeframe="S1"
        ),
    ),
    globals=GlobalConfig(),
    symbols={SYMBOL.name: SYMBOL},
)
"""A strategy that needs nobody."""


def rehearse(config: Config = CONFIG) -> None:
    """Run a process of this configuration's one strategy, in a temporary folder.

    Afterwards no socket or thread of it is left, and no file once its garbage is collected.

    Args:
        config: Its strategy must not trade.
    """
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)}
    (strategy,) = config.strategies
    with tempfile.TemporaryDirectory(prefix="mt5crs-") as folder:
        nobody = msgspec.structs.replace(config.globals, zmq_market_url=f"ipc://{folder}/market")
        nowhere = msgspec.structs.replace(config, globals=nobody)
        paths = VarPaths(Path(folder))
        paths.create()
        known = load_or_make(paths.installation)
        spec = ChildSpec(
            name=strategy.name,
            kind="strategy",
            entry="",
            epoch=1,
            config_path="",
            config_hash="",
            var_dir=folder,
            payload=msgspec.json.encode(nowhere),
            spawned=0.0,
            identity=known.identity(strategy.name, 1),
            installation=known.id,
        )
        try:
            Worker(spec, preloaded=True).rehearse(_ticks(strategy.symbol))
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)


def _ticks(symbol: str) -> list[Tick]:
    made = []
    for second in range(TICKS):
        bid = 1.1 + 0.001 * math.sin(second / 9.0)
        frame = wire.encode(Tick(symbol, second * 1_000_000, bid, bid + 0.0001))
        tick = wire.decode([frame], 0)
        assert isinstance(tick, Tick)
        made.append(tick)
    return made
