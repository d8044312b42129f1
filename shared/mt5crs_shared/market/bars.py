"""Bars: open, high, low and close of the mid over a period, counted from ticks."""

from typing import Final

import msgspec

from mt5crs_shared.configuration.values import Timeframe
from mt5crs_shared.market.ticks import Tick

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE

TIMEFRAME_US: Final[dict[Timeframe, int]] = {
    "S1": _SECOND,
    "S5": 5 * _SECOND,
    "S15": 15 * _SECOND,
    "S30": 30 * _SECOND,
    "M1": _MINUTE,
    "M5": 5 * _MINUTE,
    "M15": 15 * _MINUTE,
    "M30": 30 * _MINUTE,
    "H1": _HOUR,
    "H4": 4 * _HOUR,
    "D1": 24 * _HOUR,
}
"""Length of a bar in microseconds. Bars start at whole multiples of it since the epoch, UTC."""


class Bar(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Open, high, low and close of the mid over one period.

    Attributes:
        start_us: Start of the period in microseconds since the epoch, UTC.
        open: First mid.
        high: Highest mid.
        low: Lowest mid.
        close: Last mid.
        ticks: Number of ticks; 0 where the bar comes from a history file.
    """

    start_us: int
    open: float
    high: float
    low: float
    close: float
    ticks: int


class BarBuilder:
    """Turns the ticks of one symbol into bars of one timeframe.

    A bar is closed by the first tick of a later period, as in MT5: a period without ticks makes
    no bar. A tick that is older than the open bar's start is counted into the open bar, since
    closed bars never change; callers that want it dropped judge it before.

    Args:
        timeframe: Length of the bars.
        open_bar: The bar to go on with, from `open_bar` of an earlier builder.
    """

    def __init__(self, timeframe: Timeframe, open_bar: Bar | None = None) -> None:
        self._length = TIMEFRAME_US[timeframe]
        self._ticks = 0
        self._end_us = -(2**62)
        if open_bar is not None:
            self._start_us = open_bar.start_us
            self._end_us = open_bar.start_us + self._length
            self._open, self._high = open_bar.open, open_bar.high
            self._low, self._close = open_bar.low, open_bar.close
            self._ticks = open_bar.ticks

    @property
    def open_bar(self) -> Bar | None:
        """The bar that is not closed yet; None before the first tick."""
        if self._ticks == 0:
            return None
        return Bar(self._start_us, self._open, self._high, self._low, self._close, self._ticks)

    def add(self, tick: Tick) -> Bar | None:
        """Count a tick in, and return the bar that it closed, if any."""
        mid = tick.mid
        if tick.time_us >= self._end_us:
            closed = self.open_bar
            self._start_us = tick.time_us - tick.time_us % self._length
            self._end_us = self._start_us + self._length
            self._open = self._high = self._low = self._close = mid
            self._ticks = 1
            return closed
        if mid > self._high:
            self._high = mid
        elif mid < self._low:
            self._low = mid
        self._close = mid
        self._ticks += 1
        return None

    def rewind(self, time_us: int) -> int:
        """Forget the open bar where it begins after a moment: the clock had run ahead.

        Returns:
            Start of the period that the moment lies in.
        """
        if self._ticks and self._start_us > time_us:
            self._ticks = 0
            self._end_us = -(2**62)
        return time_us - time_us % self._length
