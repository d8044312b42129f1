"""How long strategies took to come back, each death once: from the events, and kept in a file."""

import logging
from bisect import bisect_left
from pathlib import Path

import msgspec

from mt5crs_shared.events import Recovered
from mt5crs_shared.process.files import read_regular, replace_file
from mt5crs_shared.storage.event_files import EventReader

logger = logging.getLogger(__name__)

BOUNDS = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets, seconds; the last bucket has none."""

_LIMIT = 16_000_000
"""Bytes of the largest file that is read."""


class Observed(msgspec.Struct):
    """The recoveries of one strategy.

    Attributes:
        counts: How many took so long, by bucket.
        seconds: Their sum.
    """

    counts: list[int]
    seconds: float = 0.0


class _Kept(msgspec.Struct):
    """What was counted up to an event, with buckets of these bounds."""

    bounds: tuple[float, ...] = BOUNDS
    number: int = 0
    strategies: dict[str, Observed] = {}


class RecoveryTimes:
    """Counts recoveries, also those of the time when no exporter was there.

    The oldest events are removed sometime. What was counted of them stays in a file, so that the
    next exporter counts on from there.

    Args:
        events: The folder of the events.
        file: What was counted; made where it is missing.
    """

    def __init__(self, events: Path, file: Path) -> None:
        self._file = file
        self._kept = _read(file)
        self._reader = EventReader(events, self._kept.number)

    def read(self) -> dict[str, Observed]:
        """By strategy, all that were counted until now."""
        found = [event.event for event in self._reader.read() if isinstance(event.event, Recovered)]
        for event in found:
            seen = self._kept.strategies.setdefault(event.name, Observed([0] * (len(BOUNDS) + 1)))
            seen.counts[bisect_left(BOUNDS, event.seconds)] += 1
            seen.seconds += event.seconds
        if found:
            self._keep()
        return self._kept.strategies

    def _keep(self) -> None:
        self._kept.number = self._reader.number
        try:
            replace_file(self._file, msgspec.json.encode(self._kept))
        except OSError as error:
            logger.warning("%s cannot be written: %s", self._file, error)


def _read(file: Path) -> _Kept:
    """What an earlier exporter has counted; nothing where that cannot be read, or used."""
    try:
        kept = msgspec.json.decode(read_regular(file, _LIMIT), type=_Kept)
    except FileNotFoundError:
        return _Kept()
    except (OSError, msgspec.MsgspecError, RecursionError) as error:
        logger.warning("%s cannot be read, recoveries are counted anew: %s", file, error)
        return _Kept()
    whole = all(len(seen.counts) == len(BOUNDS) + 1 for seen in kept.strategies.values())
    return kept if kept.bounds == BOUNDS and whole else _Kept()
