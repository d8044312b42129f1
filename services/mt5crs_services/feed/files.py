"""Recorded ticks from CSV files, for replays."""

import heapq
import itertools
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Final

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.storage import recorded

BAR_OFFSETS_US: Final = (0, 20_000_000, 40_000_000, 59_000_000)
"""When the four ticks that stand for a one-minute bar come, in us after its start."""

_BID, _ASK = "_M1_bid_", "_M1_ask_"
_PRICES = ("open", "high", "low", "close")
_NO_ROW: tuple[int, int, list[float]] = (0, -(2**62), [])


class FeedFileError(Mt5crsError):
    """A file of recorded ticks that cannot be replayed. The feed stops there, and says so."""


def read_ticks(path: Path, symbol: str | None = None) -> Iterator[Tick]:
    """Read a file's ticks, in its order.

    Two kinds of file are known, both plain or gzipped:

    - ticks, with the columns ``timestamp,bid,ask``;
    - one-minute bars, ``*_M1_bid_*`` or ``*_M1_ask_*`` with the other of the two beside it, and
      the columns ``timestamp,open,high,low,close``. Each bar becomes four ticks at
      `BAR_OFFSETS_US`: open, low, high, close if the bid rose, else open, high, low, close (the
      order in which MT5's tester plays a bar).

    Prices and times are handed on as they were recorded, crossed quotes and times going back too.

    Args:
        path: The file.
        symbol: Symbol of its ticks; None: the file name's part before the first ``_`` or ``.``.

    Raises:
        FeedFileError: While reading, with file and line: the file or its sibling cannot be read,
            has a malformed row or a number that is not finite, or the bars of the two do not
            match.
    """
    name = symbol or recorded.symbol_of(path.name)
    return _read_bars(path, name) if _holds_bars(path) else _read_quotes(path, name)


def count_ticks(path: Path) -> int:
    """Number of ticks that `read_ticks` makes of a file; its rows are not checked.

    Raises:
        FeedFileError: The file cannot be read.
    """
    return recorded.count_rows(path, FeedFileError) * (
        len(BAR_OFFSETS_US) if _holds_bars(path) else 1
    )


def merge(streams: Iterable[Iterable[Tick]]) -> Iterator[Tick]:
    """Merge streams of ticks by time; among equal times, in the order of the streams."""
    return heapq.merge(*streams, key=attrgetter("time_us"))


def _holds_bars(path: Path) -> bool:
    return _BID in path.name or _ASK in path.name


def _read_quotes(path: Path, symbol: str) -> Iterator[Tick]:
    for _, time_us, (bid, ask) in recorded.read_rows(path, ("bid", "ask"), FeedFileError):
        yield Tick(symbol, time_us, bid, ask)


def _read_bars(path: Path, symbol: str) -> Iterator[Tick]:
    bid_path = path.with_name(path.name.replace(_ASK, _BID))
    ask_path = path.with_name(path.name.replace(_BID, _ASK))
    both = itertools.zip_longest(
        recorded.read_rows(bid_path, _PRICES, FeedFileError),
        recorded.read_rows(ask_path, _PRICES, FeedFileError),
        fillvalue=_NO_ROW,
    )
    for (line, start_us, bid), (ask_line, ask_start_us, ask) in both:
        if start_us != ask_start_us:
            raise FeedFileError(
                f"{bid_path}:{line}: not the same minute as in {ask_path}:{ask_line}"
            )
        order = (0, 2, 1, 3) if bid[3] >= bid[0] else (0, 1, 2, 3)
        for offset, at in zip(BAR_OFFSETS_US, order, strict=True):
            yield Tick(symbol, start_us + offset, bid[at], ask[at])
