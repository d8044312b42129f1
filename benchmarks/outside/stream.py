"""What an outside publisher sends, in which order: a pure function of files, speed and seed."""

import enum
import heapq
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from random import Random

import msgspec
from msgspec.structs import replace

from mt5crs_services.feed.files import read_ticks
from mt5crs_shared.ticks import Tick

BEGIN_US = 1_767_571_200_000_000
"""2026-01-05: event time of the first tick, in every run the same."""

AHEAD_US = 2 * 86_400_000_000
"""How far the stream's clock steps, and how far ahead a tick from the future is stamped."""

STEPPED_FOR = 3.0
"""Seconds until the clock steps back."""


class Trouble(enum.StrEnum):
    """What the publisher does beside publishing."""

    RESTART = "restart"
    REPEAT = "repeat"
    FUTURE = "future"
    REFUSED = "refused"
    CLOCK = "clock"


class Event(msgspec.Struct, frozen=True):
    """One trouble.

    Attributes:
        at: Seconds after the first tick.
        kind: What happens.
        hole: Of a restart: seconds until it is back.
        patient: Of a restart: it goes on when the tape listens again, not at once.
        repeated: How many of the newest ticks are sent once more.
    """

    at: float
    kind: Trouble
    hole: float = 0.0
    patient: bool = True
    repeated: int = 0


def troubles(seed: int, seconds: float, every: float) -> list[Event]:
    """What goes wrong when; each kind about equally often."""
    random = Random(f"troubles {seed}")
    found: list[Event] = []
    deck: list[Trouble] = []
    at = every
    while at < seconds - every:
        if not deck:
            deck = list(Trouble)
            random.shuffle(deck)
        kind = deck.pop()
        found.append(
            Event(
                at=round(at, 3),
                kind=kind,
                hole=random.choice((0.02, 0.3, 1.5)),
                patient=random.random() < 0.7,
                repeated=random.choice((1, 20, 300)) if kind is Trouble.REPEAT else 0,
            )
        )
        at += every * (0.5 + random.random())
        if kind is Trouble.CLOCK:
            at = max(at, found[-1].at + STEPPED_FOR + 1.0)
    return found


def ticks(days: Mapping[str, Path], speed: float) -> Iterator[Tick]:
    """The recorded ticks, their times compressed to the pace of the wall's clock.

    No two of a symbol have the same time, so that each can be told from every other.

    Args:
        days: A file of ticks for each symbol.
        speed: Seconds of the recording in one of the stream.
    """
    newest = dict.fromkeys(days, 0)
    begin: int | None = None
    streams = (read_ticks(path, symbol) for symbol, path in days.items())
    for tick in heapq.merge(*streams, key=attrgetter("time_us")):
        begin = tick.time_us if begin is None else begin
        time_us = BEGIN_US + round((tick.time_us - begin) / speed)
        time_us = max(time_us, newest[tick.symbol] + 1)
        newest[tick.symbol] = time_us
        yield replace(tick, time_us=time_us)


def duration(days: Mapping[str, Path]) -> float:
    """Seconds of recorded time from the first tick to the last."""
    times = [[tick.time_us for tick in read_ticks(path)] for path in days.values()]
    return (max(map(max, times)) - min(map(min, times))) / 1e6


def stepped(tick: Tick, at: float, events: Sequence[Event]) -> Tick:
    """The tick as it is stamped while the clock has stepped."""
    ahead = any(
        event.kind is Trouble.CLOCK and event.at <= at < event.at + STEPPED_FOR for event in events
    )
    return replace(tick, time_us=tick.time_us + AHEAD_US) if ahead else tick
