"""Real child processes for tests: spawn them, hear their beats, publish ticks to them."""

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec
import zmq

from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market import wire
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import (
    Beat,
    ChildSpec,
    FromChild,
    FromGateway,
    FromSupervisor,
    Hello,
    Kind,
    Lease,
    Ready,
    Register,
    Registered,
    Submit,
    ToGateway,
    Touched,
    Unregistered,
)
from mt5crs_shared.process import entry
from mt5crs_shared.process.installation import load_or_make
from mt5crs_shared.process.paths import VarPaths
from tests.system import free_port

T = TypeVar("T")

DEADLINE = 20.0
"""Seconds that a test waits for anything."""

ENTRIES: dict[Kind, str] = {
    "gateway": "mt5crs_services.gateway.server:run_gateway",
    "tape": "mt5crs_services.tape.server:run_tape",
    "feed": "mt5crs_services.feed.server:run_feed",
    "strategy": "mt5crs_worker.process.main:run_strategy",
}

_encode = msgspec.msgpack.Encoder().encode


def wait_for(condition: Callable[[], T | None], what: str = "", deadline: float = DEADLINE) -> T:
    """What `condition` returns once it is neither None nor False."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        found = condition()
        if found is not None and found is not False:
            return found
        time.sleep(0.005)
    raise AssertionError(f"not within {deadline:g} s: {what or condition}")


def make_spec(
    kind: Kind, config: Config, var: Path, epoch: int = 1, name: str = "", lease: float = 3600.0
) -> ChildSpec:
    """The spec of a child of an installation in `var`."""
    now = time.monotonic()
    paths = VarPaths(var)
    paths.create()
    known = load_or_make(paths.installation)
    return ChildSpec(
        name=name or kind,
        kind=kind,
        entry=ENTRIES[kind],
        epoch=epoch,
        config_path=config.path,
        config_hash="test",
        var_dir=str(var),
        payload=msgspec.json.encode(config),
        spawned=now,
        lease=granted(var, name or kind, epoch, lease),
        identity=known.identity(name or kind, epoch),
        installation=known.id,
    )


def granted(var: Path, name: str, epoch: int = 1, seconds: float = 3600.0) -> Lease:
    """A lease as the supervisor of this installation grants it."""
    known = load_or_make(VarPaths(var).installation)
    return known.lease(name, epoch, time.monotonic() + seconds)


@contextlib.contextmanager
def spawn_child(spec: ChildSpec) -> Iterator[SpawnProcess]:
    """A child in a process of its own; killed at the end if it lives."""
    VarPaths.of(spec).create()
    process = multiprocessing.get_context("spawn").Process(
        target=entry.run_child, args=(_encode(spec), "mt5crs_services.preload"), name=spec.name
    )
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join(DEADLINE)


class Supervisor:
    """The supervisor's socket: keeps what children say, and talks back."""

    def __init__(self, var: Path) -> None:
        paths = VarPaths(var)
        paths.create()
        self._context: zmq.Context[Any] = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._router.setsockopt(zmq.LINGER, 0)
        self._router.bind(paths.endpoint("supervisor"))
        self._var = var
        self._identities: dict[str, bytes] = {}
        self.messages: list[FromChild] = []
        self._beats: dict[tuple[str, int], Beat] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._router.close()
        self._context.term()

    def read(self) -> list[FromChild]:
        """Everything that was said so far."""
        while self._router.poll(0):
            identity, body = self._router.recv_multipart()
            message: FromChild = msgspec.msgpack.decode(body, type=FromChild)
            self._identities[message.name] = identity
            if isinstance(message, Beat):
                known = (message.name, message.epoch)
                message = self._beats[known] = message.after(self._beats.get(known))
            self.messages.append(message)
        return self.messages

    def say(self, name: str, word: FromSupervisor) -> None:
        """Send a word to a child that has spoken."""
        self._router.send_multipart([self._identities[name], _encode(word)])

    def hello(self, name: str, epoch: int = 1) -> Hello:
        """A child's first word."""
        return wait_for(lambda: self._find(Hello, name, epoch), f"hello of {name} {epoch}")

    def ready(self, name: str, epoch: int = 1) -> Ready:
        """A child's word that boot is over."""
        return wait_for(lambda: self._find(Ready, name, epoch), f"ready of {name} {epoch}")

    def beat(
        self, name: str, condition: Callable[[Beat], bool] = lambda _: True, epoch: int = 1
    ) -> Beat:
        """The newest beat of a child once it is as asked."""

        def newest() -> Beat | None:
            beat = self._find(Beat, name, epoch)
            return beat if beat is not None and condition(beat) else None

        return wait_for(newest, f"a beat of {name} {epoch}")

    def lease(self, name: str, epoch: int, seconds: float) -> None:
        """Renew a child's lease."""
        self.say(name, granted(self._var, name, epoch, seconds))

    def _find(self, kind: type[T], name: str, epoch: int) -> T | None:
        for message in reversed(self.read()):
            if isinstance(message, kind) and (message.name, message.epoch) == (name, epoch):  # type: ignore[attr-defined]
                return message
        return None


class Publisher:
    """A market socket that publishes ticks as our own feeds do."""

    def __init__(self, url: str = "") -> None:
        self.url = url or f"tcp://127.0.0.1:{free_port()}"
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(self.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._context.term()

    def publish(self, *ticks: Tick) -> None:
        """Send ticks, in order."""
        for tick in ticks:
            self._socket.send(wire.encode(tick))


class GatewayCaller:
    """A strategy's side of the gateway's socket."""

    def __init__(self, var: Path, strategy: str, epoch: int = 1) -> None:
        self._epoch = epoch
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        paths = VarPaths(var)
        paths.create()
        known = load_or_make(paths.installation)
        self._socket.setsockopt(zmq.IDENTITY, known.identity(strategy, epoch))
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 10)
        self._socket.connect(VarPaths(var).endpoint("gateway"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._context.term()

    def send(self, message: ToGateway) -> None:
        """Send without waiting for an answer."""
        self._socket.send(_encode(message))

    def send_raw(self, *frames: bytes) -> None:
        """Send what is no message."""
        self._socket.send_multipart(list(frames))

    def receive(self, deadline: float = DEADLINE) -> FromGateway:
        """The next message."""
        assert self._socket.poll(round(deadline * 1000)), "the gateway said nothing"
        message: FromGateway = msgspec.msgpack.decode(self._socket.recv(), type=FromGateway)
        return message

    def ask(self, message: ToGateway) -> FromGateway:
        """Send, and take the next message; a gateway that has begun anew is introduced to first."""
        self.send(message)
        answer = self.receive()
        while isinstance(answer, Unregistered) and not isinstance(message, Submit | Touched):
            answer = self.receive()  # that was said to an earlier message
        if isinstance(answer, Unregistered):
            self.send(Register(answer.strategy, self._epoch))
            while isinstance(answer, Unregistered):
                answer = self.receive()  # it calls again until it has been heard
            assert isinstance(answer, Registered)
            self.send(message)
            answer = self.receive()
        return answer
