"""Trouble of the machine: it passes, and is not the fault of whoever met it."""

import errno
import sqlite3
from collections.abc import Iterator
from typing import Final

EXIT_CODE: Final = 75
"""How a process ends that met such trouble; EX_TEMPFAIL of sysexits.h: "try again later"."""

ERRNOS: Final = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EMFILE,
        errno.ENFILE,
        errno.EAGAIN,
        errno.ENOMEM,
        errno.ENOBUFS,
    }
)
"""No space, no descriptors, no process, no memory."""

SQLITE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
    }
)
"""What SQLite says of the same, and of a file that is in use; the file itself is sound."""


def passes(error: BaseException) -> bool:
    """Whether an error came of trouble that may be over at the next try."""
    return any(_is_passing(cause) for cause in _chain(error))


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in SQLITE
    # ZMQ's errors have a number too, and are no OSError.
    return getattr(error, "errno", None) in ERRNOS


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__
