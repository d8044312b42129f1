"""The tape on disk: fixed-size records, appended, in at most two files."""

import errno
import logging
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.files import is_irregular, read_regular

logger = logging.getLogger(__name__)

_RECORD = struct.Struct("<qdddHH")
"""time_us, bid, ask, volume, number of the symbol (below 256), flags."""

_NUMBER_AT = 32
"""Offset of a symbol's number in a record: two bytes, the low one first."""

AT_ONCE = 1_000
"""Records written in one go."""

WAITING = 100_000
"""Records that wait for a disk that takes none, 3.6 MB; more are dropped, and a break noted."""

HEADER = b"MT5CRSTAPE1\n"
"""What each file begins with."""

SYMBOLS = "symbols.txt"
"""The file that has the symbols, each on the line of its number."""

TIMED, _HISTORY, _BROKEN = 1, 2, 4

_MOST_NAMES = 100_000
"""Bytes of the largest list of symbols."""


class TapeFileError(Mt5crsError):
    """The tape's folder cannot be written. The tape goes on in memory and says so."""


class TapeRecord(NamedTuple):
    """A tick on the tape.

    Attributes:
        tick: The tick.
        history: It was handed over for warming up.
        broken: Ticks before it may be missing.
    """

    tick: Tick
    history: bool
    broken: bool


class TapeFiles:
    """Appends ticks to ``current.tape``; when that is full it becomes ``previous.tape``.

    A record that was cut off by a crash is dropped at the next opening; a file that is none of
    ours is set aside under another name, and so is one whose symbols nobody can name any more.

    Args:
        folder: Where the files are.
        symbols: Known symbols; their numbers are kept in ``symbols.txt``, appended to only.
        limit: Records in one file.

    Raises:
        OSError: A file cannot be read or made.
    """

    def __init__(self, folder: Path, symbols: Sequence[str], limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._current = folder / "current.tape"
        self._previous = folder / "previous.tape"
        known = self._known_symbols()
        for path in (self._previous, self._current):
            self._repair(path, len(known))
        self._numbers = self._number(known, symbols)
        self._names = {number: name for name, number in self._numbers.items()}
        self._pending: list[bytes] = []
        self._dropped = False
        self._torn = False
        self._file = self._current.open("ab", buffering=0)
        self._records = self._count(self._current)

    def load(self) -> Iterator[TapeRecord]:
        """The ticks on disk, oldest first."""
        for path in (self._previous, self._current):
            if not path.exists():
                continue
            data = path.read_bytes()[len(HEADER) :]
            for time_us, bid, ask, volume, number, flags in _RECORD.iter_unpack(data):
                name = self._names.get(number)
                if name is not None:
                    tick = Tick(name, time_us, bid, ask, volume, bool(flags & TIMED))
                    yield TapeRecord(tick, bool(flags & _HISTORY), bool(flags & _BROKEN))

    def append(self, recorded: TapeRecord) -> None:
        """Queue a tick for the next :meth:`flush`."""
        if len(self._pending) >= WAITING:
            logger.warning("%s: %d ticks could not be written", self._current, len(self._pending))
            self._pending.clear()
            self._dropped = True
        tick = recorded.tick
        flags = (TIMED if tick.timed else 0) | (_HISTORY if recorded.history else 0)
        flags |= _BROKEN if recorded.broken or self._dropped else 0
        self._dropped = False
        number = self._numbers[tick.symbol]
        self._pending.append(
            _RECORD.pack(tick.time_us, tick.bid, tick.ask, tick.volume, number, flags)
        )

    def flush(self) -> None:
        """Hand the queued ticks to the kernel; they survive the death of this process.

        Raises:
            TapeFileError: The disk is full or gone. What was not written waits for the next call.
        """
        try:
            while self._pending:
                self._write_some()
        except OSError as error:
            raise TapeFileError(f"{self._current}: {error.strerror}") from error

    def close(self) -> None:
        """Write what is queued and close the file."""
        self.flush()
        self._file.close()

    def _write_some(self) -> None:
        """Write some whole records; where the disk takes a part of one, that is cut off again.

        Raises:
            OSError: The disk did not take all of them.
        """
        if self._torn:
            self._cut()
        records = self._pending[:AT_ONCE]
        wanted = len(records) * _RECORD.size
        written = self._file.write(b"".join(records)) or 0
        whole, excess = divmod(written, _RECORD.size)
        self._records += whole
        del self._pending[:whole]
        if excess:
            self._torn = True
            self._cut()
        if written < wanted:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._records >= self._limit:
            self._rotate()

    def _cut(self) -> None:
        """Take away a part of a record: all that follow it would be read shifted."""
        os.truncate(self._current, len(HEADER) + self._records * _RECORD.size)
        self._torn = False

    def _rotate(self) -> None:
        """Begin a new file; where there is no room for one, the old one grows a little longer."""
        fresh = self._folder / "next.tape"
        fresh.write_bytes(HEADER)
        opened = fresh.open("ab", buffering=0)
        self._current.replace(self._previous)
        fresh.replace(self._current)
        self._file.close()
        self._file, self._records = opened, 0

    def _known_symbols(self) -> list[str]:
        path = self._folder / SYMBOLS
        if is_irregular(path) or (path.exists() and path.stat().st_size > _MOST_NAMES):
            self._set_aside(path, "is no list of symbols")
        try:
            return path.read_text().split()
        except (FileNotFoundError, UnicodeDecodeError):
            return []

    def _number(self, known: Sequence[str], symbols: Sequence[str]) -> dict[str, int]:
        """The number of each symbol; on the disk before any tick that has it."""
        names = [*known, *(symbol for symbol in symbols if symbol not in known)]
        if len(names) > len(known):
            fresh = self._folder / "symbols.new"
            with fresh.open("w") as file:
                file.writelines(f"{name}\n" for name in names)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._folder / SYMBOLS)
        return {symbol: number for number, symbol in enumerate(names)}

    @staticmethod
    def _repair(path: Path, symbols: int) -> None:
        """Make sure of our header, a whole last record, and no number beyond `symbols`.

        A price under another symbol's name costs money.
        """
        if is_irregular(path):
            TapeFiles._set_aside(path, "is no regular file")
        if path.exists() and path.stat().st_size > 0:
            fault = TapeFiles._fault(path, symbols)
            if fault is None:
                excess = (path.stat().st_size - len(HEADER)) % _RECORD.size
                if excess:
                    os.truncate(path, path.stat().st_size - excess)
                return
            TapeFiles._set_aside(path, fault)
        if path.name.startswith("current"):
            path.write_bytes(HEADER)

    @staticmethod
    def _set_aside(path: Path, fault: str) -> None:
        aside = path.with_suffix(f".damaged-{int(path.lstat().st_mtime)}")
        path.replace(aside)
        logger.warning("%s %s; set aside as %s", path, fault, aside.name)

    @staticmethod
    def _fault(path: Path, symbols: int) -> str | None:
        with path.open("rb") as file:
            # Looked at before the rest is read: it may be a gigabyte of something else.
            if file.read(len(HEADER)) != HEADER:
                return "is no tape of this version"
        data = path.read_bytes()
        # Every record's number at once: there can be a million, and the tape is waited for.
        first = len(HEADER) + _NUMBER_AT
        low, high = data[first :: _RECORD.size], data[first + 1 :: _RECORD.size]
        if max(high, default=0) or max(low, default=-1) >= symbols:
            return "has symbols that symbols.txt does not name"
        return None

    @staticmethod
    def _count(path: Path) -> int:
        return (path.stat().st_size - len(HEADER)) // _RECORD.size


def unbroken_since(folder: Path) -> dict[str, int]:
    """From which moment on a tape has every tick, us since the epoch, by symbol.

    Reads what is on disk, and changes nothing; a file that is no tape has no ticks.

    Args:
        folder: Where its files are; another process may be writing them.
    """
    found: dict[int, int] = {}
    for path in (folder / "previous.tape", folder / "current.tape"):
        data = _records_of(path)
        for time_us, _, _, _, number, flags in _RECORD.iter_unpack(data):
            if number not in found or flags & _BROKEN:
                found[number] = time_us
    names = symbol_names(folder)
    return {names[number]: at for number, at in found.items() if number < len(names)}


def symbol_names(folder: Path) -> list[str]:
    """The symbols of a tape in the order of their numbers; none where they cannot be read."""
    try:
        return read_regular(folder / SYMBOLS, _MOST_NAMES).decode().split()
    except (OSError, UnicodeDecodeError):
        return []


def _records_of(path: Path) -> bytes:
    """The whole records of a file; none where it is no tape, or not there."""
    try:
        data = b"" if is_irregular(path) else path.read_bytes()
    except OSError:
        return b""
    if not data.startswith(HEADER):
        return b""
    whole = (len(data) - len(HEADER)) // _RECORD.size * _RECORD.size
    return data[len(HEADER) : len(HEADER) + whole]
