"""Bars of a strategy: kept in a window of the last 256, read from a history file."""

import math
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from mt5crs_shared.configuration.values import Timeframe
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.bars import TIMEFRAME_US, Bar, BarBuilder
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.storage.recorded import read_rows

SECOND_US: Final = 1_000_000

WINDOW: Final = 256
"""Closed bars that features are computed over."""


class HistoryError(Mt5crsError):
    """A history file that cannot be used. The strategy warms up from ticks instead, or stops."""


_MAGIC = b"MBAR"
_VERSION = 1
_HEADER = struct.Struct("<4sHH")
_CHECKSUM = struct.Struct("<I")
# The window slides along a longer array, so that 16 appends in 17 only write one column.
_CAPACITY = 17 * WINDOW


class BarWindow:
    """The last 256 closed bars, as contiguous columns.

    `highs`, `lows` and `closes` are read-only views, oldest first, valid until the next `append`.
    """

    def __init__(self) -> None:
        self._prices = np.empty((4, _CAPACITY), dtype=np.float64)
        self._counts = np.empty((2, _CAPACITY), dtype=np.int64)
        # Of a read-only buffer: nobody can make these writable again.
        self._readable = np.asarray(self._prices.data.toreadonly())
        self._is_lent = False
        self._begin = 0
        self._end = 0

    def __len__(self) -> int:
        return self._end - self._begin

    @property
    def full(self) -> bool:
        """True once 256 bars are there."""
        return len(self) == WINDOW

    @property
    def highs(self) -> npt.NDArray[np.float64]:
        """Highs, shape (len,)."""
        return self._readable[1, self._begin : self._end]

    @property
    def lows(self) -> npt.NDArray[np.float64]:
        """Lows, shape (len,)."""
        return self._readable[2, self._begin : self._end]

    @property
    def closes(self) -> npt.NDArray[np.float64]:
        """Closes, shape (len,)."""
        return self._readable[3, self._begin : self._end]

    @property
    def last(self) -> Bar | None:
        """The newest bar; None while the window is empty."""
        if not len(self):
            return None
        at = self._end - 1
        start_us, ticks = self._counts[:, at].tolist()
        open_, high, low, close = self._prices[:, at].tolist()
        return Bar(start_us, open_, high, low, close, ticks)

    def bars(self) -> list[Bar]:
        """All of them, oldest first."""
        held = slice(self._begin, self._end)
        starts, ticks = self._counts[:, held].tolist()
        return list(map(Bar, starts, *self._prices[:, held].tolist(), ticks))

    def append(self, bar: Bar) -> None:
        """Add a closed bar; the oldest leaves when there are more than 256.

        Raises:
            ValueError: The bar does not start after the newest one.
            TypeError: The window is lent to a strategy, which only reads it.
        """
        if self._is_lent:
            raise TypeError("a strategy only reads its bars; it cannot append to them")
        if len(self) and bar.start_us <= self._counts[0, self._end - 1]:
            raise ValueError(f"bar at {bar.start_us} us is not after the newest in the window")
        if self._end == _CAPACITY:
            self._rewind()
        self._prices[:, self._end] = bar.open, bar.high, bar.low, bar.close
        self._counts[:, self._end] = bar.start_us, bar.ticks
        self._end += 1
        self._begin = max(self._begin, self._end - WINDOW)

    def drop_from(self, start_us: int) -> None:
        """Let go of the bars that start at or after a moment."""
        while len(self) and self._counts[0, self._end - 1] >= start_us:
            self._end -= 1

    @contextmanager
    def provisional(self, bar: Bar) -> Iterator["BarWindow"]:
        """For a moment, see the window as if the open bar were closed.

        Raises:
            ValueError: The bar does not start after the newest one.
        """
        count = len(self)
        self.append(bar)
        try:
            yield self
        finally:
            self._end -= 1
            self._begin = self._end - count

    @contextmanager
    def lent(self) -> Iterator[None]:
        """While a strategy looks at the window: nothing is appended."""
        self._is_lent = True
        try:
            yield
        finally:
            self._is_lent = False

    def _rewind(self) -> None:
        count = len(self)
        for array in (self._prices, self._counts):
            array[:, :count] = array[:, self._begin : self._end]
        self._begin, self._end = 0, count

    def to_bytes(self) -> bytes:
        """The window as bytes: versioned, little-endian, with a checksum; at most 12.3 kB."""
        held = slice(self._begin, self._end)
        body = (
            _HEADER.pack(_MAGIC, _VERSION, len(self))
            + self._counts[:, held].astype("<i8").tobytes()
            + self._prices[:, held].astype("<f8").tobytes()
        )
        return body + _CHECKSUM.pack(zlib.crc32(body))

    @classmethod
    def from_bytes(cls, data: bytes) -> "BarWindow":
        """The window that `to_bytes` wrote, bit for bit.

        Raises:
            ValueError: The bytes are damaged, or of another version.
        """
        if len(data) < _HEADER.size + _CHECKSUM.size:
            raise ValueError(f"a bar window cannot have {len(data)} bytes")
        body, checksum = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :]
        magic, version, count = _HEADER.unpack_from(body)
        if magic != _MAGIC or version != _VERSION:
            raise ValueError(f"not a bar window of version {_VERSION}: {body[:6]!r}")
        if _CHECKSUM.pack(zlib.crc32(body)) != checksum:
            raise ValueError("a bar window with a wrong checksum")
        if count > WINDOW or len(body) != _HEADER.size + 6 * 8 * count:
            raise ValueError(f"a bar window of {count} bars cannot have {len(data)} bytes")
        counts = np.frombuffer(body, "<i8", 2 * count, _HEADER.size).reshape(2, count)
        prices = np.frombuffer(body, "<f8", 4 * count, _HEADER.size + counts.nbytes)
        window = cls()
        window._counts[:, :count] = counts
        window._prices[:, :count] = prices.reshape(4, count)
        window._end = count
        return window


class BarFeed:
    """Feeds a window from ticks.

    Args:
        timeframe: Length of the bars.
        open_bar: The bar to go on with.
        window: The closed bars to go on with; None: none.
        pending: The newest closed bar has not been decided on.

    Attributes:
        closed: Bars closed so far.
    """

    def __init__(
        self,
        timeframe: Timeframe,
        open_bar: Bar | None = None,
        window: BarWindow | None = None,
        pending: bool = False,
    ) -> None:
        self.window = window or BarWindow()
        self.pending = pending
        self.closed = 0
        self._builder = BarBuilder(timeframe, open_bar)

    @property
    def open_bar(self) -> Bar | None:
        """The bar that is not closed yet."""
        return self._builder.open_bar

    def add(self, tick: Tick) -> None:
        """Count a tick in."""
        bar = self._builder.add(tick)
        if bar is not None:
            self.closed += 1
            self.warm_up([bar])
            self.pending = True

    def warm_up(self, bars: Iterable[Bar]) -> None:
        """Take bars as they are; those the window already has are left out."""
        for bar in bars:
            last = self.window.last
            if last is None or bar.start_us > last.start_us:
                self.window.append(bar)

    def rewind(self, time_us: int) -> None:
        """The feed's clock had run ahead: what was built beyond this time is let go."""
        self.window.drop_from(self._builder.rewind(time_us))
        self.pending = False


def load_history(path: Path, timeframe: Timeframe) -> list[Bar]:
    """Read closed bars, oldest first, from a CSV or CSV.gz file.

    The columns are ``timestamp,open,high,low,close``; others are ignored. A file of shorter bars
    is aggregated; the last bar is left out where the file ends before it does. The file's own
    timeframe is the largest that all its timestamps agree with.

    Raises:
        HistoryError: With file and line: the file cannot be read, has a malformed row, a price
            that is not positive and finite, a high or low that does not bound the bar, bars out
            of order, or longer bars than `timeframe`, or bars that straddle two of it.
    """
    rows = list(_read_bars(path))
    if not rows:
        return []
    length = TIMEFRAME_US[timeframe]
    steps = (later.start_us - bar.start_us for (_, bar), (_, later) in pairwise(rows))
    period = math.gcd(*steps) or length
    bars: list[Bar] = []
    for line, bar in rows:
        if bar.start_us % length + period > length:
            raise HistoryError(
                f"{path}:{line}: bars of {period / SECOND_US:g} s, which do not fit into "
                f"{timeframe} bars ({length // SECOND_US} s, aligned to UTC)"
            )
        _aggregate(bars, bar, bar.start_us - bar.start_us % length)
    if rows[-1][1].start_us + period < bars[-1].start_us + length:
        bars.pop()
    return bars


def _read_bars(path: Path) -> Iterator[tuple[int, Bar]]:
    newest = -(2**62)
    for line, start_us, prices in read_rows(path, ("open", "high", "low", "close"), HistoryError):
        open_, high, low, close = prices
        if not 0.0 < low <= min(open_, close) <= max(open_, close) <= high:
            raise HistoryError(f"{path}:{line}: not 0 < low <= open, close <= high: {prices}")
        if start_us <= newest:
            raise HistoryError(f"{path}:{line}: not later than the row before")
        newest = start_us
        yield line, Bar(start_us, open_, high, low, close, 0)


def _aggregate(bars: list[Bar], bar: Bar, start_us: int) -> None:
    if not bars or bars[-1].start_us != start_us:
        bars.append(msgspec.structs.replace(bar, start_us=start_us))
        return
    whole = bars[-1]
    high, low = max(whole.high, bar.high), min(whole.low, bar.low)
    bars[-1] = Bar(start_us, whole.open, high, low, bar.close, 0)
