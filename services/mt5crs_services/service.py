"""What gateway, tape and feed share: answering backlog questions on a ROUTER socket."""

import logging
import time
from collections.abc import Callable, Mapping
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

ANSWER_FOR = 0.05
"""Seconds of answering before the owner's loop gets its turn again."""

WAITING = 64
"""Questions that are read before they are answered; more wait in the socket."""


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

    Who has had no answer for a while asks again. Of one reader's questions about a symbol only the
    newest is answered: on a busy machine they would otherwise come faster than they go.

    Args:
        context: The process's ZMQ context.
        paths: Where the socket is.
        name: The socket's name.
        rings: By symbol. The owner appends to them between two calls.
        stream: What they are filled from, where others than the market fill it too.
        monotonic: The monotonic clock, seconds.

    Attributes:
        asked: Questions answered so far; the first one shows that somebody is connected.
        answered: Those about a symbol that has a ring; nobody asks on once all is well.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        paths: VarPaths,
        name: str,
        rings: Mapping[str, TickRing],
        stream: TickStream | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.socket = bind_router(context, paths, name)
        self.asked = 0
        self.answered = 0
        self._rings = rings
        self._stream = stream
        self._monotonic = monotonic
        self._waiting: dict[tuple[bytes, str], BacklogRequest] = {}

    def timeout(self) -> float:
        """Seconds until there is something to do without the socket being ready."""
        return 0.0 if self._waiting else 3_600.0

    def serve(self, answering: bool = True, live: bool = True, simulated: bool = False) -> None:
        """Answer what waits, at least one question; the others at the next turns.

        Args:
            answering: False: say "unknown, not yet".
            live: The rings follow the market.
            simulated: That market is a feed of ours.
        """
        until = self._monotonic() + ANSWER_FOR
        self._read()
        while self._waiting:
            oldest = next(iter(self._waiting))
            request = self._waiting.pop(oldest)
            try:
                reply = replace(self._answer(request, answering), live=live)
                answer = _encode(replace(reply, simulated=simulated))
                self.socket.send_multipart([oldest[0], answer], zmq.DONTWAIT)
            except Exception as error:
                # Whatever it is that cannot be answered: it is that question's fault alone.
                logger.warning("a question that cannot be answered was ignored: %s", error)
            if self._monotonic() >= until:
                return
            self._read()

    def _read(self) -> None:
        while len(self._waiting) < WAITING:
            try:
                sender, body = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            except ValueError:
                logger.warning("a question that is not one frame was ignored")
                continue
            try:
                request = _decode(body)
            except Exception as error:
                logger.warning("a question that cannot be read was ignored: %s", error)
                continue
            # One that was asked again keeps its place.
            self._waiting[sender, request.symbol] = request

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
