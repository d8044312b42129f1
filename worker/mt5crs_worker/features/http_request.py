"""One HTTP question in a thread of its own, so that the one loop of a process never waits for it.

The thread owns name resolution, TLS and the reply's framing, all the standard library's. The loop
waits on a descriptor, and lets go when its time is over: what comes later is nobody's.
"""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, urlsplit

import msgspec

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.wording import ERROR_LENGTH, describe_error, one_line
from mt5crs_worker.features.replies import MOST_BYTES, words_of_refusal


class RequestError(Mt5crsError):
    """A question that brought no reply. The bar is decided as the strategy's `on_failure` says."""


class HttpReply(msgspec.Struct, frozen=True):
    """What a server answered.

    Attributes:
        status: 200 and so on.
        reason: Its words.
        body: At most `MOST_BYTES` and one more byte, by which a longer one is known.
    """

    status: int
    reason: str
    body: bytes


class HttpRequest:
    """A question that is under way from the moment this is made.

    Args:
        url: The server, perhaps with a path; `path` is put behind that.
        path: E.g. ``/features/latest``.
        body: What is posted, JSON.
        headers: Besides those of HTTP itself.
        seconds: After which the thread gives up by itself, as far as sockets let it.

    Raises:
        RequestError: The machine has no descriptor or no thread left for it.
    """

    def __init__(
        self,
        url: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        seconds: float,
    ) -> None:
        self._parts = urlsplit(url)
        self._path = self._parts.path.rstrip("/") + path
        self._body = body
        self._headers = {"Connection": "close", "Content-Type": "application/json", **headers}
        self._seconds = seconds
        self._socket: socket.socket | None = None
        self._closed = False
        self._found: HttpReply | RequestError | None = None
        try:
            self._done, self._tell = socket.socketpair()
        except OSError as error:
            raise RequestError(f"nothing to ask with: {error}") from error
        self._thread = threading.Thread(target=self._run, name="feature-api", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._done.close()
            self._tell.close()
            raise RequestError(f"no thread to ask with: {error}") from error

    @property
    def under_way(self) -> bool:
        """Its thread has found nothing out yet, whoever still waits for it."""
        return self._found is None and self._thread.is_alive()

    def fileno(self) -> int:
        """A descriptor that can be read when the reply is there."""
        return self._done.fileno()

    def reply(self) -> HttpReply | None:
        """What came, if it has.

        Raises:
            RequestError: It failed.
        """
        found = self._found
        if isinstance(found, RequestError):
            raise found
        return found

    def close(self) -> None:
        """Let go, whatever it is doing: a peer that never ends is not listened to any more."""
        self._closed = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._done.close()

    def _run(self) -> None:
        try:
            self._found = self._exchange()
        except Exception as error:
            self._found = RequestError(_in_words(error))
        finally:
            with contextlib.suppress(OSError):
                self._tell.send(b".")
            self._tell.close()

    def _exchange(self) -> HttpReply:
        with contextlib.closing(_connection(self._parts, self._seconds)) as connection:
            connection.connect()
            # The connection forgets its socket with the head of the reply, long before its end.
            self._socket = connection.sock
            if self._closed:
                raise RequestError("nobody waits for it any more")
            connection.request("POST", self._path, self._body, self._headers)
            with connection.getresponse() as answer:
                body = answer.read(MOST_BYTES + 1)
                return HttpReply(answer.status, answer.reason, body)


Wait = Callable[[HttpRequest, float], object]
"""Waits until a request can be read or so many seconds are over; may return early."""


def finish(
    request: HttpRequest,
    until: float,
    wait: Wait,
    monotonic: Callable[[], float] = time.monotonic,
) -> HttpReply:
    """Wait for the whole reply, and let go of the request.

    Args:
        request: What is under way.
        until: Monotonic time after which nobody waits any more, seconds.
        wait: Serves whoever has to be served meanwhile.
        monotonic: The monotonic clock, seconds.

    Raises:
        RequestError: There was no reply, or not in time.
    """
    try:
        while (left := until - monotonic()) > 0.0:
            reply = request.reply()
            if reply is not None:
                return reply
            wait(request, left)
    finally:
        request.close()
    raise RequestError("no whole reply in time")


def refused_in_words(reply: HttpReply) -> str:
    """What a reply other than 200 says, in words."""
    is_elsewhere = 300 <= reply.status < 400
    elsewhere = ": it is somewhere else; write its last address"
    said = elsewhere if is_elsewhere else words_of_refusal(reply.body)
    return one_line(f"{reply.status} {reply.reason}{said}", ERROR_LENGTH)


def _connection(parts: SplitResult, seconds: float) -> http.client.HTTPConnection:
    host = parts.hostname or "localhost"
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=seconds)
    return http.client.HTTPConnection(host, parts.port, timeout=seconds)


def _in_words(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there (connection refused)"
    if isinstance(error, TimeoutError):
        return "no reply in time"
    if isinstance(error, socket.gaierror):
        return f"the host's name is not known here ({error.strerror})"
    if isinstance(error, http.client.HTTPException):
        return f"no HTTP, or cut off ({describe_error(error)})"
    return describe_error(error, lambda _file: True)
