"""What becomes of a socket's connection: made, lost, or refused, and why."""

import contextlib
import logging
import struct
import time
from collections.abc import Callable, Iterator
from typing import Final

import zmq

from mt5crs_shared.sockets.curve import CurveKeys, speak_curve
from mt5crs_shared.sockets.opening import SMALL, open_socket

logger = logging.getLogger(__name__)

REFUSED: Final = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)
WATCHED: Final = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | REFUSED
)

EVENT: Final = struct.Struct("=Hi")
"""The first frame that a monitor is sent: event and value; see zmq_socket_monitor(3).

`zmq.utils.monitor` unpacks it too, and imports asyncio: 25 ms of a start, and 3 MB of each process.
"""

AGAIN_AFTER: Final = 0.2
"""Seconds after which a connection that libzmq has given up is made anew."""

REFUSED_FOR: Final = 2.0
"""The same after a handshake that was refused: somebody has to do something first."""

NOT_LET_IN = "it does not let us in: our public key is not among those of its clients"
NOT_THAT_KEY = "it ends the handshake: its key is not the one in server_key, or it speaks no CURVE"
NO_CURVE = "it speaks no CURVE: give it keys, or take server_key away"
WANTS_KEYS = "it speaks CURVE alone: name the file with its public key as server_key"
ENDS_EARLY = "it ends every connection before it says anything: perhaps it wants keys (server_key)"

EARLY_ENDS: Final = 3
"""Ends in a row of which that is said: of one, somebody was just being started or stopped."""


class Connection:
    """The one connection of a socket that connects.

    libzmq connects again by itself where the other side has gone. Where that has broken the
    protocol (a message over the bound, no CURVE, a refused key) it does so no more, and says
    nothing of it; then it is done here, in `mend`.

    Args:
        socket: With all its options, not connected yet.
        url: Where it is connected to.
        keys: What it is made with; None: it is in the clear.
        monotonic: The monotonic clock, seconds.

    Attributes:
        connected: Somebody is at the other end.
        refusal: Why the last handshake failed, in words; empty: it did not.
        monitor: Wakes a poller when there is something to look at.
        socket: The socket.
    """

    def __init__(
        self,
        socket: "zmq.Socket[bytes]",
        url: str,
        keys: CurveKeys | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connected = False
        self.refusal = ""
        self.socket = socket
        self._url = url
        self._encrypted = keys is not None
        # Peers that speak an older protocol have no handshake that could succeed.
        self._made = zmq.EVENT_HANDSHAKE_SUCCEEDED if keys is not None else zmq.EVENT_CONNECTED
        self._monotonic = monotonic
        self._mend_at: float | None = None
        self._met = False
        self._ended_early = 0
        if keys is not None:
            speak_curve(socket, keys)
        self.monitor = _monitor(socket)
        socket.connect(url)

    @property
    def absence(self) -> str:
        """That nobody is there, and why the last handshake failed; empty: somebody is."""
        if self.connected:
            return ""
        return f"not connected to {self._url}" + (f": {self.refusal}" if self.refusal else "")

    def changes(self) -> Iterator[bool]:
        """Take what has happened since: True where a connection was made, False where it ended."""
        while readable(self.monitor):
            event, value = EVENT.unpack(self.monitor.recv_multipart()[0])
            if event & REFUSED:
                self._note(event, value)
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED or (
                event == zmq.EVENT_CONNECT_RETRIED and not self._met
            ):
                # Where nobody listens any more, nobody refuses.
                self.refusal, self._ended_early = "", 0
            self._met = event != zmq.EVENT_CONNECT_RETRIED
            if event == zmq.EVENT_DISCONNECTED or event & REFUSED:
                self._mend_at = self._monotonic() + (REFUSED_FOR if self.refusal else AGAIN_AFTER)
            else:
                self._mend_at = None
            if event == self._made:
                self.connected = True
                yield True
            elif event == zmq.EVENT_DISCONNECTED and self.connected:
                self.connected = False
                yield False

    def mend(self) -> None:
        """Connect anew where libzmq has given up."""
        if self._mend_at is None or self._monotonic() < self._mend_at or readable(self.monitor):
            # What waits to be looked at may say that it is connected already.
            return
        self._mend_at = None
        with contextlib.suppress(zmq.ZMQError):
            self.socket.disconnect(self._url)
        self.socket.connect(self._url)

    def next_due(self) -> float:
        """Seconds until `mend` has something to do."""
        return 3_600.0 if self._mend_at is None else max(self._mend_at - self._monotonic(), 0.0)

    def close(self) -> None:
        """Give the monitor back, and the socket; what is queued is thrown away."""
        self.socket.disable_monitor()
        self.socket.close(0)
        self.monitor.close(0)

    def _note(self, event: int, value: int) -> None:
        before = self.refusal
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self.refusal = NOT_LET_IN
        elif event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            self._ended_early += 1
            if self._encrypted and self.refusal != NO_CURVE:
                self.refusal = NOT_THAT_KEY
            elif self._ended_early >= EARLY_ENDS and not self.refusal:
                self.refusal = ENDS_EARLY
        elif value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
            self.refusal = NO_CURVE if self._encrypted else WANTS_KEYS
        else:
            self.refusal = f"the handshake failed (protocol error {value:#x})"
        if self.refusal != before:
            logger.warning("%s: %s", self._url, self.refusal)


def _monitor(socket: "zmq.Socket[bytes]") -> "zmq.Socket[bytes]":
    """Where libzmq says what becomes of a socket's connections.

    pyzmq's own has a bound: where nobody has looked for a while, libzmq waits at it, and with it
    everything in the process, the end of the socket included.
    """
    address = f"inproc://connection-{int(socket.getsockopt(zmq.FD))}"
    socket.monitor(address, WATCHED)
    monitor = open_socket(socket.context, zmq.PAIR, SMALL)
    monitor.setsockopt(zmq.RCVHWM, 0)
    monitor.connect(address)
    return monitor


def readable(socket: "zmq.Socket[bytes]") -> bool:
    """Whether a message waits in a socket."""
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)
