"""One step of a fuzzing run: something is done to a scene, and looked at what came of it."""

import contextlib
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Literal

import msgspec
import zmq

from benchmarks.fuzzing import bodies, files, valid
from benchmarks.fuzzing.scene import STRATEGIES, SYMBOL_OF, Death, Scene, Violation, fallen
from mt5crs_shared.process import installation
from mt5crs_supervisor.chaos.campaign_system import ChaosError, send_signal

MESSAGES = 60
"""In a step."""

CONNECTIONS = 1_000
LATER = 2.5
"""Seconds that the system has for stumbling over a file."""

Act = Literal["messages", "connections", "file", "file between runs"]
WEIGHTS: dict[Act, int] = {"messages": 10, "connections": 1, "file": 10, "file between runs": 2}


Cell = tuple[str, str]
"""What was done, and where."""


class Result(msgspec.Struct, frozen=True):
    """What a step did and what came of it.

    Attributes:
        said: What was done, for people.
        counts: What was sent or replaced: of which kind, and where.
        deaths: Who fell and was allowed to.
        violations: What must not happen.
    """

    said: str
    counts: Counter[Cell]
    deaths: list[Death]
    violations: list[Violation]


def step(scene: Scene, act: Act, random: Random, aside: Path) -> Result:
    """Do one thing.

    Raises:
        ChaosError: The supervisor is gone, or does not answer.
    """
    if act == "messages":
        return _messages(scene, random)
    if act == "connections":
        return _connections(scene, random)
    return _file(scene, random, aside, between=act == "file between runs")


NOT_ITS_LEDGER = "the ledger does not know it"
"""What a strategy says of another ledger, or an older copy."""


def _judge(
    scene: Scene, before: dict[str, int], since: float, allowed: set[str], hit: str = ""
) -> tuple[list[Death], list[Violation]]:
    """Who fell, who was not allowed to, and who does not come back."""
    deaths, violations = [], []
    try:
        report = scene.settle(since)
    except ChaosError as error:
        if scene.exited is not None:
            raise
        violations.append(Violation("somebody", str(error)))
        report = scene.status()
    for death in fallen(before, report):
        # Without its own past in the ledger a strategy trades no more, and says so: it is meant to.
        if death.who in allowed or (hit == "gateway" and NOT_ITS_LEDGER in death.cause):
            deaths.append(death)
        else:
            violations.append(
                Violation(death.who, f"died although {hit or 'nobody'} was hit: {death.cause}")
            )
    return deaths, violations


# Messages


def _messages(scene: Scene, random: Random) -> Result:
    before = scene.epochs()
    target = random.choice([*_sockets(scene), *(["market"] * (scene.publisher is not None) * 3)])
    counts: Counter[Cell] = Counter()
    allowed: set[str] = set()
    since = time.monotonic()
    if target == "market":
        assert scene.publisher is not None
        for _ in range(MESSAGES * 5):
            kind, frames = bodies.frames(random, valid.market())
            counts[kind, target] += 1
            scene.publisher.send(_topical(random, frames))
    else:
        borrowed = random.choice(
            ("none", "none", "of nobody", "of a strategy", "of the supervisor")
        )
        victim = random.choice(STRATEGIES)["name"]
        # Who has the installation's secret can be a strategy; that one may suffer, no other.
        allowed = {victim} if borrowed == "of a strategy" else set()
        identity = _identity(scene, borrowed, victim, before[victim])
        for kind, frames in _to(scene, random, target, identity, victim, before[victim]):
            counts[kind, target] += 1
            del frames
    deaths, violations = _judge(scene, before, since, allowed)
    # Whose name was borrowed is not heard any more, where it was a name for the supervisor.
    violations += scene.heal(allowed if target == "supervisor" else ())
    return Result(f"{sum(counts.values())} messages to {target}", counts, deaths, violations)


def _sockets(scene: Scene) -> list[str]:
    return [name for name in valid.MAKERS if name != "feed" or scene.market == "feed"]


def _topical(random: Random, frames: list[bytes]) -> list[bytes]:
    """With a beginning that is subscribed to, mostly: what is not does not even arrive."""
    known = (b"EUR", b"USD", b"{", b"tick.", b"TICK")
    if frames[0].startswith(known) or not random.randrange(4):
        return frames
    return [b"EURUSD " + frames[0], *frames[1:]]


def _identity(scene: Scene, borrowed: str, victim: str, epoch: int) -> bytes | None:
    known = installation.load_installation(scene.paths.installation)
    match borrowed:
        case "of nobody":
            return known.identity("nobody", 1)
        case "of a strategy":
            return known.identity(victim, epoch)
        case "of the supervisor":
            return known.identity("supervisor", 0)
    return None


def _to(
    scene: Scene, random: Random, target: str, identity: bytes | None, victim: str, epoch: int
) -> Iterator[tuple[str, list[bytes]]]:
    """Send messages to one of our sockets; answers are read and left."""
    understood = valid.messages(target, victim, SYMBOL_OF[victim], epoch)
    if identity is not None and target == "gateway":
        # A fence of the supervisor's own is obeyed, whatever it says.
        understood = understood[:-1]
    with zmq.Context() as context, context.socket(zmq.DEALER) as client:
        client.setsockopt(zmq.LINGER, 2_000)
        client.setsockopt(zmq.SNDTIMEO, 2_000)
        if identity is not None:
            client.setsockopt(zmq.IDENTITY, identity)
        client.connect(scene.paths.endpoint(target))
        for _ in range(MESSAGES):
            kind, frames = bodies.frames(random, understood)
            with contextlib.suppress(zmq.Again):
                client.send_multipart(frames)
                yield kind, frames
            while client.poll(0):
                client.recv_multipart()


# Connections


def _connections(scene: Scene, random: Random) -> Result:
    target = random.choice(("control", "control", *_sockets(scene)))
    before, since = scene.epochs(), time.monotonic()
    kind, flood = random.choice(list(FLOODS.items()))
    with _many_files(), flood(scene, target, random):
        deaths, violations = _judge(scene, before, since, set())
    violations += _judge(scene, before, time.monotonic(), set())[1]
    said = f"{CONNECTIONS} {kind} to {target}"
    return Result(said, Counter({(kind, target): CONNECTIONS}), deaths, violations)


@contextlib.contextmanager
def _many_files() -> Iterator[None]:
    """Room for as many sockets; those who are started later do not inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * CONNECTIONS + 500
    enough = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def _bare(scene: Scene, target: str, random: Random) -> Iterator[None]:
    """Connections that speak no ZMQ."""
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(0.5)
            with contextlib.suppress(OSError):
                client.connect(str(scene.paths.socket_file(target)))
                client.send(random.randbytes(random.choice((0, 1, 64, 2_000))))
        yield


@contextlib.contextmanager
def _whole(scene: Scene, target: str, random: Random) -> Iterator[None]:
    """Connections that ask something, and ask again."""
    understood = valid.messages(target, "bars", "EURUSD", 1)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, CONNECTIONS + 10)
    clients = []
    try:
        for _ in range(CONNECTIONS):
            client = context.socket(zmq.DEALER)
            client.setsockopt(zmq.LINGER, 0)
            client.connect(scene.paths.endpoint(target))
            clients.append(client)
        for client in clients:
            for _ in range(3):
                with contextlib.suppress(zmq.Again):
                    client.send_multipart([b"", random.choice(understood)], zmq.DONTWAIT)
        yield
    finally:
        for client in clients:
            client.close(0)
        context.term()


FLOODS: dict[str, Callable[[Scene, str, Random], contextlib.AbstractContextManager[None]]] = {
    "bare connections": _bare,
    "connections that ask": _whole,
}

# Files


def _file(scene: Scene, random: Random, aside: Path, between: bool) -> Result:
    before = scene.epochs()
    # What a run takes away at its end cannot be replaced between two.
    outlived = scene.system.close() if between else []
    path = random.choice(files.present(scene.paths))
    kind = random.choice(files.kinds(path))
    whose = files.owner(path, scene.paths, list(before))
    said = f"{path.relative_to(scene.paths.var)} {kind}"
    if between:
        damage = files.Damage(path, kind, random, aside)
        violations = [Violation(name, "outlived the stop") for name in outlived]
        return _between(scene, damage, kind, whose, f"{said}, between two runs", violations)
    counts = Counter({(kind, "files"): 1})
    since = time.monotonic()
    try:
        damage = files.Damage(path, kind, random, aside)
    except FileNotFoundError:
        return Result(said + ": gone by itself", Counter(), [], [])
    try:
        if path == scene.paths.socket_file("control"):
            # Nobody can ask anything meanwhile; afterwards all must be as it was.
            time.sleep(LATER)  # what it may stumble over in
            damage.undo()
        deaths, violations = _watch(scene, random, before, since, whose)
    except ChaosError as error:
        raise ChaosError(f"{said}: {error}") from error
    finally:
        damage.undo()
    violations += scene.heal({whose} if whose in before else ())
    return Result(said, counts, deaths, violations)


def _watch(
    scene: Scene, random: Random, before: dict[str, int], since: float, whose: str
) -> tuple[list[Death], list[Violation]]:
    """What comes of a file while its owner runs, and when the owner begins anew."""
    time.sleep(LATER)  # what is looked for happens by itself or not at all
    deaths, violations = _judge(scene, before, since, {whose}, whose)
    if whose in before:
        # The next process of its owner finds the file like that.
        pid = scene.system.child(whose).pid
        if pid is not None and random.randrange(2):
            send_signal(pid)
        else:
            scene.restart(whose)
        time.sleep(LATER)  # for its replacement to stumble
        more, worse = _judge(scene, before, time.monotonic(), {whose}, whose)
        deaths, violations = (
            deaths or more,
            [*violations, *(v for v in worse if v not in violations)],
        )
        violations += _unexplained(scene, whose)
    return deaths, violations


def _unexplained(scene: Scene, whose: str) -> list[Violation]:
    """An owner that ended for good says why."""
    child = next(c for c in scene.status().children if c.name == whose)
    told = child.last_error or child.degraded
    # An exit code alone is none.
    if child.state in ("QUARANTINED", "BACKOFF") and (not told or told == "exit code 1"):
        return [Violation(whose, f"{child.state} without a reason")]
    return []


def _between(
    scene: Scene,
    damage: files.Damage,
    kind: str,
    whose: str,
    said: str,
    violations: list[Violation],
) -> Result:
    """The system finds the file like that at its start, and gets it back after its end."""
    counts = Counter({(kind, "between runs"): 1})
    scene.system.start()
    deaths: list[Death] = []
    try:
        report = _first_word(scene)
        if report is not None:
            time.sleep(LATER)  # for whoever reads the file now
            deaths, worse = _judge(scene, scene.epochs(), time.monotonic(), {whose}, whose)
            violations += worse
        elif whose != "supervisor":
            violations.append(Violation("supervisor", f"did not start{scene.last_words()}"))
        elif "Traceback" in scene.last_words():
            violations.append(Violation("supervisor", f"no plain reason{scene.last_words()}"))
        else:
            deaths = [Death("supervisor", f"refuses to start{scene.last_words()}")]
    finally:
        violations += [Violation(name, "outlived the stop") for name in scene.system.close()]
        damage.undo()
    scene.system.start()
    return Result(said, counts, deaths, violations + scene.heal(()))


def _first_word(scene: Scene, within: float = 20.0) -> object | None:
    """The first status of a system that starts; None: it ended.

    Raises:
        ChaosError: It neither answers nor ends.
    """
    deadline = time.monotonic() + within
    while scene.exited is None:
        with contextlib.suppress(ChaosError):
            return scene.status()
        if time.monotonic() > deadline:
            raise ChaosError(f"the supervisor neither answers nor ends within {within:g} s")
    return None
