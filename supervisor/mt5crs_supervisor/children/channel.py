"""The supervisor's sockets toward its children, and toward the gateway for fencing."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator

import msgspec
import zmq

from mt5crs_shared.messages import Fence, FromChild, FromSupervisor
from mt5crs_shared.process.installation import Installation, Speaker
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.sockets.opening import LARGE, MEDIUM, bind_own, open_socket
from mt5crs_shared.trading.operator_requests import ClosePositions
from mt5crs_shared.wording import TOLD

logger = logging.getLogger(__name__)

_decode = msgspec.msgpack.Decoder(FromChild).decode
_encode = msgspec.msgpack.Encoder().encode


NOW, MORE = int(zmq.DONTWAIT), int(zmq.SNDMORE)
"""Flags as numbers: adding zmq's enums up takes longer than the call."""

PROVED = 10_000
"""Senders that are remembered, so that not each of their beats has to be proved anew."""

WAITING = 256
"""Messages that wait of one child; one that floods is held back, and nobody else."""

AT_ONCE = 5_000
"""Messages read in one go, by turns of their senders; more than all children say in ten turns."""

LAST_WORDS = 0.03
"""Seconds that a message may come after the death of its sender, who waited until it was sent."""


class ChildChannel:
    """Reads what children say, and speaks to them; never waits for anybody.

    Args:
        context: The supervisor's ZMQ context.
        paths: Where the sockets are.
        installation: Who may speak.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        paths: VarPaths,
        installation: Installation,
    ) -> None:
        self._installation = installation
        self._proved: dict[bytes, Speaker | None] = {}
        self._refused = 0
        self._children = open_socket(context, zmq.ROUTER, MEDIUM)
        self._children.setsockopt(zmq.RCVHWM, WAITING)
        self._children.setsockopt(zmq.ROUTER_HANDOVER, 1)
        bind_own(self._children, paths.endpoint("supervisor"))
        self._gateway = open_socket(context, zmq.DEALER, LARGE)
        self._gateway.setsockopt(zmq.IDENTITY, installation.identity("supervisor", 0))
        self._gateway.setsockopt(zmq.RECONNECT_IVL, 20)
        self._gateway.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
        self._gateway.connect(paths.endpoint("gateway"))

    def read(self) -> Iterator[FromChild]:
        """What children have said since the last call; of a flood, a part."""
        for _ in range(AT_ONCE):
            # Sender and message. Fifty children beat a hundred times a second, and recv_multipart
            # costs twice as much.
            try:
                sender = self._children.recv(NOW)
                body = self._children.recv(NOW)
            except zmq.Again:
                return
            while self._children.getsockopt(zmq.RCVMORE):
                body = b""
                self._children.recv(NOW)
            try:
                message = _decode(body)
            except Exception as error:
                # Whatever it is that cannot be read: it is that message's fault alone.
                self._refuse(f"a message that cannot be read: {error}")
                continue
            if self._speaker(sender) == (message.name, message.epoch):
                yield message
            else:
                self._refuse(f"a {type(message).__name__} of {message.name} that is not from it")

    def _speaker(self, sender: bytes) -> Speaker | None:
        if sender not in self._proved:
            if len(self._proved) > PROVED:
                self._proved.clear()
            self._proved[sender] = self._installation.speaker(sender)
        return self._proved[sender]

    def _refuse(self, what: str) -> None:
        self._refused += 1
        if self._refused in TOLD:
            logger.warning("message %d that was ignored: %s", self._refused, what)

    def wait_for_last_words(
        self, take: Callable[[FromChild], None], enough: Callable[[], bool]
    ) -> None:
        """Wait a moment for the last words of a process that has just ended by itself.

        Args:
            take: Gets every message that comes meanwhile.
            enough: They have come.
        """
        deadline = time.monotonic() + LAST_WORDS
        while not enough() and (left := deadline - time.monotonic()) > 0.0:
            self._children.poll(round(left * 1000))
            for message in self.read():
                take(message)

    def send(self, name: str, epoch: int, message: FromSupervisor) -> None:
        """Speak to one spawn of a child; where it does not listen, nothing happens."""
        with contextlib.suppress(zmq.ZMQError):
            self._children.send(self._installation.identity(name, epoch), NOW | MORE)
            self._children.send(_encode(message), NOW)

    def fence(self, strategy: str, epoch: int) -> None:
        """Tell the gateway to refuse earlier spawns of a strategy."""
        with contextlib.suppress(zmq.Again):
            self._gateway.send(_encode(Fence(strategy, epoch)), zmq.DONTWAIT)

    def close_positions(self, request: ClosePositions) -> None:
        """Ask the gateway for it; what it answers, its next beat says too."""
        with contextlib.suppress(zmq.Again):
            self._gateway.send(_encode(request), zmq.DONTWAIT)
        with contextlib.suppress(zmq.Again):
            while True:
                self._gateway.recv(zmq.DONTWAIT)  # to earlier requests

    def close(self) -> None:
        """Give the sockets back."""
        self._children.close(0)
        self._gateway.close(0)
