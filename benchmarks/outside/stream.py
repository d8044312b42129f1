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
from mt5crs_shared.market.ticks import Tick

BEGIN_US = 1_767_571_200_000_000
"""2026-01-05: event time of the first tick, in every run the same."""

AHEAD_US = 2 * 86_400_000_000
"""How far the stream's clock steps, and how far ahead a tick from the future is stamped."""

FASTEST = 120.0
"""Seconds of a recording in one of the stream: some hundred ticks a second, as on a busy day."""

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
    """What goes wrong when; each kind about equally often.

    In the first half of the stream the publisher waits for the tape after a restart, so that all
    readers hear the same.
    """
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
                patient=at < seconds / 2.0 or random.random() < 0.5,
                repeated=random.choice((1, 20, 300)) if kind is Trouble.REPEAT else 0,
            )
        )
        at += every * (0.5 + random.random())
        if kind is Trouble.CLOCK:
            at = max(at, found[-1].at + STEPPED_FOR + 1.0)
    return found


def ticks(days: Mapping[str, Path], speed: float, seconds: float) -> Iterator[Tick]:
    """The recorded ticks from when all symbols are quoted, at the pace of the wall's clock.

    No two of a symbol have the same time, so that each can be told from every other.

    Args:
        days: A file of ticks for each symbol.
        speed: Seconds of the recording in one of the stream.
        seconds: Of the stream.
    """
    newest = dict.fromkeys(days, 0)
    begin, _ = _span(days)
    streams = (read_ticks(path, symbol) for symbol, path in days.items())
    for tick in heapq.merge(*streams, key=attrgetter("time_us")):
        at_us = round((tick.time_us - begin) / speed)
        if at_us > seconds * 1e6:
            return
        if at_us >= 0:
            time_us = max(BEGIN_US + at_us, newest[tick.symbol] + 1)
            newest[tick.symbol] = time_us
            yield replace(tick, time_us=time_us)


def speed_for(days: Mapping[str, Path], seconds: float) -> float:
    """At most `FASTEST`; less where the recording would end before."""
    begin, end = _span(days)
    return min((end - begin) / 1e6 / seconds, FASTEST)


def _span(days: Mapping[str, Path]) -> tuple[int, int]:
    """When all symbols are quoted, and when the first of them ends, us."""
    times = [[tick.time_us for tick in read_ticks(path)] for path in days.values()]
    return max(map(min, times)), min(map(max, times))


def stepped(tick: Tick, at: float, events: Sequence[Event]) -> Tick:
    """The tick as it is stamped while the clock has stepped."""
    ahead = any(
        event.kind is Trouble.CLOCK and event.at <= at < event.at + STEPPED_FOR for event in events
    )
    return replace(tick, time_us=tick.time_us + AHEAD_US) if ahead else tick
