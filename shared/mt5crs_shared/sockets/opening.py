"""Every socket of ours is opened here: with a bound on what it receives, and for this user alone.

Who sends more than the bound is disconnected by libzmq, before it has taken the message in.
"""

import ipaddress
import os
from typing import Final
from urllib.parse import urlsplit

import zmq

SMALL: Final = 65_536
"""Bytes of a question: an order, a lease, a subscription."""

MEDIUM: Final = 4 << 20
"""Bytes of a beat, also of the gateway's with all of its positions, and of an answer to one."""

LARGE: Final = 64 << 20
"""Bytes of what is said of everybody: status, trading, ticks that a reader has missed."""


def open_socket(
    context: "zmq.Context[zmq.Socket[bytes]]", kind: int, largest: int
) -> "zmq.Socket[bytes]":
    """A socket.

    Args:
        context: The process's ZMQ context.
        kind: ``zmq.ROUTER``, ``zmq.SUB`` ...
        largest: Bytes of the largest message that it takes; who sends more is disconnected.
    """
    socket = context.socket(kind)
    socket.setsockopt(zmq.MAXMSGSIZE, largest)
    return socket


def bind_own(socket: "zmq.Socket[bytes]", endpoint: str) -> None:
    """Listen; on an ipc address for processes of this user alone.

    The folder of the sockets is closed to others already; the kernel says once more who connects,
    where somebody has opened it.

    Raises:
        zmq.ZMQError: It cannot be listened on.
    """
    socket.setsockopt(zmq.IPC_FILTER_UID, os.getuid())
    socket.bind(endpoint)


def is_local(url: str) -> bool:
    """Whether an address leads nowhere beyond this machine: ``ipc://``, or a loopback host.

    A host's name is not looked up: what it leads to may change.
    """
    if not url.startswith("tcp:"):
        return True
    try:
        host = urlsplit(url).hostname
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
