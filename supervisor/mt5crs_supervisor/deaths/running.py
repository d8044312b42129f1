"""What runs, kept for a supervisor that begins again in place, and for whoever looks from outside.

The file that it came of may be half edited by then.
"""

import logging
import os
from pathlib import Path

import msgspec

from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.process.files import read_regular, replace_file
from mt5crs_shared.process.paths import VarPaths

logger = logging.getLogger(__name__)

_LIMIT = 64_000_000
"""Bytes of the largest file that is read."""


class _Running(msgspec.Struct, frozen=True):
    """A configuration of a process; and when its file had been written, ns since the epoch."""

    pid: int
    config: Config
    written: int | None


def written_at(config: Config) -> int | None:
    """When its file was written, ns since the epoch; None: it cannot be looked at."""
    try:
        return Path(config.path).stat().st_mtime_ns
    except OSError:
        return None


def keep_running(paths: VarPaths, config: Config, just_read: bool) -> int | None:
    """Keep what runs from now on; when its file was written.

    Args:
        paths: The ``var`` folder.
        config: What runs.
        just_read: Its file was read just now; otherwise it may have been before this process
            began again, and its file may be another one.
    """
    before, pid = _read(paths), os.getpid()
    if before is not None and not just_read and (before.pid, before.config) == (pid, config):
        return before.written
    written = written_at(config)
    try:
        replace_file(paths.running, msgspec.json.encode(_Running(pid, config, written)))
    except OSError as error:
        logger.error("%s cannot be written: %s", paths.running, error)
    return written


def load_running(paths: VarPaths) -> Config | None:
    """What runs on a folder, or ran when its supervisor ended badly; None: it is not known."""
    found = _read(paths)
    return found.config if found is not None else None


def _read(paths: VarPaths) -> _Running | None:
    try:
        return msgspec.json.decode(read_regular(paths.running, _LIMIT), type=_Running)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return None
