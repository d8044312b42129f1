"""The closed bars of one symbol and timeframe, as a strategy has them, and the features of each."""

import threading
from collections import deque
from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from mt5crs_shared.configuration.values import Timeframe
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.bars import TIMEFRAME_US, Bar
from mt5crs_shared.market.sanity import TickSanity
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.wording import describe_error
from mt5crs_worker.bars import WINDOW, BarFeed, BarWindow
from mt5crs_worker.features.computing import FeatureError, compute
from mt5crs_worker.trading.journal import Checkpoint

BARS_KEPT: Final = 5_000
"""Closed bars that are asked about; older ones are forgotten."""


class NotThereError(Mt5crsError):
    """Features that cannot be told now. Whoever asked is told why, and may ask again."""


class BarFeatures(msgspec.Struct, frozen=True):
    """The features of one closed bar.

    Attributes:
        start_us: Start of the bar, us since the epoch, UTC.
        end_us: Its end.
        values: In the order of `FEATURES`.
    """

    start_us: int
    end_us: int
    values: tuple[float, ...]


class BarSeries:
    """Takes ticks as a strategy does; one thread may take them while another asks.

    Args:
        symbol: The symbol.
        timeframe: Length of its bars.
        begun: Where a strategy with such bars stands; None: the bars begin with the first tick.
    """

    def __init__(self, symbol: str, timeframe: Timeframe, begun: Checkpoint | None = None) -> None:
        self.symbol = symbol
        self.timeframe: Timeframe = timeframe
        self.length_us = TIMEFRAME_US[timeframe]
        self._lock = threading.Lock()
        self._sanity = TickSanity()
        self._feed = BarFeed(timeframe)
        self._bars: deque[Bar] = deque(maxlen=BARS_KEPT)
        self._known: dict[Bar, tuple[float, ...]] = {}
        self._is_first_whole = begun is not None
        if begun is not None:
            window = BarWindow.from_bytes(begun.window)
            self._bars.extend(window.bars())
            self._feed = BarFeed(timeframe, begun.open_bar, window)
            self._sanity = TickSanity(begun.sanity)

    @property
    def closed(self) -> int:
        """Closed bars that are here."""
        with self._lock:
            return len(self._bars)

    @property
    def newest_us(self) -> int:
        """Event time of the newest believed tick; 0: none yet."""
        return max(self._sanity.last_time_us, 0)

    def take(self, tick: Tick) -> None:
        """Count a tick in, as `StrategyInstance` does."""
        with self._lock:
            newest_us = self._sanity.last_time_us
            if self._sanity.judge(tick) != "good":
                return
            if tick.time_us < newest_us:
                self._feed.rewind(tick.time_us)
            self._feed.add(tick)
            self._follow(self._feed.window.last)

    def boundary(self, time_us: int) -> int:
        """The newest end of a bar that is not after a moment."""
        return time_us - time_us % self.length_us

    def has_closed(self, time_us: int) -> bool:
        """Whether the bar that ends last before a moment, or at it, will not change any more."""
        return self.newest_us >= self.boundary(time_us)

    def features(self, time_us: int | None) -> BarFeatures:
        """The features of the newest bar that was closed at a moment; None: of the newest of all.

        Raises:
            NotThereError: There are too few bars, that bar is not closed yet, or was forgotten.
        """
        with self._lock:
            until_us = self.newest_us if time_us is None else time_us
            if not self.has_closed(until_us):
                raise NotThereError(
                    f"the {self.timeframe} bar of {self.symbol} that ends at"
                    f" {in_utc(self.boundary(until_us))} is not closed yet: the newest tick is of"
                    f" {in_utc(self.newest_us)}; without a timestamp the newest closed bar is told"
                )
            bars = self._window(until_us)
            bar = bars[-1]
            if bar not in self._known:
                self._known = {bar: self._computed(bars)}
            return BarFeatures(bar.start_us, bar.start_us + self.length_us, self._known[bar])

    def _window(self, until_us: int) -> list[Bar]:
        """The bars that features are computed over, of those that were closed at a moment."""
        bars = list(self._bars)
        while bars and bars[-1].start_us + self.length_us > until_us:
            bars.pop()
        if len(bars) < WINDOW:
            raise NotThereError(
                f"{self.symbol} {self.timeframe} has {len(bars)} of {WINDOW} closed bars up to"
                f" {in_utc(until_us)}"
            )
        return bars[-WINDOW:]

    def _computed(self, bars: list[Bar]) -> tuple[float, ...]:
        window = BarWindow()
        for bar in bars:
            window.append(bar)
        try:
            values: npt.NDArray[np.float64] = compute(window)
        except FeatureError as error:
            raise NotThereError(
                f"{self.symbol} {self.timeframe}: {describe_error(error)}"
            ) from error
        return tuple(values.tolist())

    def _follow(self, last: Bar | None) -> None:
        """Keep what the window has as its newest bar, and let go of what it has let go."""
        while self._bars and (last is None or self._bars[-1].start_us > last.start_us):
            self._bars.pop()
        if last is None or (self._bars and self._bars[-1] == last):
            return
        if self._bars and self._bars[-1].start_us == last.start_us:
            self._bars.pop()
        if not self._is_first_whole:
            # It began before the first tick that was here. Whoever has more has it otherwise.
            self._is_first_whole = True
            self._feed.window.drop_from(last.start_us)
            return
        self._bars.append(last)


def in_utc(time_us: int) -> str:
    """A time for people, UTC."""
    if not time_us:
        return "never"
    return f"{datetime.fromtimestamp(time_us / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"
