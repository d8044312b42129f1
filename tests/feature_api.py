"""A feature API by the test: the three shapes of such servers, and what goes wrong with them."""

import hashlib
import json
import socketserver
import threading
import time
from collections.abc import Callable
from typing import Any

from mt5crs_worker.features import BASIC, FEATURES
from tests.system import free_port

HUGE = 64_000_000
"""Bytes of a reply that is far too long."""


def numbers(symbol: str, timestamp: str) -> dict[str, float]:
    """Features of a symbol at a time, such as a price of 1.1 has; the same for the same words."""
    digest = hashlib.blake2b(f"{symbol} {timestamp}".encode(), digest_size=18).digest()
    drawn = {name: byte / 255.0 for name, byte in zip(FEATURES, digest, strict=True)}
    return {name: _usual(name, share) for name, share in drawn.items()}


def _usual(name: str, share: float) -> float:
    if name in ("rsi_14", "bb_position"):
        return 100.0 * share if name == "rsi_14" else share
    if name.startswith(("sma_2", "sma_50", "bb_")):
        return 1.09 + 0.02 * share
    return 100.0 * (share - 0.5) if name == "rsi_momentum" else 0.002 * (share - 0.5)


def shape_a(asked: dict[str, Any]) -> Any:
    """Below features."""
    return {"status": "success", "features": numbers(asked["symbol"], asked["timestamp"])}


def shape_b(asked: dict[str, Any]) -> Any:
    """Beside symbol and timestamp."""
    return {**numbers(asked["symbol"], asked["timestamp"]), **asked}


def shape_c(asked: dict[str, Any]) -> Any:
    """By symbol."""
    found = {
        symbol: {name: numbers(symbol, "now")[name] for name in asked["features"]}
        for symbol in asked["symbols"]
    }
    return {"status": "success", "data": found, "execution_time_ms": 1.5}


def spoilt(**values: Any) -> Callable[[dict[str, Any]], Any]:
    """Shape a with some of its features replaced."""

    def answer(asked: dict[str, Any]) -> Any:
        said = shape_a(asked)
        said["features"].update(values)
        return said

    return answer


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    api: "ScriptedApi"


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        api = self.server.api
        head = []
        while (line := self.rfile.readline().strip()) != b"":
            head.append(line.decode())
        length = next((int(h.split(":")[1]) for h in head if h.lower().startswith("content-l")), 0)
        body = self.rfile.read(length)
        asked = json.loads(body) if body else {}
        if not head:
            return
        api.heard.append((head[0], asked))
        api.heads.append(head)
        try:
            api.act(self, asked)
        except KeyError:
            self._reply(422, b'{"detail": "a field is missing"}')
        except OSError:
            pass  # whoever asked has gone

    def _reply(self, status: int, body: bytes, length: int | None = None) -> None:
        size = len(body) if length is None else length
        self.wfile.write(
            f"HTTP/1.1 {status} Words\r\nContent-Length: {size}\r\n\r\n".encode() + body
        )

    def reply(self, said: Any, status: int = 200) -> None:
        """JSON, also where it is none by the book."""
        self._reply(status, json.dumps(said).encode())


Act = Callable[[_Handler, dict[str, Any]], None]


def says(answer: Callable[[dict[str, Any]], Any], status: int = 200) -> Act:
    """Answers in a shape."""
    return lambda handler, asked: handler.reply(answer(asked), status)


def sends(raw: bytes) -> Act:
    """Writes bytes, and hangs up."""
    return lambda handler, _asked: handler.wfile.write(raw)  # type: ignore[return-value]


def drips(handler: _Handler, _asked: dict[str, Any]) -> None:
    """A byte now and then, for ever: every one in time, the whole never."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.05)


def drips_headers(handler: _Handler, _asked: dict[str, Any]) -> None:
    """The same before the reply has begun."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.05)


def floods(handler: _Handler, _asked: dict[str, Any]) -> None:
    """A reply of 64 MB."""
    handler.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Length: {HUGE}\r\n\r\n".encode())
    chunk = b" " * 65_536
    for _ in range(HUGE // len(chunk)):
        handler.wfile.write(chunk)


def is_silent(handler: _Handler, _asked: dict[str, Any]) -> None:
    """Takes the question, and says nothing until the other side has gone."""
    handler.connection.settimeout(60.0)
    handler.connection.recv(1)


class ScriptedApi:
    """An HTTP server in threads of the test.

    Attributes:
        act: What it does with a question; may be changed at any time.
        heard: First line and body of what was asked.
        heads: All lines before the body.
    """

    def __init__(self, act: Act | None = None) -> None:
        self.act: Act = act or says(shape_a)
        self.heard: list[tuple[str, Any]] = []
        self.heads: list[list[str]] = []
        self.port = free_port()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "ScriptedApi":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; at the same port each time."""
        server = _Server(("127.0.0.1", self.port), _Handler)
        server.api = self
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Be gone: connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def basic(timestamp: str) -> dict[str, float]:
    """What shape c says."""
    return {name: numbers("EURUSD", timestamp)[name] for name in BASIC}
