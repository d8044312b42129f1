"""`events`: one story of what happened, of processes and of deals, in the order of the clock."""

import contextlib
import itertools
import sqlite3
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from mt5crs_shared import events
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import account_log, event_files, ledger_queries, story
from mt5crs_shared.storage.event_files import EventReader
from mt5crs_shared.storage.ledger_queries import Deal, OrderRecord
from mt5crs_shared.storage.story import StoryCursor, StoryLine, StoryReader
from mt5crs_shared.trading.locks import in_force
from mt5crs_shared.wording import plain
from mt5crs_supervisor.commands import show
from mt5crs_supervisor.commands.failures import unknown_name
from mt5crs_supervisor.commands.records import books
from mt5crs_supervisor.commands.records.moments import begin_of
from mt5crs_supervisor.commands.records.summary import Books, morning_page
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.display.table import cells_of, clip

USUAL = 50
"""Lines that are shown where nobody says how many, or since when."""

LOOK_EVERY = 0.5
"""Seconds between two looks while following."""

WHOLE = 10_000
"""Columns of a window that is none."""

NEWEST = 500
"""Rows of the ledger that are read first; refused orders among which new ones are looked for."""

Recorded = TypeVar("Recorded", Deal, OrderRecord)

_FIRST = datetime.fromtimestamp(0.0, UTC)
STATE = events.StateChanged.__struct_config__.tag
"""The kind of a change of state, which is told to who asks for it alone."""


class Wanted(msgspec.Struct, frozen=True):
    """What is asked for.

    Attributes:
        name: Of one child alone; None: of all.
        kinds: Of these kinds; empty: all but the changes of state.
        since: From this moment on; None: from the beginning.
    """

    name: str | None = None
    kinds: frozenset[str] = frozenset()
    since: datetime | None = None

    def has(self, line: StoryLine) -> bool:
        """Whether that is part of it."""
        kind = line.kind in self.kinds if self.kinds else line.kind != STATE
        named = self.name in (None, line.name)
        return kind and named and (self.since is None or line.moment >= self.since)


def show_events(
    var_dir: Path,
    name: str | None,
    since: str | None,
    kinds: str | None,
    limit: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Print what happened, the newest last, and with `follow` what comes, until Ctrl-C."""
    paths = VarPaths(var_dir)
    begin = begin_of(since)
    wanted = Wanted(name, frozenset(kinds.split(",")) if kinds else frozenset(), begin)
    _check_kinds(wanted.kinds)
    whole = Story(paths)
    least = max(limit or USUAL, NEWEST) if begin is None else None
    known = whole.newest(name, least, begin)
    if name is not None and name not in {line.name for line in known}:
        _check_name(paths, name, known)
    found = grouped(line for line in known if wanted.has(line))
    usual = len(found) if since is not None else USUAL
    shown = found[-(limit or usual) :]
    _print(shown, as_json)
    if not found and not as_json and not follow:
        say(f"Nothing of that has happened in {var_dir}.")
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            for line in whole.follow(lambda: time.sleep(LOOK_EVERY)):
                if wanted.has(line):
                    _print([line], as_json, above=shown)


def show_summary(var_dir: Path, since: str | None) -> None:
    """Print a page of what happened and what was earned since a moment."""
    begin = begin_of(since)
    found = [
        numbered
        for numbered in event_files.read_events(VarPaths(var_dir).events)
        if begin is None or datetime.fromisoformat(numbered.time) >= begin
    ]
    since_wall = (begin or _FIRST).timestamp()
    written = Books()
    with books.ledger_of(var_dir) as db:
        if db is not None:
            refused = reaching_back(lambda n: _refused(db, n), None, begin or _FIRST)
            written = Books(
                deals=ledger_queries.deals(db),
                charges=ledger_queries.charges(db),
                refused=[order for order in refused if order.recorded >= since_wall],
                held=ledger_queries.read_positions(db),
                changes=account_log.read_account_events(db, since=since_wall),
                locks=in_force(account_log.read_locks(db), time.time()),
            )
    page = morning_page(begin, found, written)
    say("\n".join(page))


class Story:
    """What stands in the files of events and in the ledger, in one order.

    Args:
        paths: The ``var`` folder.
    """

    def __init__(self, paths: VarPaths) -> None:
        self._paths = paths
        self._reader = StoryReader(paths, StoryCursor())

    def newest(
        self, strategy: str | None, limit: int | None, since: datetime | None
    ) -> list[StoryLine]:
        """What has happened so far, in the order of the clock.

        Args:
            strategy: Deals and refusals of this one alone; None: of all.
            limit: So many deals and refusals are enough; None: all since that moment.
            since: See `Wanted`.
        """
        lines: list[StoryLine] = []
        end = StoryCursor()
        with books.ledger_of(self._paths.var) as db:
            if db is not None:
                ledger_queries.snapshot(db)
                end = story.ledger_cursor(db)
                deals = reaching_back(lambda n: ledger_queries.deals(db, strategy, n), limit, since)
                refused = reaching_back(lambda n: _refused(db, n, strategy), limit, since)
                lines += story.lines_of_deals(db, deals)
                lines += map(story.line_of_refusal, refused)
                lines += map(story.line_of_account, account_log.read_account_events(db))
        found = EventReader(self._paths.events)
        lines += map(story.line_of_event, found.read())
        end = msgspec.structs.replace(end, event=found.number)
        self._reader = StoryReader(self._paths, end)
        return sorted(lines, key=lambda line: line.time)

    def more(self) -> list[StoryLine]:
        """What has come since, in the order of the clock."""
        return self._reader.read()

    def follow(self, pause: Callable[[], None]) -> Iterator[StoryLine]:
        """What comes, as it comes.

        Args:
            pause: Waits for the next look.
        """
        while True:
            pause()
            yield from self.more()


def reaching_back(
    newest: Callable[[int], list[Recorded]], limit: int | None, since: datetime | None
) -> list[Recorded]:
    """The newest rows of the ledger: so many, or all since a moment.

    Args:
        newest: Reads so many, the newest last.
        limit: See `Story.newest`.
        since: See `Story.newest`.
    """
    if limit is not None or since is None:
        return newest(limit if limit is not None else NEWEST)
    count = NEWEST
    while len(rows := newest(count)) == count and rows[0].recorded >= since.timestamp():
        count *= 4
    return rows


def _refused(db: sqlite3.Connection, limit: int, strategy: str | None = None) -> list[OrderRecord]:
    return ledger_queries.read_orders(db, strategy, limit, status="REJECTED")


def grouped(lines: Iterable[StoryLine]) -> list[StoryLine]:
    """Lines of which those that say the same one after the other are one, with the last's time."""

    def same(line: StoryLine) -> tuple[str, str, str]:
        return line.name, line.kind, line.detail

    groups = [list(group) for _, group in itertools.groupby(lines, same)]
    return [msgspec.structs.replace(group[-1], times=len(group)) for group in groups]


def lines_of(found: Iterable[StoryLine], width: int, above: Iterable[StoryLine] = ()) -> list[str]:
    """Local time, name, kind, detail; what is longer than the window goes on below.

    Args:
        found: What happened.
        width: Of the window.
        above: What stands above, and is lined up with.
    """
    lines = list(found)
    together = [*above, *lines]
    names = max((cells_of(line.name) for line in together), default=0)
    kinds = max((len(line.kind) for line in together), default=0)
    return [
        clip(part, width)
        for line in lines
        for part in textwrap.wrap(
            f"{line.moment.astimezone():%m-%d %H:%M:%S}  {line.name:<{names}}"
            f"  {line.kind:<{kinds}}  {_times(line)}{plain(line.detail)}",
            width,
            subsequent_indent=" " * 16,
        )
    ]


def _times(line: StoryLine) -> str:
    return f"({line.times} times) " if line.times > 1 else ""


def _print(lines: list[StoryLine], as_json: bool, above: Iterable[StoryLine] = ()) -> None:
    if as_json:
        for line in lines:
            click.echo(msgspec.json.encode(line))
    elif lines:
        # Through a pipe each stays on its line, for grep.
        width = show.width() if sys.stdout.isatty() else WHOLE
        show.print_lines(lines_of(lines, width, above))


def _check_kinds(kinds: Iterable[str]) -> None:
    for kind in kinds:
        if kind not in events.KINDS:
            raise unknown_name(kind, events.KINDS, "kind of event")


def _check_name(paths: VarPaths, name: str, known: Iterable[StoryLine]) -> None:
    """Refuse a name that nothing has: one with a log may have no story yet."""
    names = {line.name for line in known} | {*paths.logged()}
    if name not in names:
        raise unknown_name(name, names, "child")
