"""Files that somebody else may have touched: never waited for, never larger than meant."""

import contextlib
import errno
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


def read_named(path: Path, limit: int = -1) -> bytes:
    """The first `limit` bytes, or all, of a file that a person has named.

    It may be anybody's, and a link is followed; a FIFO would be waited for, and is refused.

    Raises:
        OSError: It is missing, cannot be opened, or is something else.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)


def read_regular(path: Path, limit: int) -> bytes:
    """The first `limit` bytes of a regular file of this user.

    Raises:
        OSError: See `open_regular`.
    """
    with open_regular(path) as file:
        return file.read(limit)


def create(path: str | Path, *, folder: int | None = None) -> int:
    """A fresh file of this user's alone in place of whatever was there; its descriptor, to append.

    Args:
        path: The file.
        folder: Descriptor of the folder that a relative path begins in; None: the current one.

    Raises:
        OSError: It cannot be made.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path, dir_fd=folder)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.open(path, flags, 0o600, dir_fd=folder)


def replace_file(
    path: str | Path, body: bytes, *, synced: bool = False, folder: int | None = None
) -> None:
    """Put a file of this user's alone in place of what was there: whole, or not at all.

    Args:
        path: The file.
        body: What is in it from now on.
        synced: Force it to the disk.
        folder: See `create`. Where that folder has been removed, nothing is written into another
            one that has its name by now.

    Raises:
        OSError: The disk refused; what was there is still there.
    """
    new = f"{path}.new"
    with os.fdopen(create(new, folder=folder), "wb") as file:
        file.write(body)
        if synced:
            file.flush()
            os.fsync(file.fileno())
    os.replace(new, path, src_dir_fd=folder, dst_dir_fd=folder)
