"""Which processes this installation has, on disk: epochs that only rise, and whom to adopt."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from mt5crs_shared.process.files import read_regular, replace_file
from mt5crs_shared.process.installation import EPOCHS_PER_START, epochs_of
from mt5crs_supervisor.processes.identity import is_alive

logger = logging.getLogger(__name__)

_LIMIT = 16_000_000
"""Bytes of the largest file that is read; a child takes about a hundred."""


class Entry(msgspec.Struct, frozen=True):
    """One child's last spawn.

    Attributes:
        epoch: Its number.
        pid: Its process; 0 where it has ended.
        born: Its birth; see `identity.birth`.
        config_hash: What it runs on.
    """

    epoch: int
    pid: int = 0
    born: str = ""
    config_hash: str = ""


class Listing(msgspec.Struct, frozen=True):
    """What the file holds.

    Attributes:
        var: The folder that these processes belong to: a copy of a folder has none.
        children: Each child's last spawn; under ``supervisor`` where its own epochs began.
    """

    var: str
    children: dict[str, Entry]


class Registry:
    """The file; the supervisor is its only reader and writer.

    Args:
        path: Where it is; a file that cannot be read counts as missing.
        var: The ``var`` folder.
        fenced: The highest epoch that others remember; see `epochs.highest_epoch`.
        wall: Wall time, seconds since the epoch.
    """

    def __init__(
        self, path: Path, var: Path, fenced: int = 0, wall: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        # Held open: once it is removed, nothing goes into another folder of its name, where
        # another supervisor keeps its own.
        self._folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._var = str(var)
        self._changed = False
        self._entries = read_registry(path, var, logger.warning)
        highest = max((entry.epoch for entry in self._entries.values()), default=0)
        highest = max(highest, fenced)
        self._base = max((highest // EPOCHS_PER_START + 1) * EPOCHS_PER_START, epochs_of(wall()))
        self._entries["supervisor"] = Entry(self._base)
        self._write(force=True)

    def survivors(self) -> dict[str, Entry]:
        """Entries of processes that had not ended when the file was last written."""
        return {name: entry for name, entry in self._entries.items() if entry.pid}

    def next_epoch(self, name: str) -> int:
        """A number for the next spawn, higher than all before it.

        It need not be saved before it is used: the next supervisor begins a new thousand.
        """
        last = self._entries[name].epoch if name in self._entries else 0
        epoch = max(last, self._base) + 1
        self.record(name, Entry(epoch))
        return epoch

    def record(self, name: str, entry: Entry) -> None:
        """Note the process of a spawn, or that it has ended; see `save`."""
        self._entries[name] = entry
        self._changed = True

    def save(self) -> None:
        """Write what was noted since the last call.

        Once for many notes, and after what is urgent: replacing a file takes about a millisecond,
        and a respawn waits for nobody. A supervisor that dies before this leaves processes that
        the next one does not know; they end when a newer epoch has their journal.
        """
        if self._changed:
            self._write()
            self._changed = False

    def close(self) -> None:
        """Give the folder back."""
        os.close(self._folder)

    def _write(self, force: bool = False) -> None:
        try:
            body = msgspec.json.encode(Listing(self._var, self._entries))
            replace_file(self._path.name, body, synced=force, folder=self._folder)
        except OSError as error:
            if force:
                raise
            # A full disk must not end the one who keeps everybody else alive. What is lost is
            # that the next supervisor finds these processes by itself; fences keep them apart.
            logger.error("%s cannot be written: %s", self._path, error)


def read_registry(
    path: Path, var: Path, complain: Callable[[str], None] = lambda _what: None
) -> dict[str, Entry]:
    """Each child's last spawn, as the file has it; nothing where it cannot be read.

    Args:
        path: The file.
        var: The ``var`` folder; in a copy of another one no process is ours.
        complain: Told why the file is of no use.
    """
    try:
        listing = msgspec.json.decode(read_regular(path, _LIMIT), type=Listing)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, RecursionError) as error:
        complain(f"{path} cannot be read and is made anew: {error}")
        return {}
    if listing.var == str(var):
        return dict(listing.children)
    complain(f"{path} is a copy: its processes belong to {listing.var}")
    return {name: Entry(entry.epoch) for name, entry in listing.children.items()}


def living(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Those whose process lives."""
    return {name: e for name, e in entries.items() if e.pid and is_alive(e.pid, e.born)}
