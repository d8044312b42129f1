"""The supervisor's sockets toward its children, and toward the gateway for fencing."""

import contextlib
import logging
from collections.abc import Iterator

import msgspec
import zmq

from mt5crs_shared.messages import Fence, FromChild, FromSupervisor
from mt5crs_shared.paths import VarPaths

logger = logging.getLogger(__name__)

_decode = msgspec.msgpack.Decoder(FromChild).decode
_encode = msgspec.msgpack.Encoder().encode


class Links:
    """Reads what children say, and speaks to them; never waits for anybody.

    Args:
        context: The supervisor's ZMQ context.
        paths: Where the sockets are.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", paths: VarPaths) -> None:
        self._children = context.socket(zmq.ROUTER)
        self._children.setsockopt(zmq.RCVHWM, 0)
        self._children.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._children.bind(paths.endpoint("supervisor"))
        self._gateway = context.socket(zmq.DEALER)
        self._gateway.setsockopt(zmq.RECONNECT_IVL, 20)
        self._gateway.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
        self._gateway.connect(paths.endpoint("gateway"))

    def read(self) -> Iterator[FromChild]:
        """Everything that children have said since the last call."""
        while True:
            try:
                frames = self._children.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            try:
                yield _decode(frames[-1])
            except msgspec.MsgspecError as error:
                logger.warning("a child's message cannot be read: %s", error)

    def send(self, name: str, epoch: int, message: FromSupervisor) -> None:
        """Speak to one spawn of a child; where it does not listen, nothing happens."""
        address = f"{name}:{epoch}".encode()
        with contextlib.suppress(zmq.ZMQError):
            self._children.send_multipart([address, _encode(message)], zmq.DONTWAIT)

    def fence(self, strategy: str, epoch: int) -> None:
        """Tell the gateway to refuse earlier spawns of a strategy."""
        with contextlib.suppress(zmq.Again):
            self._gateway.send(_encode(Fence(strategy, epoch)), zmq.DONTWAIT)

    def close(self) -> None:
        """Give the sockets back."""
        self._children.close(0)
        self._gateway.close(0)
