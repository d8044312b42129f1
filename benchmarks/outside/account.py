"""Every tick that was published: processed by everyone, or inside a span that the journal names."""

import contextlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice, product
from pathlib import Path

import msgspec

from benchmarks.outside.publisher import Published
from mt5crs_shared.market.sanity import TickSanity
from mt5crs_shared.market.wire import parse_iso
from mt5crs_shared.storage.store import connect_readonly
from mt5crs_supervisor.chaos.run_logs import Difference, Line, RunLogs, differences

Span = tuple[int, int]
"""Times of the last tick before an interruption and of the first one after it, us."""


class Account(msgspec.Struct, frozen=True):
    """What became of the ticks of one strategy.

    Attributes:
        published: Ticks of its symbol, repeated and impossible ones included.
        processed: By its own count.
        judged_bad: Of those that it should have had, the ones that are not to be believed.
        missed: Ticks inside the spans that its journal names.
        unsent: Of those, published while the publisher had no socket.
        spans: How many spans there are.
        lost: Ticks outside of every span that were not processed.
        twice: Ticks that were processed and should not have been.
        unknown: Spans whose ends were never published in that order.
        missed_times: Event times of what was missed.
        readings: Places of what was missed among the published ticks, in each way to read the
            spans that fits equally well.
    """

    published: int
    processed: int
    judged_bad: int
    missed: int
    unsent: int
    spans: int
    lost: int
    twice: int
    unknown: int
    missed_times: frozenset[int]
    readings: tuple[frozenset[int], ...]


def spans_of(journal: Path) -> list[Span]:
    """The spans of time that a strategy's journal calls interrupted.

    Raises:
        OSError: The journal is no regular file.
        sqlite3.Error: It cannot be read.
    """
    with contextlib.closing(connect_readonly(journal)) as db:
        told = db.execute("SELECT detail FROM events WHERE kind = 'interrupted'").fetchall()
    words = [detail.partition(": ")[0].split() for (detail,) in told]
    return [(parse_iso(begin), parse_iso(end)) for _, begin, _, end in words]


def account(published: Sequence[Published], spans: Iterable[Span], processed: int) -> Account:
    """Compare a strategy's count with what it should be, tick by tick.

    Args:
        published: The ticks of its symbol, in their order.
        spans: What its journal names.
        processed: Its own count.
    """
    places: defaultdict[int, list[int]] = defaultdict(list)
    for place, (tick, _) in enumerate(published):
        places[tick.time_us].append(place)
    readings = [_readings(places[begin], places[end]) for begin, end in spans]
    known = [ranges for ranges in readings if ranges]
    accounts = [
        _account(
            published,
            frozenset().union(*ranges),
            processed,
            len(readings),
            len(readings) - len(known),
        )
        for ranges in islice(product(*known), MOST_READINGS)
    ]
    best = min(accounts, key=lambda found: found.lost + found.twice)
    fitting = dict.fromkeys(
        chain.from_iterable(
            each.readings for each in accounts if (each.lost, each.twice) == (best.lost, best.twice)
        )
    )
    return msgspec.structs.replace(best, readings=tuple(fitting))


def _account(
    published: Sequence[Published],
    missing: frozenset[int],
    processed: int,
    spans: int,
    unknown: int,
) -> Account:
    judge = TickSanity()
    verdicts = [
        judge.judge(tick) for place, (tick, _) in enumerate(published) if place not in missing
    ]
    good = verdicts.count("good")
    return Account(
        published=len(published),
        processed=processed,
        judged_bad=len(verdicts) - good,
        missed=len(missing),
        unsent=sum(not published[place].sent for place in missing),
        spans=spans,
        lost=max(good - processed, 0),
        twice=max(processed - good, 0),
        unknown=unknown,
        missed_times=frozenset(published[place].tick.time_us for place in missing),
        readings=(missing,),
    )


def _readings(begins: list[int], ends: list[int]) -> list[range]:
    """The places that a span may mean: a tick at its begin or end may have been repeated.

    None of them where it was not published in that order.
    """
    return [range(begin + 1, end) for begin in begins for end in ends if begin < end]


def given_up(journal: Path) -> list[int]:
    """Event times of orders that were given up for their age, or for want of a lease.

    Raises:
        OSError: The journal is no regular file.
        sqlite3.Error: It cannot be read.
    """
    with contextlib.closing(connect_readonly(journal)) as db:
        told = db.execute("SELECT order_id FROM orders WHERE code IN ('STALE', 'NO_LEASE')")
        return [decided_us(order_id) for (order_id,) in told]


def decided_us(order_id: str) -> int:
    """Event time of the tick that an order was decided on.

    Args:
        order_id: Strategy, time, place among equal ticks, action.
    """
    return int(order_id.split(":")[-3])


def comparable_until(
    one: Mapping[str, Account], other: Mapping[str, Account], given_up: Iterable[int]
) -> float:
    """Event time until which two runs must be equal, us.

    They part where somebody in one of them has missed a tick that he has not in the other, since
    one symbol converts the profit of another, and where an order was given up: all of it stands
    in the journals.
    """
    heard = [one[name].missed_times ^ other[name].missed_times for name in one]
    return min([*chain.from_iterable(heard), *given_up], default=math.inf)


MOST_READINGS = 64
"""Ways to read a strategy's spans that are tried; the one that fits its count is believed."""

TIMES = {"decisions": 0, "orders": 4, "deals": 8}
"""Where each log's lines have their event time."""


def parted(
    one: RunLogs, other: RunLogs, strategy: str, until_us: float
) -> tuple[list[Difference], int]:
    """Where the logs of a strategy differ before a time, and how many lines were compared."""
    cut_one, cut_other = (_before(e, strategy, until_us) for e in (one, other))
    compared = sum(len(getattr(cut_one, log)[strategy]) for log in TIMES)
    return differences(cut_one, cut_other, [strategy]), compared


def _before(found: RunLogs, strategy: str, until_us: float) -> RunLogs:
    def cut(log: str) -> dict[str, list[Line]]:
        lines: list[Line] = getattr(found, log)[strategy]
        return {strategy: [line for line in lines if float(str(line[TIMES[log]])) < until_us]}

    logs = {log: cut(log) for log in TIMES}
    return msgspec.structs.replace(found, **logs)
