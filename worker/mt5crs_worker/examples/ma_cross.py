"""A strategy without a model: two moving averages and where they cross."""

import talib

from mt5crs_worker.bars import BarWindow
from mt5crs_worker.strategy import BUY, HOLD, SELL, Signal, Strategy


class MovingAverageCross(Strategy):
    """BUY when the fast average rises above the slow one, SELL when it falls below.

    Params: ``fast`` and ``slow``, in bars (defaults 10 and 30).
    """

    warmup = 60

    def on_bar(self, bars: BarWindow) -> Signal:
        """The cross of the newest bar, if there is one."""
        fast = talib.SMA(bars.closes, self.params.get("fast", 10))
        slow = talib.SMA(bars.closes, self.params.get("slow", 30))
        self.note = f"fast {fast[-1]:.5f} slow {slow[-1]:.5f}"
        if fast[-2] <= slow[-2] and fast[-1] > slow[-1]:
            return BUY
        if fast[-2] >= slow[-2] and fast[-1] < slow[-1]:
            return SELL
        return HOLD
