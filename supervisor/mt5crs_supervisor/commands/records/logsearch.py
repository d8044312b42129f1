"""`logs --all`, `--since` and `--level`: records of several logs in one order, rotated ones too."""

import heapq
import itertools
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from mt5crs_shared.process.logs import BACKUPS
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.commands.records.logview import backwards, formatted
from mt5crs_supervisor.commands.records.moments import begin_of

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class LogRecordLine(msgspec.Struct, frozen=True, order=True):
    """One record of a log; they are ordered by time.

    Attributes:
        moment: When it was written.
        name: Whose log it stands in.
        line: As it stands there.
    """

    moment: datetime
    name: str
    line: bytes


def search_logs(
    paths: VarPaths, names: Sequence[str], since: str | None, level: str, limit: int
) -> None:
    """Print records of these logs in one order, the newest last.

    Args:
        paths: The ``var`` folder.
        names: Whose logs.
        since: From then on; None: from the beginning.
        level: The least grave that is shown.
        limit: So many at most, the newest.
    """
    begin = begin_of(since)
    least = logging.getLevelNamesMapping()[level.upper()]
    logs = [_wanted(paths.log_file(name), name, begin, least) for name in names]
    newest = heapq.merge(*logs, reverse=True)
    found = list(itertools.islice(newest, limit))[::-1]
    width = max((len(record.name) for record in found), default=0)
    for record in found:
        head = f"{record.name:<{width}} " if len(names) > 1 else ""
        click.echo(f"{head}{formatted(record.line)}")


def _wanted(path: Path, name: str, since: datetime | None, least: int) -> Iterator[LogRecordLine]:
    """The records of one log and of its rotated files, the newest first."""
    levels = logging.getLevelNamesMapping()
    files = [path, *(path.with_name(f"{path.name}.{n}") for n in range(1, BACKUPS + 1))]
    for line in itertools.chain.from_iterable(map(_lines_of, files)):
        try:
            record = _decode(line)
            moment = datetime.fromisoformat(record["time"])
            level = levels.get(record["level"], logging.INFO)
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
            continue  # Torn by a death: nobody knows when.
        if since is not None and moment < since:
            return
        if level >= least:
            yield LogRecordLine(moment, name, line)


def _lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a file from its end; none where there is no such file."""
    try:
        file = path.open("rb")
    except OSError:
        return
    with file:
        yield from backwards(file)
