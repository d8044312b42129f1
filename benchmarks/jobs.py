"""The job that every contestant runs: hear ticks, ask the model at each, note the first one."""

import os
import time
from pathlib import Path

import numpy as np

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.features import FEATURES
from mt5crs_worker.strategy import HOLD, ModelStrategy, Signal

ROW = np.linspace(0.5, 1.5, len(FEATURES))
"""Features that the model is asked about; their values do not matter here."""


class FirstTick:
    """Writes the monotonic time of a process's first processed tick to ``folder/name.pid``.

    Args:
        folder: Where to.
        name: The job's name.
    """

    def __init__(self, folder: str, name: str) -> None:
        self._file: Path | None = Path(folder) / f"{name}.{os.getpid()}"

    def processed(self) -> None:
        """A tick has been processed."""
        if self._file is not None:
            self._file.write_text(repr(time.monotonic()))
            self._file = None


LATE_US = 100_000
"""A tick that is processed so long after it was stamped is noted, in us."""


class ModelOnEveryTick(ModelStrategy):
    """Asks the model at every tick, from the very first."""

    warmup = 1

    def __init__(self, config: StrategyConfig, symbol: SymbolSpec) -> None:
        super().__init__(config, symbol)
        self._first = FirstTick(self.params["folder"], config.name)

    def on_tick(self, tick: Tick, bars: BarWindow) -> Signal:
        self.adapter.probability(ROW)
        self._first.processed()
        return HOLD


class Punctual(ModelOnEveryTick):
    """Notes the ticks that were late in ``folder/name.late``: when, and how late, in us."""

    def on_tick(self, tick: Tick, bars: BarWindow) -> Signal:
        now = time.time_ns() // 1000
        if now - tick.time_us > LATE_US:
            with Path(self.params["folder"], f"{self.config.name}.late").open("a") as file:
                file.write(f"{now} {now - tick.time_us}\n")
        return super().on_tick(tick, bars)
