"""Events in files: numbered lines, written by one process, read by anybody from a cursor.

The one who knows writes: for a child's life the supervisor. A reader's cursor is the number of the
last event that it has seen; nobody who reads can slow the writer, or lose it an event.
"""

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from mt5crs_shared.events import AnyEvent
from mt5crs_shared.process.files import open_regular
from mt5crs_shared.wording import utc_now

logger = logging.getLogger(__name__)

SEGMENT = 4_000_000
"""Bytes after which a new file is begun."""

KEPT_SEGMENTS = 8
"""Files that are kept; about 200,000 events."""

LONGEST = 100_000
"""Bytes of the longest line that is read."""


class NumberedEvent(msgspec.Struct, frozen=True):
    """An event as it is kept.

    Attributes:
        number: Of this installation, from 1; they only rise, and by one.
        time: Wall time, ISO 8601, UTC.
        event: What happened.
    """

    number: int
    time: str
    event: AnyEvent


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(NumberedEvent).decode


class _Number(msgspec.Struct):
    """What every version can read of an event."""

    number: int


_decode_number = msgspec.json.Decoder(_Number).decode


class EventWriter:
    """Appends events; one process does.

    Kept by a kill -9 of the writer, since each is written at once; not forced to the disk, so a
    power cut may take the last seconds.

    Args:
        folder: Where the files are; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._size = 0
        self._descriptor: int | None = None
        self._refused = False
        self._torn = False
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            self._go_on()

    def write(self, event: AnyEvent) -> NumberedEvent:
        """Keep an event. Where the disk refuses, nobody waits: it is told once, in the log."""
        moment = utc_now()
        self._number += 1
        numbered = NumberedEvent(self._number, moment, event)
        try:
            self._append(_encode(numbered) + b"\n")
        except OSError as error:
            if not self._refused:
                logger.error("events cannot be kept: %s", error)
            self._refused = True
        else:
            self._refused = False
        return numbered

    def close(self) -> None:
        """Give the file back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _append(self, line: bytes) -> None:
        if self._descriptor is None or self._size > SEGMENT:
            self.close()
            self._open(self._folder / f"{self._number:012}.jsonl")
            for old in _segments(self._folder)[:-KEPT_SEGMENTS]:
                old.unlink(missing_ok=True)
        assert self._descriptor is not None, "it was opened"
        line = b"\n" + line if self._torn else line
        # Whatever becomes of it, the next line begins on its own.
        self._torn = True
        written = os.write(self._descriptor, line)
        self._torn = written < len(line)
        self._size += written

    def _go_on(self) -> None:
        """Continue where an earlier writer ended, in the middle of a line perhaps."""
        segments = _segments(self._folder)
        if not segments:
            return
        for segment in reversed(segments):
            last = _last_number(segment)
            self._number = max(last, int(segment.stem) - 1)
            if self._number:
                break
        self._open(segments[-1])
        self._torn = self._size > 0

    def _open(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags | os.O_NONBLOCK, 0o600)
        self._size = os.fstat(self._descriptor).st_size


def read_events(folder: Path, after: int = 0) -> Iterator[NumberedEvent]:
    """The events that are kept, oldest first.

    Args:
        folder: ``VarPaths.events``.
        after: The reader's cursor: the number of the last event that it has seen.
    """
    for segment in _beyond(_segments(folder), after):
        for event in _decoded(_Lines(segment)):
            if event.number > after:
                yield event


class EventReader:
    """Reads on from a cursor; as long as nothing comes, it looks at the folder alone.

    Args:
        folder: ``VarPaths.events``.
        after: See :func:`read_events`. Where the folder has been made anew since, and counts from 1
            again, it begins there.

    Attributes:
        number: The cursor: of the last event that was read.
    """

    def __init__(self, folder: Path, after: int = 0) -> None:
        self.number = after
        self._folder = folder
        self._segment: Path | None = None
        self._offset = 0

    def read(self) -> list[NumberedEvent]:
        """The events that have come since, oldest first."""
        found: list[NumberedEvent] = []
        for segment in self._unread():
            if segment != self._segment:
                self._segment, self._offset = segment, 0
            lines = _Lines(segment, self._offset)
            found += _decoded(lines)
            self._offset = lines.end
        new = [event for event in found if event.number > self.number]
        self.number = new[-1].number if new else self.number
        return new

    def _unread(self) -> list[Path]:
        """The files that may have more, after looking whether they are still the same."""
        segments = _segments(self._folder)
        if not segments:
            return []
        if self._segment in segments and _size(self._segment) >= self._offset:
            return segments[segments.index(self._segment) :]
        if _last_number(segments[-1]) < self.number:
            self.number = 0
        self._segment = None
        return _beyond(segments, self.number)


def _segments(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.jsonl") if path.stem.isdecimal())


def _beyond(segments: list[Path], number: int) -> list[Path]:
    """The files that may have events with higher numbers."""
    later = [segment for segment in segments if int(segment.stem) > number + 1]
    return segments[-len(later) - 1 :]


def _decoded(lines: Iterable[bytes]) -> Iterator[NumberedEvent]:
    """The events; one of a kind that this version does not know is left out."""
    for line in lines:
        with contextlib.suppress(msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            yield _decode(line)


def _last_number(segment: Path) -> int:
    """The highest number that is given away; the end has it, unless that is damaged. 0: none."""
    at_the_end = max(_numbers_of(segment, _size(segment) - 2 * LONGEST), default=0)
    if at_the_end >= int(segment.stem):
        return at_the_end
    return max(_numbers_of(segment), default=0)


def _numbers_of(segment: Path, begin: int = 0) -> Iterator[int]:
    """The numbers that are given away, whatever the event is."""
    for line in _Lines(segment, max(begin, 0)):
        with contextlib.suppress(msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            yield _decode_number(line).number


def _size(segment: Path) -> int:
    """Bytes; 0: it is gone."""
    try:
        return segment.stat().st_size
    except OSError:
        return 0


class _Lines:
    """The lines of a file that are whole; one that is not has been torn by a death.

    Args:
        segment: The file.
        begin: Byte to begin at.

    Attributes:
        end: The byte behind the last whole line that was read.
    """

    def __init__(self, segment: Path, begin: int = 0) -> None:
        self.end = begin
        self._segment = segment

    def __iter__(self) -> Iterator[bytes]:
        try:
            file = open_regular(self._segment)
        except OSError:
            return
        with file:
            place = file.seek(self.end)
            while line := file.readline(LONGEST):
                place += len(line)
                if line.endswith(b"\n"):
                    self.end = place
                    yield line
