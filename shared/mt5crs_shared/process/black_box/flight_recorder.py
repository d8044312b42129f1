"""A flight recorder: the last ticks of a strategy in a file that outlives any death of it.

The worker writes into mapped memory, which costs less than a microsecond and needs no system
call; after a kill -9 the pages are still there, and the supervisor reads which tick was being
processed when the process ended.
"""

import contextlib
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.files import read_regular, replace_file

SLOTS = 50
"""Ticks remembered."""

_HEADER = struct.Struct("<qqq")
"""Epoch of the spawn, ticks begun, ticks ended."""

_SLOT = struct.Struct("<qdd?")
_SIZE = _HEADER.size + SLOTS * _SLOT.size


class Flight(msgspec.Struct, frozen=True):
    """What a recorder held when its process ended.

    Attributes:
        ticks: The last ticks begun, oldest first, at most :data:`SLOTS`.
        unfinished: The one that was being processed; None: the process ended between two.
    """

    ticks: tuple[Tick, ...]
    unfinished: Tick | None


class FlightRecorder:
    """The worker's end.

    Args:
        path: The file; an earlier process's is replaced.
        epoch: Number of this spawn.
    """

    def __init__(self, path: Path, epoch: int) -> None:
        # A new file: an earlier process that was stopped and wakes up writes into its own.
        replace_file(path, _HEADER.pack(epoch, 0, 0).ljust(_SIZE, b"\0"))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self._epoch = epoch
        self._begun = 0

    def begin(self, tick: Tick) -> None:
        """A tick is about to be processed."""
        at = _HEADER.size + self._begun % SLOTS * _SLOT.size
        _SLOT.pack_into(self._map, at, tick.time_us, tick.bid, tick.ask, tick.timed)
        self._begun += 1
        _HEADER.pack_into(self._map, 0, self._epoch, self._begun, self._begun - 1)

    def end(self) -> None:
        """It has been processed."""
        _HEADER.pack_into(self._map, 0, self._epoch, self._begun, self._begun)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """The strategy's own code does not run meanwhile.

        A process that is killed while it waits for the gateway was not killed by its tick, and
        the order that the tick led to must not be lost by skipping it.
        """
        before = self._map[: _HEADER.size]
        self.end()
        yield
        self._map[: _HEADER.size] = before


def read_flight(path: Path, symbol: str, epoch: int) -> Flight:
    """What the recorder of a process that has ended held.

    Nothing where it had none: one that dies before it has made its file leaves an earlier one's,
    whose tick it has not seen.
    """
    try:
        data = read_regular(path, _SIZE + 1)
    except OSError:
        data = b""
    if len(data) != _SIZE:
        return Flight((), None)
    written_by, begun, ended = _HEADER.unpack_from(data)
    if written_by != epoch:
        return Flight((), None)
    ticks = []
    for number in range(max(begun - SLOTS, 0), begun):
        at = _HEADER.size + number % SLOTS * _SLOT.size
        time_us, bid, ask, timed = _SLOT.unpack_from(data, at)
        ticks.append(Tick(symbol, time_us, bid, ask, timed=timed))
    return Flight(tuple(ticks), ticks[-1] if begun > ended and ticks else None)


def read_newest(path: Path, symbol: str) -> Tick | None:
    """The tick that a process has begun last; None: none, or its recorder cannot be read.

    The process may be writing: a tick that is half written is one of two neighbours in each part,
    which is good enough to look at.
    """
    try:
        data = read_regular(path, _SIZE + 1)
    except OSError:
        return None
    if len(data) != _SIZE:
        return None
    _, begun, _ = _HEADER.unpack_from(data)
    if begun < 1:
        return None
    at = _HEADER.size + (begun - 1) % SLOTS * _SLOT.size
    time_us, bid, ask, timed = _SLOT.unpack_from(data, at)
    return Tick(symbol, time_us, bid, ask, timed=timed)
