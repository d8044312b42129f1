"""The end of a child's log."""

import contextlib
from pathlib import Path

import msgspec

from mt5crs_shared.process.files import open_regular

READ = 200_000
"""Bytes from the end that are looked at."""


class LogLine(msgspec.Struct, frozen=True):
    """One record; see `logs`.

    Attributes:
        time: ISO 8601.
        level: INFO, WARNING ...
        message: What it says.
        exception: A traceback; empty: none.
    """

    time: str
    level: str
    message: str
    exception: str = ""


def read_log_tail(path: Path, most: int) -> list[LogLine]:
    """The newest records, oldest first; lines that are none of ours are left out."""
    try:
        with open_regular(path) as file:
            begin = max(file.seek(0, 2) - READ, 0)
            file.seek(begin)
            lines = file.read(READ).splitlines()[1 if begin else 0 :]
    except OSError:
        return []
    found: list[LogLine] = []
    for line in lines[-most:]:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            found.append(msgspec.json.decode(line, type=LogLine))
    return found
