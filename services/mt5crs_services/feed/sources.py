"""Where a feed's ticks come from, and how it goes on after its own death.

A source is a sequence of ticks that is the same however often it is begun. How many of them have
been published stands in a small file that is written before each tick is sent; a respawned feed
goes on right there, and still knows the ones before, for a tape that lost some on the way.
"""

import hashlib
import itertools
import mmap
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from mt5crs_services.feed import files
from mt5crs_services.feed.synthetic import MINUTE_US, MarketState, SyntheticMarket
from mt5crs_shared.configuration.structs import FeedConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire import parse_iso
from mt5crs_shared.process.files import is_irregular

_LARGEST_STATE = 1_000_000
"""Bytes; a file of `KEPT_MINUTES` states has some thousand for each symbol."""

KEPT_MINUTES = 30
"""Minutes of a synthetic market that a respawned feed makes again, to answer for the past."""


class Source(Protocol):
    """A repeatable sequence of ticks."""

    def history(self) -> Iterator[Tick]:
        """Ticks from before the first one, for warming up."""

    def ticks(self, published: int) -> Iterator[tuple[int, Tick]]:
        """Ticks with their numbers, from 0; some from before `published`, then all from there."""

    def total(self) -> int | None:
        """How many ticks there are in all; None: no end."""


class ReplaySource:
    """The ticks of recorded files, merged by time.

    Args:
        paths: CSV or CSV.gz; of a pair of bid and ask bars one is enough.
        kept: Ticks before the resume point that are given once more.
        symbol: Of all of them; None: each is named after its own.
    """

    def __init__(self, paths: Sequence[Path], kept: int, symbol: str | None = None) -> None:
        self._symbol = symbol
        self._paths = paths
        self._kept = kept

    def history(self) -> Iterator[Tick]:
        """None: a replay begins with its first row."""
        return iter(())

    def ticks(self, published: int) -> Iterator[tuple[int, Tick]]:
        """Every row as a tick, numbered; see `Source.ticks`."""
        # Days of one symbol may be named in any order: they are merged by time as well.
        merged = files.merge(files.read_ticks(path, self._symbol) for path in self._paths)
        numbered = enumerate(merged)
        return itertools.islice(numbered, max(published - self._kept, 0), None)

    def total(self) -> int:
        """Rows of all files."""
        return sum(files.count_ticks(path) for path in self._paths)


class _Minute(msgspec.Struct, frozen=True):
    """A synthetic market at a minute's start, and the number of the minute's first tick."""

    first: int
    market: MarketState


class SyntheticSource:
    """An endless made-up market.

    Args:
        config: Seed, rate, history, share of bad ticks, start.
        symbols: What to quote.
        state_file: Where the states of the last minutes are kept; None: nowhere.
        now_us: Wall time, us since the epoch: the start where the configuration names none.
    """

    def __init__(
        self,
        config: FeedConfig,
        symbols: Sequence[SymbolSpec],
        state_file: Path | None,
        now_us: int,
    ) -> None:
        self._config = config
        self._symbols = symbols
        self._file = state_file
        self._minutes = self._load()
        start_us = parse_iso(config.start) if config.start is not None else now_us
        self._start_minute = start_us // MINUTE_US

    def history(self) -> Iterator[Tick]:
        """The minutes before the start; they also bring the market to where it starts."""
        market = self._market(self._start_minute - self._config.history_minutes)
        for number in range(self._start_minute - self._config.history_minutes, self._start_minute):
            yield from market.minute(number)
        self._minutes = [_Minute(0, market.state())]
        self._save()

    def ticks(self, published: int) -> Iterator[tuple[int, Tick]]:
        """Ticks without end, numbered; see `Source.ticks`."""
        if not self._minutes:
            self._minutes = [_Minute(0, self._market(self._start_minute).state())]
        oldest = self._minutes[0]
        market = self._market(oldest.market.next_minute)
        market.restore(oldest.market)
        number = oldest.first
        while True:
            if number > self._minutes[-1].first:
                self._minutes = [*self._minutes, _Minute(number, market.state())][-KEPT_MINUTES:]
                self._save()
            for tick in market.minute(market.state().next_minute):
                yield number, tick
                number += 1

    def total(self) -> None:
        """No end."""
        return None

    def _market(self, minute: int) -> SyntheticMarket:
        config = self._config
        return SyntheticMarket(
            self._symbols,
            config.seed,
            config.ticks_per_second,
            config.bad_ticks,
            minute * MINUTE_US,
        )

    def _load(self) -> list[_Minute]:
        if self._file is None or not self._file.exists():
            return []
        check_regular(self._file)
        if self._file.stat().st_size > _LARGEST_STATE:
            return []
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=list[_Minute])
        except msgspec.MsgspecError:
            return []

    def _save(self) -> None:
        if self._file is not None:
            temporary = self._file.with_suffix(".new")
            temporary.write_bytes(msgspec.json.encode(self._minutes))
            temporary.replace(self._file)


_POSITION = struct.Struct("<16sqq")


def check_regular(path: Path) -> None:
    """See that what stands where a file of ours belongs is a file, or nothing.

    Raises:
        FeedFileError: It is something else. The feed does not begin.
    """
    if is_irregular(path):
        raise files.FeedFileError(f"{path} is no regular file: remove it, and restart the feed")


class FeedPosition:
    """How many ticks of a source have been published, in a file that outlives this process.

    Args:
        path: The file; None: it is only remembered here.
        identity: What the source is made of; the count of another one is of no use.

    Raises:
        FeedFileError: Something else stands where the file belongs.
    """

    def __init__(self, path: Path | None, identity: str) -> None:
        self._digest = hashlib.blake2b(identity.encode(), digest_size=16).digest()
        self._map: mmap.mmap | bytearray = bytearray(_POSITION.size)
        if path is not None:
            check_regular(path)
            if not path.exists() or path.stat().st_size != _POSITION.size:
                path.write_bytes(bytes(_POSITION.size))
            with path.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), _POSITION.size)
        digest, published, handed = _POSITION.unpack_from(self._map)
        ours = digest == self._digest
        self.published: int = published if ours else 0
        self._handed: int = handed if ours else 0
        self._store()

    @property
    def history_handed(self) -> bool:
        """The history has been made: the source goes on, it does not begin."""
        return bool(self._handed)

    def hand_history(self) -> None:
        """Note that the history has been made."""
        self._handed = 1
        self._store()

    def advance(self) -> None:
        """Note one more tick as published; called before it is sent."""
        self.published += 1
        self._store()

    def _store(self) -> None:
        _POSITION.pack_into(self._map, 0, self._digest, self.published, self._handed)
