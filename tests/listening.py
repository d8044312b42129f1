"""What systemd would hear: a unix datagram socket, with whoever speaks on it."""

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

from tests.system import PATIENCE


class Manager:
    """Hears words, and which process sent them.

    Args:
        address: A path, or ``@`` and an abstract name.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[tuple[int, list[str]]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def hear(self, within: float) -> list[str]:
        """The lines of the next datagram; none where none comes within so many seconds."""
        self._socket.settimeout(max(within, 0.001))
        try:
            words, ancillary, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(12))
        except TimeoutError:
            return []
        ((_, _, credentials),) = ancillary
        lines = words.decode().split("\n")
        self.heard.append((struct.unpack("3i", credentials)[0], lines))
        return lines

    def wait_for(self, line: str, within: float = PATIENCE) -> list[str]:
        """Hear on until a line comes; its datagram."""
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0.0:
            lines = self.hear(left)
            if line in lines:
                return lines
        raise AssertionError(f"not within {within:g} s: {line}; heard {self.heard}")

    @property
    def status(self) -> str:
        """The last status line that was heard."""
        lines = [line for _, lines in self.heard for line in lines]
        told = [line for line in lines if line.startswith("STATUS=")]
        return told[-1].removeprefix("STATUS=") if told else ""

    def wait_for_status(self, line: str) -> None:
        """Hear on until this is the status line."""
        if self.status != line:
            self.wait_for(f"STATUS={line}")

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def listening(address: str) -> Iterator[Manager]:
    manager = Manager(address)
    try:
        yield manager
    finally:
        manager.close()
