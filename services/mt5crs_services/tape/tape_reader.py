"""The tape's files, read by who looks on: never repaired, never waited for."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mt5crs_services.tape.tape_file import HEADER, TIMED, symbol_names
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.files import open_regular

RECORD_TYPE = np.dtype(
    [
        ("time_us", "<i8"),
        ("bid", "<f8"),
        ("ask", "<f8"),
        ("volume", "<f8"),
        ("number", "<u2"),
        ("flags", "<u2"),
    ]
)
"""A record of `tape_file`, as numpy reads many at once."""

NEWEST = 500_000
"""Records of a file that are looked at, the newest."""

AT_ONCE = 20_000
"""Records that are read in one go, 0.7 MB."""


def read_newest_ticks(folder: Path, symbol: str, span_us: int) -> Iterator[Tick]:
    """The ticks of one symbol that are not older than so much, oldest first.

    Nothing where there is no tape, or none of that symbol; the tape may be writing.

    Args:
        folder: The tape's folder.
        symbol: Exact symbol.
        span_us: Microseconds of event time, from the newest tick of the symbol back.
    """
    try:
        number = symbol_names(folder).index(symbol)
    except ValueError:
        return
    parts = [_records(folder / name, number) for name in ("previous.tape", "current.tape")]
    found = np.concatenate(parts)
    if not len(found):
        return
    begin = int(found["time_us"].max()) - span_us
    for time_us, bid, ask, volume, _, flags in found[found["time_us"] >= begin].tolist():
        yield Tick(symbol, time_us, bid, ask, volume, bool(flags & TIMED))


def _records(path: Path, number: int) -> npt.NDArray[np.void]:
    """The newest records of a file that are of one symbol; its last one may be half written."""
    found: list[npt.NDArray[np.void]] = [np.empty(0, RECORD_TYPE)]
    size = RECORD_TYPE.itemsize
    try:
        with open_regular(path) as file:
            count = max(file.seek(0, 2) - len(HEADER), 0) // size
            first = max(count - NEWEST, 0)
            file.seek(len(HEADER) + first * size)
            # In parts: what is of other symbols need not lie in memory beside it.
            for begin in range(first, count, AT_ONCE):
                data = file.read(min(count - begin, AT_ONCE) * size)
                part = np.frombuffer(data[: len(data) // size * size], RECORD_TYPE)
                found.append(part[part["number"] == number])
    except OSError:
        return found[0]
    return np.concatenate(found)
