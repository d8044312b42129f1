"""What came after this tick? Questions of readers, answers of the tape; msgpack on ipc sockets."""

import logging
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
import zmq
from msgspec import Meta

from mt5crs_shared.market.ticks import Tick, content
from mt5crs_shared.sockets.opening import LARGE, open_socket

logger = logging.getLogger(__name__)

TAIL = 8
"""Ticks in a mark, usually."""

LONGEST_TAIL = 64
"""Most ticks in a mark: more than :data:`TAIL` only while the publisher repeats older ones."""

Count = Annotated[int, Meta(ge=0, lt=2**62)]


class TickMark(msgspec.Struct, frozen=True, array_like=True):
    """Where a reader stands in a symbol's stream.

    Attributes:
        generation: The tape's run in which `seq` was counted.
        seq: Number of the last tick taken, counted by the tape from 1.
        tail: The last ticks taken, the last one last, as :func:`tail_of` chooses them; they find
            the place again where the number cannot.
    """

    generation: Count
    seq: Count
    tail: Annotated[tuple[Tick, ...], Meta(min_length=1, max_length=LONGEST_TAIL)]


def tail_of(ticks: Sequence[Tick]) -> tuple[Tick, ...]:
    """The ticks that a mark needs: the last :data:`TAIL`, or all where something is repeated.

    Repeated ticks alone do not tell whether they were taken for the first or the second time; what
    came before them does. Without times prices repeat by themselves.

    Args:
        ticks: The last :data:`LONGEST_TAIL` that were taken, or fewer.
    """
    if ticks and ticks[-1].timed:
        times = [tick.time_us for tick in ticks]
        goes_back = any(map(operator.gt, times, times[1:]))
        if goes_back or len(set(map(content, ticks))) < len(ticks):
            return tuple(ticks)
    return tuple(ticks[-TAIL:])


class BacklogRequest(msgspec.Struct, frozen=True, tag=True):
    """Ask for the ticks of a symbol after a mark; without one, for all there are."""

    request_id: Count
    symbol: str
    after: TickMark | None
    limit: Annotated[int, Meta(ge=1, le=50_000)] = 5_000


class BacklogReply(msgspec.Struct, frozen=True, tag=True):
    """Ticks from the tape.

    Attributes:
        request_id: The request's.
        symbol: The symbol.
        status: ``ok``; ``trimmed``: the mark lies before the oldest tick kept, and `missed` ticks
            are gone; ``unknown``: no such tick on the tape, or not yet.
        generation: The tape's run.
        first_seq: Number of the first tick in `ticks`.
        ticks: In the order they were published.
        newest_seq: Number of the newest tick on the tape; more to ask for while it is higher.
        history_seq: Ticks up to this number were handed over for warming up, not published.
        newest_time_us: Event time of the newest tick.
        missed: Ticks that are gone, -1 where nobody can count them.
        breaks: Numbers of ticks in `ticks` before which some may be missing: nobody of ours was
            connected then.
        simulated: The market is one of our own feeds, which waits for its readers.
        live: Whoever answers follows the market: what is newer will be here in a moment.
        newest: Number of the newest tick of every symbol at the moment of the answer: with these
            of the others, nothing is missing that was published before `ticks`.
    """

    request_id: int
    symbol: str
    status: Literal["ok", "trimmed", "unknown"]
    generation: int
    first_seq: int
    ticks: tuple[Tick, ...]
    newest_seq: int
    history_seq: int
    newest_time_us: int
    missed: int = 0
    breaks: tuple[int, ...] = ()
    simulated: bool = False
    live: bool = True
    newest: dict[str, int] = {}


_decode_reply = msgspec.msgpack.Decoder(BacklogReply).decode
_encode = msgspec.msgpack.Encoder().encode


class BacklogSources:
    """Those who can be asked, all at once; never waited for.

    Args:
        context: The process's ZMQ context.
        addresses: Where they answer.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", addresses: Iterable[str]) -> None:
        self.sockets = [_connect(context, address) for address in addresses]

    def ask(self, request: BacklogRequest) -> int:
        """Ask everybody who is connected; how many these are."""
        question = _encode(request)
        return sum(_send(socket, question) for socket in self.sockets)

    def replies(self, events: Mapping[object, int]) -> Iterator[tuple[int, BacklogReply]]:
        """What the ready sockets hold, and the number of the source that said it."""
        for number, socket in enumerate(self.sockets):
            while socket in events:
                try:
                    body = socket.recv(zmq.DONTWAIT)
                except zmq.Again:
                    break
                try:
                    reply = _decode_reply(body)
                except Exception as error:
                    # Whatever it is that cannot be read: it is that message's fault alone.
                    said = "an answer of the tape that cannot be read was ignored: %s"
                    logger.warning(said, error)
                    continue
                yield number, reply

    def close(self) -> None:
        """Give the sockets back."""
        for socket in self.sockets:
            socket.close(0)


def _connect(context: "zmq.Context[zmq.Socket[bytes]]", address: str) -> "zmq.Socket[bytes]":
    socket = open_socket(context, zmq.DEALER, LARGE)
    socket.setsockopt(zmq.RECONNECT_IVL, 10)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
    # No queue for a source that is away: it is asked again, with a newer question.
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.connect(address)
    return socket


def _send(socket: "zmq.Socket[bytes]", question: bytes) -> bool:
    """Ask; False where the source is not connected."""
    try:
        socket.send(question, zmq.DONTWAIT)
    except zmq.Again:
        return False
    return True
