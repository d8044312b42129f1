"""Where something stands that must be in no YAML file, log or list of processes."""

import os
import stat
from pathlib import Path

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.process.files import open_regular

LIMIT = 4_096
"""Bytes of a file with a secret."""


class SecretError(Mt5crsError):
    """It is not there, or others may read it. Whoever needs it says so, and tries again later."""


def read_secret(place: str) -> str:
    """What stands in ``env:NAME``, or in ``file:PATH``.

    Raises:
        SecretError: Nothing does, or somebody else may read it; without the secret.
    """
    kind, _, where = place.partition(":")
    if kind == "env":
        found = os.environ.get(where, "").strip()
        if not found:
            raise SecretError(f"there is no {where} in the environment")
        return found
    path = Path(where).expanduser()
    try:
        with open_regular(path) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            body = file.read(LIMIT).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"{path} cannot be read: {error}") from error
    if mode & 0o077:
        raise SecretError(f"{path} may be read by others: chmod 600 {path}")
    if not body:
        raise SecretError(f"{path} is empty")
    return body
