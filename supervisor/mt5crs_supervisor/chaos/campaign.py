"""Which faults come when: a pure function of the seed and the list of kinds."""

import enum
from collections.abc import Sequence
from random import Random

import msgspec


class Kind(enum.StrEnum):
    """A fault, named after what it hits."""

    WORKER = "worker"
    WORKER_TWICE = "worker-twice"
    TEN_WORKERS = "ten-workers"
    CRASH = "crash"
    CRASH_AT_FILL = "crash-at-fill"
    LOOP = "busy-loop"
    MEMORY = "memory-hog"
    HANG = "hang"
    REVIVED = "revived"
    TAPE = "tape"
    GATEWAY = "gateway"
    SLOW_GATEWAY = "slow-gateway"
    FEED = "feed"
    FORKSERVER = "forkserver"
    SUPERVISOR = "supervisor"
    WORKER_AND_TAPE = "worker+tape"
    WORKER_AND_GATEWAY = "worker+gateway"
    WORKER_AND_FEED = "worker+feed"
    WORKER_AND_SUPERVISOR = "worker+supervisor"
    TAPE_AND_SUPERVISOR = "tape+supervisor"
    GATEWAY_AND_SUPERVISOR = "gateway+supervisor"
    FEED_AND_SUPERVISOR = "feed+supervisor"
    ALL = "all"
    PAUSE = "pause"
    SUPERVISOR_PAUSE = "supervisor-pause"


MEANINGS: dict[Kind, str] = {
    Kind.WORKER: "SIGKILL of a strategy's process.",
    Kind.WORKER_TWICE: "The same, and again as soon as its replacement exists.",
    Kind.TEN_WORKERS: "SIGKILL of ten strategies at the same moment; all, where there are fewer.",
    Kind.CRASH: "SIGSEGV of a strategy's process, as if its code had read where nothing is.",
    Kind.CRASH_AT_FILL: "The same when it is told of a deal, before it has noted it.",
    Kind.LOOP: "A strategy computes for ever.",
    Kind.MEMORY: "A strategy takes a gigabyte of memory.",
    Kind.HANG: "SIGSTOP of a strategy's process; the supervisor has to find it silent.",
    Kind.REVIVED: "A strategy's process is stopped, replaced, and wakes up beside its successor.",
    Kind.TAPE: "SIGKILL of the tape.",
    Kind.GATEWAY: "SIGKILL of the gateway.",
    Kind.SLOW_GATEWAY: "The gateway stands still for a second (SIGSTOP, SIGCONT).",
    Kind.FEED: "SIGKILL of the feed.",
    Kind.FORKSERVER: "SIGKILL of the process that children are forked from.",
    Kind.SUPERVISOR: "SIGKILL of the supervisor, which is started again at once.",
    Kind.WORKER_AND_TAPE: "A strategy and the tape at the same moment.",
    Kind.WORKER_AND_GATEWAY: "A strategy and the gateway at the same moment.",
    Kind.WORKER_AND_FEED: "A strategy and the feed at the same moment.",
    Kind.WORKER_AND_SUPERVISOR: "A strategy, and the supervisor while it brings it back.",
    Kind.TAPE_AND_SUPERVISOR: "The same with the tape.",
    Kind.GATEWAY_AND_SUPERVISOR: "The same with the gateway.",
    Kind.FEED_AND_SUPERVISOR: "The same with the feed.",
    Kind.ALL: "Every process at once, as in a power cut; then a new start.",
    Kind.PAUSE: "The whole tree stands still for some seconds, as when a machine sleeps.",
    Kind.SUPERVISOR_PAUSE: "The supervisor alone stands still for as long.",
}

ALONE = frozenset(
    {
        Kind.WORKER,
        Kind.WORKER_TWICE,
        Kind.CRASH,
        Kind.CRASH_AT_FILL,
        Kind.LOOP,
        Kind.MEMORY,
        Kind.HANG,
    }
)
"""Faults of one strategy and nobody else, which no other may notice."""

APART = 0.04
"""Seconds between two blows, at most: about what a respawn takes."""


class Fault(msgspec.Struct, frozen=True):
    """One fault of a campaign.

    Attributes:
        at: Seconds after the campaign began; later where an earlier fault is not yet over.
        kind: What is done.
        strategy: To whom, where the kind hits a strategy.
        apart: Seconds between the two blows of a kind that has two one after the other.
    """

    at: float
    kind: Kind
    strategy: str
    apart: float = 0.0


def plan(
    seed: int, count: int, every: float, kinds: Sequence[Kind], strategies: Sequence[str]
) -> list[Fault]:
    """A campaign; the same for the same arguments.

    Args:
        seed: Of the random numbers.
        count: How many faults.
        every: Seconds between two of them, on average; each gap is between half and one and a
            half times that.
        kinds: What may happen; every kind comes about equally often.
        strategies: Who may be hit.
    """
    random = Random(seed)
    faults, at = [], 0.0
    deck: list[Kind] = []
    for _ in range(count):
        if not deck:
            deck = list(kinds)
            random.shuffle(deck)
        at += every * (0.5 + random.random())
        strategy = random.choice(list(strategies))
        apart = APART * random.random()
        faults.append(Fault(round(at, 3), deck.pop(), strategy, round(apart, 4)))
    return faults
