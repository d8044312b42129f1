"""What systemd is told of this process: that it runs, what it does, that its loop turns.

The protocol of ``sd_notify(3)``: one datagram on a unix socket. Where nobody has named a socket in
the environment, nothing is sent.
"""

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

from mt5crs_shared.process.environment import NOTIFY_SOCKET, WATCHDOG_PID, WATCHDOG_USEC

logger = logging.getLogger(__name__)

LONGEST_STATUS = 200
"""Characters of a status line."""


class ServiceManager:
    """Tells each change once, and that the loop turns in half of the time that is allowed.

    Args:
        environment: Where systemd has said whom to tell; empty: nobody is told.
        monotonic: The monotonic clock, seconds.
    """

    def __init__(
        self, environment: Mapping[str, str], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = environment.get(NOTIFY_SOCKET, "")
        self._watchdog = _watchdog_interval(environment) if self._address else None
        self._monotonic = monotonic
        self._ready = False
        self._reloading = False
        self._stopping = False
        self._status = ""
        self._next_sign = 0.0
        self._refused = False

    @property
    def listens(self) -> bool:
        """Somebody is told; otherwise there is nothing to be made for it."""
        return bool(self._address)

    def on_turn(self, up: bool, reloading: str, stopping: bool, status: str) -> None:
        """The loop has turned once more; waits for nothing.

        Args:
            up: The start is over.
            reloading: What a reload waits for; empty: none is under way.
            stopping: The end has begun.
            status: One line for people, while there is no reload.
        """
        if not self._address:
            return
        words = self._changes(up, bool(reloading), stopping)
        line = " ".join((reloading or status).split())[:LONGEST_STATUS]
        if line != self._status:
            words.append(f"STATUS={line}")
        now = self._monotonic()
        if self._watchdog is not None and now >= self._next_sign:
            words.append("WATCHDOG=1")
        if words and self._send("\n".join(words)):
            self._ready = self._ready or up
            self._reloading, self._stopping, self._status = bool(reloading), stopping, line
            self._next_sign = now + (self._watchdog or 0.0)

    def _changes(self, up: bool, reloading: bool, stopping: bool) -> list[str]:
        if stopping:
            return [] if self._stopping else ["STOPPING=1"]
        if self._ready and reloading and not self._reloading:
            # By the clock that systemd means, whatever ours is.
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
            return ["RELOADING=1", f"MONOTONIC_USEC={now}"]
        if (up and not self._ready) or (self._reloading and not reloading):
            return ["READY=1"]
        return []

    def _send(self, words: str) -> bool:
        """Whether it has left; what has not is tried again at the next turn."""
        try:
            send_words(self._address, words)
        except OSError as error:
            if not self._refused:
                logger.warning("%s %s takes no word: %s", NOTIFY_SOCKET, self._address, error)
            self._refused = True
            return False
        self._refused = False
        return True


def send_words(address: str, words: str) -> None:
    """Send one datagram, without waiting.

    Args:
        address: A path, or ``@`` and an abstract name, as ``NOTIFY_SOCKET`` has it.
        words: Lines of ``NAME=VALUE``.

    Raises:
        OSError: Nobody is there, or does not read.
    """
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.connect(name)
        line.send(words.encode())


def _watchdog_interval(environment: Mapping[str, str]) -> float | None:
    """Seconds between two signs of life: half of what is allowed; None: nobody waits for them."""
    if environment.get(WATCHDOG_PID, str(os.getpid())) != str(os.getpid()):
        return None
    with contextlib.suppress(ValueError):
        allowed = int(environment.get(WATCHDOG_USEC, ""))
        if allowed > 0:
            return allowed / 2e6
    return None
