"""Recorded market data: the CSV that histories and replays are read from.

A file is plain or gzipped, has a header, and one row per tick or bar. Its ``timestamp`` is
ISO 8601 with ``Z`` or an offset; without one it is UTC, as recorded data is by custom.
"""

import csv
import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.wording import shown

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def symbol_of(file_name: str) -> str:
    """The symbol that a file of ticks is named after: what stands before the first ``_`` or ``.``.

    A symbol that holds one of them is told besides; see `FeedConfig.symbol`.
    """
    return file_name.partition(".")[0].partition("_")[0]


def read_rows(
    path: Path, columns: Sequence[str], error: type[Mt5crsError]
) -> Iterator[tuple[int, int, list[float]]]:
    """Read a file row by row: its line, its time in us since the epoch, its numbers.

    Args:
        path: CSV, or CSV.gz by its name.
        columns: The numeric columns wanted, in this order; others are ignored.
        error: The exception that tells of a bad file.

    Raises:
        Mt5crsError: Of the kind `error`, with file and line: the file cannot be read, lacks a
            column, or has a row with a time or a number that is none (NaN and infinity too).
    """
    line = 1
    with _open_text(path, error) as file:
        rows = csv.reader(file)
        try:
            time_at, numbers_at = _positions(next(rows, []), columns)
            for row in rows:
                line = rows.line_num
                if row:
                    yield line, _utc_us(row[time_at]), _numbers(row, numbers_at)
        except IndexError as cause:
            raise error(f"{path}:{line}: a row with too few columns") from cause
        except (ValueError, csv.Error) as cause:
            raise error(f"{path}:{line}: {cause}") from cause


def count_rows(path: Path, error: type[Mt5crsError]) -> int:
    """Number of rows in a file, its header and empty lines left out; rows are not checked.

    Raises:
        Mt5crsError: Of the kind `error`: the file cannot be read.
    """
    with _open_text(path, error) as file:
        return max(0, sum(not line.isspace() for line in file) - 1)


@contextmanager
def _open_text(path: Path, error: type[Mt5crsError]) -> Iterator[TextIO]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
            yield file
    except (OSError, EOFError, zlib.error) as cause:
        raise error(f"{path} cannot be read: {cause}") from cause


def _positions(header: list[str], columns: Sequence[str]) -> tuple[int, list[int]]:
    names = [name.strip().lower() for name in header]
    missing = [name for name in ("timestamp", *columns) if name not in names]
    if missing:
        raise ValueError(f"the header lacks {', '.join(missing)}; it has {shown(', '.join(names))}")
    return names.index("timestamp"), [names.index(name) for name in columns]


def _numbers(row: list[str], positions: list[int]) -> list[float]:
    numbers = [float(row[at]) for at in positions]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"a number that is not finite: {shown(','.join(row))}")
    return numbers


def _utc_us(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND
