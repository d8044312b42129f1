"""What is known of a child: its plan, the times of a spawn, and a death."""

import logging

import msgspec

from mt5crs_shared.messages import Beat, Kind
from mt5crs_supervisor.children.restart_policy import Cause

_LEVELS = {
    **dict.fromkeys(("died", "hung", "start_timeout", "memory", "quarantined"), logging.ERROR),
    **dict.fromkeys(("incident", "poison_tick", "forkserver_died", "recycling"), logging.WARNING),
}


def level_of(kind: str) -> int:
    """How grave an event is, for the log."""
    return _LEVELS.get(kind, logging.INFO)


class Plan(msgspec.Struct, frozen=True):
    """What to run: the part of the configuration that one child depends on.

    Attributes:
        name: The child's name.
        kind: What it is.
        entry: ``package.module:function``.
        payload: Its configuration, JSON.
        config_hash: Hash of all that it depends on.
        symbol: A strategy's symbol; empty for services.
    """

    name: str
    kind: Kind
    entry: str
    payload: bytes
    config_hash: str
    symbol: str = ""


class Times(msgspec.Struct):
    """Monotonic times of one spawn, in seconds; None: not yet."""

    spawned: float | None = None
    ready: float | None = None
    first_tick: float | None = None
    died: float | None = None


class Death(msgspec.Struct, frozen=True):
    """All that the supervisor's memory has of a death.

    Attributes:
        cause: How it ended.
        detail: One sentence.
        exit: How the process ended.
        pid: Its process.
        epoch: Its spawn.
        at: Monotonic time of the detection.
        killed_at: Monotonic time at which the supervisor killed it.
        times: Of the spawn that died.
        beats: Its last beats, with the monotonic times at which they were read.
        trace: Traceback that it reported.
        model_hash: Of the model that it ran.
        decision: What the restart policy decided.
    """

    cause: Cause
    detail: str
    exit: str
    pid: int
    epoch: int
    at: float
    killed_at: float | None
    times: Times
    beats: tuple[tuple[Beat, float], ...]
    trace: str
    model_hash: str
    decision: str
