"""One run of a replay from its first tick to its last, with faults or without."""

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from mt5crs_shared.errors import Mt5crsError
from mt5crs_supervisor.chaos import evidence
from mt5crs_supervisor.chaos.campaign import Fault
from mt5crs_supervisor.chaos.evidence import Evidence
from mt5crs_supervisor.chaos.faults import Injury, inflict
from mt5crs_supervisor.chaos.installation import ChaosError, Installation
from mt5crs_supervisor.operator.status_report import StatusReport

SETTLED = 10.0
"""Seconds without any progress after which ticks that are still missing count as lost."""

LOOK_EVERY = 0.2


class Outcome(msgspec.Struct, frozen=True):
    """A run and what it left.

    Attributes:
        injuries: The faults, as they went.
        evidence: Its logs.
        missed: Ticks that strategies themselves say they missed.
        leftovers: Processes that did not end when the system was stopped.
    """

    injuries: tuple[Injury, ...]
    evidence: Evidence
    missed: int
    leftovers: tuple[str, ...]


def run(
    system: Installation,
    published: Mapping[str, int],
    faults: Sequence[Fault] = (),
    on_injury: Callable[[Injury], None] = lambda _injury: None,
) -> Outcome:
    """Run a configuration whose feed is a replay, until every tick of it has been taken.

    Args:
        system: The installation; it is stopped at the end.
        published: Ticks of each symbol in the replay.
        faults: What is done to it meanwhile.
        on_injury: Called when a fault is over.

    Raises:
        ChaosError: It does not come back from a fault.
    """
    injuries = []
    leftovers: list[str] = []
    system.start()
    try:
        system.wait_running()
        began = time.monotonic()
        for fault in faults:
            time.sleep(max(began + fault.at - time.monotonic(), 0.0))
            injuries.append(inflict(system, fault, began))
            on_injury(injuries[-1])
        report = _last_tick(system, published)
    finally:
        leftovers = system.close()
    return Outcome(
        injuries=tuple(injuries),
        evidence=evidence.gather(system.paths, taken(report)),
        missed=sum(s.metrics.ticks_missed for s in report.strategies if s.metrics is not None),
        leftovers=tuple(leftovers),
    )


def taken(report: StatusReport) -> dict[str, int]:
    """Ticks that each strategy has processed or counted as bad."""
    return {
        s.process.name: s.metrics.ticks_processed + s.metrics.ticks_bad
        for s in report.strategies
        if s.metrics is not None
    }


def _last_tick(system: Installation, published: Mapping[str, int]) -> StatusReport:
    """Wait until every strategy has taken every tick, or nothing moves any more."""
    moved, last = time.monotonic(), None
    while True:
        try:
            report = system.status()
        except Mt5crsError as error:
            if time.monotonic() - moved > SETTLED:
                raise ChaosError(f"the supervisor is gone: {error}") from error
            time.sleep(LOOK_EVERY)
            continue
        now = (taken(report), [service.progress for service in report.services])
        wanted = {s.process.name: published[s.symbol] for s in report.strategies}
        if now != last:
            moved, last = time.monotonic(), now
        if now[0] == wanted or time.monotonic() - moved > SETTLED:
            return report
        time.sleep(LOOK_EVERY)
