"""What makes a ``var`` folder this one and no other: an id, and a secret of its processes."""

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.messages import Lease
from mt5crs_shared.process.files import read_regular, replace_file

_LIMIT = 4_096
"""Bytes of the largest file that is read."""


EPOCHS_PER_START = 1000
"""Each start of the supervisor skips so many epochs.

The file is not forced to the disk at every spawn, which would delay it; a power cut can so lose
the last few numbers. Starting a new thousand, which is forced to the disk, never reuses one.
"""

BEGUN = 1_767_225_600
"""2026-01-01 in seconds. A start's thousand is at least that of the second it falls in, counted
from here, so that no life of a folder that was removed in an earlier one had the same. A process of
one that was removed within that second has another secret."""


def epochs_of(wall: float) -> int:
    """Where the epochs of a supervisor that starts at a wall time, in seconds, begin at least."""
    return (round(wall) - BEGUN) * EPOCHS_PER_START


class InstallationError(Mt5crsError):
    """The file cannot be used. Nothing is started; the message says what to do."""


class Speaker(NamedTuple):
    """A spawn that has proved to be what it says."""

    name: str
    epoch: int


class Installation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``var`` folder.

    Attributes:
        id: Made with the folder, of random numbers.
        secret: Likewise; known to the processes that the supervisor starts, and to whoever can
            read this user's files.
    """

    id: str
    secret: Annotated[str, msgspec.Meta(pattern="^[ -~]{1,64}$")]

    def identity(self, name: str, epoch: int) -> bytes:
        """How a process calls itself on our sockets: its spawn, and the proof that it is that.

        Args:
            name: A child's name, or ``supervisor``.
            epoch: Number of its spawn.
        """
        return f"{name}:{epoch}:{self._key(name, epoch)}".encode()

    def lease(self, name: str, epoch: int, until: float) -> Lease:
        """Leave for a spawn to open positions until a monotonic time, with its proof."""
        return Lease(epoch, until, self._sign(f"lease:{name}:{epoch}:{until!r}"))

    @staticmethod
    def same(proof: str, shown: str) -> bool:
        """Compare a proof with what somebody shows, in a time that tells nothing."""
        return hmac.compare_digest(proof.encode(), shown.encode())

    def speaker(self, identity: bytes) -> Speaker | None:
        """Whose identity this is; None: nobody's whom the supervisor has started."""
        try:
            name, number, key = identity.decode().split(":")
            speaker = Speaker(name, int(number))
        except ValueError:
            return None
        return speaker if self.same(self._key(name, speaker.epoch), key) else None

    def is_at(self, path: Path) -> bool:
        """Whether the folder with this file is still this installation's."""
        return is_at(path, self.id)

    def _key(self, name: str, epoch: int) -> str:
        return self._sign(f"{name}:{epoch}")

    def _sign(self, said: str) -> str:
        # With a key it is a MAC by itself (RFC 7693) and takes a third of the time that HMAC does:
        # each renewal of the leases needs two for every child.
        return hashlib.blake2b(said.encode(), key=self.secret.encode(), digest_size=32).hexdigest()


def load_installation(path: Path) -> Installation:
    """The installation that a file describes.

    Raises:
        FileNotFoundError: There is none.
        InstallationError: It is no file of ours, or another user's.
    """
    try:
        body = read_regular(path, _LIMIT)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InstallationError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        return msgspec.json.decode(body, type=Installation)
    except msgspec.MsgspecError as error:
        what = "put it back from a copy, or stop the system and remove it"
        raise InstallationError(f"{path} is damaged ({error}): {what}") from error


def is_at(path: Path, wanted: str) -> bool:
    """Whether the file is there, and that of an installation.

    A file that cannot be read just now says nothing against it.
    """
    try:
        return load_installation(path).id == wanted
    except FileNotFoundError:
        return False
    except InstallationError:
        return True


def load_or_make(path: Path, known: str = "") -> Installation:
    """The installation of a folder; made where it is new, for its owner only.

    Args:
        path: The file.
        known: The id that the folder's ledger has, for one whose file was lost.

    Raises:
        InstallationError: Its file cannot be used, or not be made.
    """
    try:
        return load_installation(path)
    except FileNotFoundError:
        pass
    fresh = Installation(known or secrets.token_hex(8), secrets.token_hex(32))
    try:
        replace_file(path, msgspec.json.encode(fresh), synced=True)
    except OSError as error:
        raise InstallationError(f"{path} cannot be made: {error.strerror}") from error
    return fresh
