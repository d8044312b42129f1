"""Files that somebody else may have touched: never waited for, never larger than meant."""

import os
import stat
from pathlib import Path
from typing import BinaryIO, cast


def is_irregular(path: Path) -> bool:
    """Whether something stands at a path that is no regular file, nor a link to one.

    A FIFO would be waited for, a device has no end, and a link that leads nowhere would have a
    file made at a place that nobody looks at.
    """
    return os.path.lexists(path) and not path.is_file()


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: str = "rb") -> BinaryIO:
    """Open a regular file of this user.

    A FIFO would be waited for, a device or a link could lead anywhere.

    Args:
        path: The file.
        flags: As for `os.open`.
        mode: As for `os.fdopen`.

    Raises:
        OSError: It is missing, cannot be opened, or is something else.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file of this user")
    return cast(BinaryIO, os.fdopen(descriptor, mode))


def read_regular(path: Path, limit: int) -> bytes:
    """The first `limit` bytes of a regular file of this user.

    Raises:
        OSError: See `open_regular`.
    """
    with open_regular(path) as file:
        return file.read(limit)


def create(path: Path) -> int:
    """A fresh file of this user's alone in place of whatever was there; its descriptor, to append.

    Raises:
        OSError: It cannot be made.
    """
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def replace_file(path: Path, body: bytes, *, synced: bool = False) -> None:
    """Put a file of this user's alone in place of what was there: whole, or not at all.

    Args:
        path: The file.
        body: What is in it from now on.
        synced: Force it to the disk.

    Raises:
        OSError: The disk refused; what was there is still there.
    """
    new = path.with_name(f"{path.name}.new")
    with os.fdopen(create(new), "wb") as file:
        file.write(body)
        if synced:
            file.flush()
            os.fsync(file.fileno())
    new.replace(path)
