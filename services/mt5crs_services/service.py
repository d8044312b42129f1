"""What gateway, tape and feed share: answering backlog questions on a ROUTER socket."""

import logging
from collections.abc import Mapping
from typing import Literal

import msgspec
import zmq
from msgspec.structs import replace

from mt5crs_services.ring import TickRing
from mt5crs_shared.market.backlog import BacklogReply, BacklogRequest
from mt5crs_shared.market.stream import TickStream
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.sockets.opening import SMALL, bind_own, open_socket

logger = logging.getLogger(__name__)

_decode = msgspec.msgpack.Decoder(BacklogRequest).decode
_encode = msgspec.msgpack.Encoder().encode

ANSWERS_AT_ONCE = 64
"""Questions answered before the owner's loop gets its turn again."""


def bind_router(
    context: "zmq.Context[zmq.Socket[bytes]]", paths: VarPaths, name: str
) -> "zmq.Socket[bytes]":
    """Open the ROUTER socket of a service; a file left by a killed process is taken over."""
    router = open_socket(context, zmq.ROUTER, SMALL)
    router.setsockopt(zmq.SNDHWM, 0)
    router.setsockopt(zmq.LINGER, 100)
    # A client that was respawned under its own name takes its predecessor's place at once.
    router.setsockopt(zmq.ROUTER_HANDOVER, 1)
    bind_own(router, paths.endpoint(name))
    return router


class BacklogServer:
    """Answers "what came after X?" from rings.

    Args:
        context: The process's ZMQ context.
        paths: Where the socket is.
        name: The socket's name.
        rings: By symbol. The owner appends to them between two calls.
        stream: What they are filled from, where others than the market fill it too.

    Attributes:
        asked: Questions read so far; the first one shows that somebody is connected.
        answered: Those about a symbol that has a ring; nobody asks on once all is well.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        paths: VarPaths,
        name: str,
        rings: Mapping[str, TickRing],
        stream: TickStream | None = None,
    ) -> None:
        self.socket = bind_router(context, paths, name)
        self.asked = 0
        self.answered = 0
        self._rings = rings
        self._stream = stream

    def serve(self, answering: bool = True, live: bool = True, simulated: bool = False) -> None:
        """Answer what waits.

        Args:
            answering: False: say "unknown, not yet".
            live: The rings follow the market.
            simulated: That market is a feed of ours.
        """
        for _ in range(ANSWERS_AT_ONCE):
            try:
                sender, body = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            except ValueError:
                logger.warning("a question that is not one frame was ignored")
                continue
            try:
                reply = replace(self._answer(_decode(body), answering), live=live)
                answer = _encode(replace(reply, simulated=simulated))
                self.socket.send_multipart([sender, answer], zmq.DONTWAIT)
            except Exception as error:
                # Whatever it is that cannot be answered: it is that question's fault alone.
                logger.warning("a question that cannot be answered was ignored: %s", error)

    def _answer(self, request: BacklogRequest, answering: bool) -> BacklogReply:
        self.asked += 1
        ring = self._rings.get(request.symbol)
        if ring is not None and answering:
            self.answered += 1
            newest = {name: other.newest_seq for name, other in self._rings.items()}
            own, joined = None, True
            if self._stream is not None:
                own = self._stream.mark(request.symbol)
                joined = self._stream.follows(request.symbol)
            return replace(ring.answer(request, own, joined), newest=newest)
        # A reader that wants everything of a symbol that we never had has it all.
        return _empty(request, "ok" if answering and request.after is None else "unknown")

    def close(self) -> None:
        """Give the socket back."""
        self.socket.close()


def _empty(request: BacklogRequest, status: Literal["ok", "unknown"]) -> BacklogReply:
    return BacklogReply(
        request_id=request.request_id,
        symbol=request.symbol,
        status=status,
        generation=0,
        first_seq=1,
        ticks=(),
        newest_seq=0,
        history_seq=0,
        newest_time_us=0,
    )
