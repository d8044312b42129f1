"""Who is let in by a socket that listens: those whose public keys are in a folder, nobody else.

libzmq asks over ZAP (rfc.zeromq.org/spec/27) for each handshake. ``zmq.auth`` has a thread that
answers, on asyncio, which needs a further package for that on Windows, where this has to run.
"""

import contextlib
import logging
import threading
from pathlib import Path
from typing import Final, NamedTuple

import zmq

from mt5crs_shared.sockets.curve import (
    PUBLIC,
    SECRET,
    CurvePair,
    KeyFileError,
    read_pair,
    read_public,
    require_curve,
)
from mt5crs_shared.sockets.opening import SMALL, open_socket
from mt5crs_shared.wording import TOLD

logger = logging.getLogger(__name__)

DOMAIN: Final = "mt5crs-gateway"
"""What a gateway's sockets call themselves when they ask."""

ENDPOINT: Final = "inproc://zeromq.zap.01"
"""Where libzmq asks."""

OWN: Final = "gateway"
"""Name of the listening side's own key."""


class KnownKeys(NamedTuple):
    """What a folder of keys holds.

    Attributes:
        own: Those of the side that listens.
        clients: By public key, in Z85, the name of the client.
    """

    own: CurvePair
    clients: dict[bytes, str]


def read_known(folder: Path) -> KnownKeys:
    """The keys in a folder that `mt5crs-supervisor keys --for gateway` has made.

    Raises:
        KeyFileError: They cannot be used, or nobody would be let in.
    """
    require_curve()
    own = read_pair(folder / f"{OWN}{SECRET}")
    files = _public_files(folder)
    clients = {key: file.stem for file in files if (key := read_public(file)) != own.public}
    if not clients:
        raise KeyFileError(
            f"{folder} has no public key of a client ({PUBLIC}): nobody would be let in; bring"
            f" supervisor{PUBLIC} of the other machine there"
        )
    return KnownKeys(own, clients)


class ClientList:
    """Answers libzmq, in a thread of its own, who may connect to a context's sockets.

    A client is known from the moment on that its key is in the folder, and no more once it is gone
    from there; what is connected stays so until it connects again.

    Args:
        context: The process's ZMQ context.
        folder: Where the keys are.
        known: What it holds.
    """

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", folder: Path, known: KnownKeys
    ) -> None:
        self._folder = folder
        self._own = known.own.public
        self._seen = _fingerprint(folder)
        self._names = known.clients
        self._clients = {_binary(key) for key in known.clients}
        self._refused = 0
        self._socket = open_socket(context, zmq.REP, SMALL)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(ENDPOINT)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="client list", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; from now on nobody is let in."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            if self._socket.poll(200):
                self._look_again()
                self._socket.send_multipart(self._answer(self._socket.recv_multipart()))
        self._socket.close()

    def _look_again(self) -> None:
        """Take up what has changed in the folder."""
        seen = _fingerprint(self._folder)
        if seen == self._seen:
            return
        names: dict[bytes, str] = {}
        for file in _public_files(self._folder):
            try:
                key = read_public(file)
            except KeyFileError as error:
                logger.warning("a client is not let in: %s", error)
                continue
            if key != self._own:
                names[key] = file.stem
        if names != self._names:
            logger.warning("clients are now: %s", ", ".join(names.values()) or "none")
        self._seen, self._names = seen, names
        self._clients = {_binary(key) for key in names}

    def _answer(self, asked: list[bytes]) -> list[bytes]:
        """200 or 400, as ZAP has it."""
        version, request, domain, address, _identity, mechanism, *credentials = asked
        known = (
            domain == DOMAIN.encode()
            and mechanism == b"CURVE"
            and len(credentials) == 1
            and credentials[0] in self._clients
        )
        if not known:
            self._refused += 1
            if self._refused in TOLD:
                logger.warning(
                    "client %d that was not let in, from %s: its public key is not among those of"
                    " clients",
                    self._refused,
                    address.decode(errors="replace"),
                )
        status = [b"200", b"OK"] if known else [b"400", b"not among the clients"]
        return [version, request, *status, b"", b""]


def _public_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{PUBLIC}"))


def _fingerprint(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What is another one when a public key was brought, replaced or removed."""
    found = []
    for file in _public_files(folder):
        with contextlib.suppress(OSError):
            stat = file.stat()
            found.append((file.name, stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def _binary(key: bytes) -> bytes:
    from zmq.utils import z85

    return z85.decode(key)
