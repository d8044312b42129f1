"""Which strategies would begin with fewer bars than the terminal can give them."""

import contextlib
import pkgutil
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.bars import TIMEFRAME_US
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import store
from mt5crs_shared.storage.recorded import read_rows
from mt5crs_shared.wording import nearby
from mt5crs_supervisor.commands.editing.unchecked import UncheckedStrategy

TAPE = "mt5crs_services.tape.tape_file:unbroken_since"
"""Who reads a tape; by name only, since the supervisor imports no service."""

COLUMNS = ("timestamp", "open", "high", "low", "close", "spread_points")
"""First line of a file that `history pull` has written; nothing else begins like that."""

WINDOW = 256
"""Closed bars that a strategy has at most."""

LENGTHS_US: Mapping[str, int] = {
    name: length for name, length in TIMEFRAME_US.items() if length >= TIMEFRAME_US["M1"]
}
"""Of the bars that a terminal has: none of seconds."""


class _UnreadableError(Mt5crsError):
    """A history file cannot be read. It counts as one that is not there."""


def lacking(
    strategies: Sequence[UncheckedStrategy], paths: VarPaths, say: Callable[[str], None]
) -> list[UncheckedStrategy]:
    """Those that are to run, have no checkpoint, and whose bars end before the tape begins.

    A file that somebody else has written is left alone.

    Args:
        strategies: All that name a history file.
        paths: Of the installation that they begin on.
        say: Told of files that are left alone.
    """
    asked = [
        each
        for each in strategies
        if each.enabled
        and each.timeframe in LENGTHS_US
        and not _has_checkpoint(paths.journal(each.name))
    ]
    if not asked:
        return []
    since: Mapping[str, int] = pkgutil.resolve_name(TAPE)(paths.tape)
    now_us = time.time_ns() // 1000
    found = []
    for each in asked:
        assert each.history is not None, "it names a file"
        begins_us = since.get(each.symbol, now_us)
        if not _lacks(each, _end_of(each.history), begins_us, now_us):
            continue
        if each.history.exists() and not _is_ours(each.history):
            file = nearby(str(each.history))
            say(
                f"{each.name}: {file} ends before the tape begins; `history pull` did not write it,"
                f" so it stays as it is; `history pull {each.name}` would replace it"
            )
            continue
        found.append(each)
    return found


def _lacks(strategy: UncheckedStrategy, end_us: int, begins_us: int, now_us: int) -> bool:
    length_us = LENGTHS_US[strategy.timeframe]
    tape_is_enough = begins_us <= now_us - WINDOW * length_us
    # Less than a bar is made of ticks.
    return not tape_is_enough and begins_us - end_us >= length_us


def _end_of(file: Path) -> int:
    """When the last bar of a file ends, us since the epoch; 0: there is none."""
    try:
        starts = [start_us for _, start_us, _ in read_rows(file, COLUMNS[1:5], _UnreadableError)]
    except _UnreadableError:
        return 0
    steps = [later - earlier for earlier, later in pairwise(starts)]
    return starts[-1] + min(steps, default=0) if starts else 0


def _is_ours(file: Path) -> bool:
    with contextlib.suppress(OSError), file.open("rb") as opened:
        return opened.read(200).startswith(",".join(COLUMNS).encode() + b"\n")
    return False


def _has_checkpoint(journal: Path) -> bool:
    """A process would go on from it, and look at no history."""
    if not journal.exists():
        return False
    try:
        with contextlib.closing(store.connect_readonly(journal)) as db:
            return db.execute("SELECT 1 FROM checkpoint").fetchone() is not None
    except (OSError, sqlite3.Error):
        return False
