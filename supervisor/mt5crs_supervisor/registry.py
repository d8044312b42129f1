"""Which processes this installation has, on disk: epochs that only rise, and whom to adopt."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from mt5crs_shared.installation import EPOCHS_PER_START, epochs_of

logger = logging.getLogger(__name__)


class Entry(msgspec.Struct, frozen=True):
    """One child's last spawn.

    Attributes:
        epoch: Its number.
        pid: Its process; 0 where it has ended.
        create_time: When that process was made, which tells it from a later one of the same pid.
        config_hash: What it runs on.
    """

    epoch: int
    pid: int = 0
    create_time: float = 0.0
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
        fenced: The highest epoch that others remember; see `fences.highest_epoch`.
        wall: Wall time, seconds since the epoch.
    """

    def __init__(
        self, path: Path, var: Path, fenced: int = 0, wall: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._var = str(var)
        self._changed = False
        self._entries = self._read()
        highest = max((entry.epoch for entry in self._entries.values()), default=0)
        highest = max(highest, fenced)
        self._base = max((highest // EPOCHS_PER_START + 1) * EPOCHS_PER_START, epochs_of(wall()))
        self._entries["supervisor"] = Entry(self._base)
        self._write(force=True)

    def _read(self) -> dict[str, Entry]:
        try:
            listing = msgspec.json.decode(self._path.read_bytes(), type=Listing)
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError):
            logger.exception("%s cannot be read and is made anew", self._path)
            return {}
        if listing.var == self._var:
            return dict(listing.children)
        logger.warning("%s is a copy: its processes belong to %s", self._path, listing.var)
        return {name: Entry(entry.epoch) for name, entry in listing.children.items()}

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

    def _write(self, force: bool = False) -> None:
        temporary = self._path.with_suffix(".new")
        try:
            with temporary.open("wb") as file:
                file.write(msgspec.json.encode(Listing(self._var, self._entries)))
                if force:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:
            if force:
                raise
            # A full disk must not end the one who keeps everybody else alive. What is lost is
            # that the next supervisor finds these processes by itself; fences keep them apart.
            logger.error("%s cannot be written: %s", self._path, error)
