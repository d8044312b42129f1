"""CURVE: who speaks with whom over TCP is known by key, and nobody else understands it.

Keys are in files as ``zmq.auth`` writes them: ``NAME.key`` with the public one, for everybody,
and ``NAME.key_secret`` with both, for its owner alone. Processes are handed paths, never keys.
"""

import os
import stat
import struct
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import zmq

from mt5crs_shared.errors import Mt5crsError

PUBLIC: Final = ".key"
SECRET: Final = ".key_secret"

KEY_LENGTH: Final = 40
"""Characters of a key in Z85."""

LIMIT: Final = 65_536
"""Bytes of the largest file that is taken for one with keys."""


class KeyFileError(Mt5crsError):
    """Keys cannot be used. The message names the file and what to do, never what is in it."""


class KeyPlaces(msgspec.Struct, frozen=True):
    """Where the keys of a connection are.

    Attributes:
        secret: File with the secret key of this side.
        server: File with the public key of the side that listens.
    """

    secret: str
    server: str


class CurvePair(NamedTuple):
    """A public key and its secret one, each in Z85."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        """Without the secret: values end up in logs."""
        return f"CurvePair({self.public.decode()})"


class CurveKeys(NamedTuple):
    """What a connection is made with.

    Attributes:
        own: The pair of this side.
        server: The public key of the side that listens, in Z85.
    """

    own: CurvePair
    server: bytes


def require_curve() -> None:
    """See that libzmq can encrypt.

    Raises:
        KeyFileError: It was built without that.
    """
    if not zmq.has("curve"):
        raise KeyFileError(
            f"this pyzmq ({zmq.__version__}, libzmq {zmq.zmq_version()}) was built without CURVE:"
            " pip install --force-reinstall --only-binary pyzmq pyzmq"
        )


def read_public(path: Path) -> bytes:
    """The public key in a file.

    Raises:
        KeyFileError: There is none, it cannot be read, or a secret one stands beside it.
    """
    public, secret = _read(path)
    if secret is not None:
        raise KeyFileError(
            f"{path} has a secret key, which belongs to its own machine alone: name the file that"
            f" ends in {PUBLIC}"
        )
    return public


def read_pair(path: Path) -> CurvePair:
    """Both keys in a file of this user alone; on Windows nobody can check whose it is.

    Raises:
        KeyFileError: They are not there, or others may read them.
    """
    public, secret = _read(path)
    if os.name != "nt":
        found = path.stat()
        if found.st_uid != os.getuid():
            raise KeyFileError(f"{path} belongs to user {found.st_uid}: this user has to own it")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise KeyFileError(f"{path} may be read by others: chmod 600 {path}")
    if secret is None:
        raise KeyFileError(f"{path} has no secret key: name the file that ends in {SECRET}")
    return CurvePair(public, secret)


def read_keys(places: KeyPlaces | None) -> CurveKeys | None:
    """The keys of a connection; None: it is in the clear.

    Raises:
        KeyFileError: They cannot be used.
    """
    if places is None:
        return None
    require_curve()
    return CurveKeys(read_pair(Path(places.secret)), read_public(Path(places.server)))


def speak_curve(socket: "zmq.Socket[bytes]", keys: CurveKeys) -> None:
    """Have a socket that is about to connect speak CURVE."""
    socket.curve_serverkey = keys.server
    socket.curve_publickey = keys.own.public
    socket.curve_secretkey = keys.own.secret


def serve_curve(socket: "zmq.Socket[bytes]", own: CurvePair, domain: str) -> None:
    """Have a socket that is about to listen speak CURVE with those that are let in alone.

    Args:
        socket: Not bound yet.
        own: Its keys.
        domain: Under which whoever lets clients in is asked; see `client_list`.
    """
    socket.curve_server = True
    socket.curve_publickey = own.public
    socket.curve_secretkey = own.secret
    socket.zap_domain = domain.encode()
    # Where nobody is there to ask, libzmq would otherwise let everybody in.
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


def _read(path: Path) -> tuple[bytes, bytes | None]:
    # Imported where it is needed: most systems have no keys, and each process would pay for it.
    from zmq.auth import load_certificate

    try:
        if not path.is_file():
            raise KeyFileError(f"{path} is no file: `mt5crs-supervisor keys` makes keys")
        if path.stat().st_size > LIMIT:
            raise KeyFileError(f"{path} is no file of keys: it is too large")
        public, secret = load_certificate(path)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise KeyFileError(f"{path} has no public key in it: `keys` makes such files") from error
    for key in (public, *([secret] if secret is not None else [])):
        if not _is_key(key):
            raise KeyFileError(f"{path} is damaged: a key has {KEY_LENGTH} characters of Z85")
    return public, secret


def _is_key(key: bytes) -> bool:
    from zmq.utils import z85

    try:
        return len(key) == KEY_LENGTH and len(z85.decode(key)) == 32
    except (KeyError, struct.error):
        return False
