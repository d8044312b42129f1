"""A file that people write, replaced by a command: whole, by one at a time, its past kept."""

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mt5crs_supervisor.commands.failures import CommandError

WAIT = 15.0
"""Seconds that a command waits for another one that changes a file of the same folder."""

LOOK_EVERY = 0.05


@contextlib.contextmanager
def held(file: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the folder of a file against other commands that change files there.

    The kernel lets go of it when this process dies, and nothing is left in the folder.

    Args:
        file: Where it really is.
        say: Told that another one is waited for.

    Raises:
        CommandError: The folder cannot be opened, or the other one is not ready in time.
    """
    try:
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise CommandError(f"{file.parent} cannot be opened: {error.strerror}") from error
    try:
        deadline = time.monotonic() + WAIT
        told = False
        while not _has(folder):
            if not told:
                say(f"another command is changing {file.name}; waiting ...")
                told = True
            if time.monotonic() > deadline:
                raise CommandError(
                    f"nothing was changed: another command has been changing {file.name}"
                    f" for {WAIT:g} s; try again"
                )
            time.sleep(LOOK_EVERY)
        yield
    finally:
        os.close(folder)


def _has(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def replace_kept(file: Path, before: bytes, after: bytes) -> Path:
    """Put a new text into a file's place, and the one before beside it.

    Args:
        file: Where it really is, no link.
        before: What the new text was made of.
        after: The new text.

    Returns:
        Where the text before is kept.

    Raises:
        CommandError: The file has been written meanwhile, may not be, or the disk refuses.
            It is as it was.
    """
    backup = file.with_name(f"{file.name}.bak")
    try:
        if not os.access(file, os.W_OK):
            raise CommandError(f"nothing was changed: {file} may not be written by this user")
        mode = file.stat()
        _put(backup, before, mode)
        if file.read_bytes() != before:
            raise CommandError(f"nothing was changed: {file} was written meanwhile; try again")
        _put(file, after, mode)
    except OSError as error:
        raise CommandError(f"nothing was changed: {file} cannot be written: {error}") from error
    return backup


def _put(file: Path, body: bytes, like: os.stat_result) -> None:
    """Whole or not at all, and on the disk before it returns; mode and owner are those given."""
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o600), "wb") as stream:
            stream.write(body)
            # Root may change a trader's file for them: it stays theirs.
            with contextlib.suppress(PermissionError):
                os.fchown(stream.fileno(), like.st_uid, like.st_gid)
            os.fchmod(stream.fileno(), stat.S_IMODE(like.st_mode))
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
