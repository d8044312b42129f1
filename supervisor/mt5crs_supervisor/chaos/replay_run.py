"""One run of a replay from its first tick to its last, with faults or without."""

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from mt5crs_shared.control.asking import ControlTimeout
from mt5crs_shared.control.status_report import StatusReport
from mt5crs_shared.errors import Mt5crsError
from mt5crs_supervisor.chaos import run_logs
from mt5crs_supervisor.chaos.campaign import Fault
from mt5crs_supervisor.chaos.campaign_system import CampaignSystem, ChaosError
from mt5crs_supervisor.chaos.faults import FaultResult, do_fault
from mt5crs_supervisor.chaos.run_logs import RunLogs

SETTLED = 10.0
"""Seconds without any progress after which ticks that are still missing count as lost."""

BUSY = 120.0
"""The same where the supervisor lives and does not answer: among hundreds that have all the cores
it waits for its turn as they do."""

LOOK_EVERY = 0.2


class ReplayRun(msgspec.Struct, frozen=True):
    """A run and what it left.

    Attributes:
        results: The faults, as they went.
        logs: Its logs.
        missed: Ticks that strategies themselves say they missed.
        leftovers: Processes that did not end when the system was stopped.
    """

    results: tuple[FaultResult, ...]
    logs: RunLogs
    missed: int
    leftovers: tuple[str, ...]


def run_replay(
    system: CampaignSystem,
    published: Mapping[str, int],
    faults: Sequence[Fault] = (),
    on_result: Callable[[FaultResult], None] = lambda _result: None,
) -> ReplayRun:
    """Run a configuration whose feed is a replay, until every tick of it has been taken.

    Args:
        system: The installation; it is stopped at the end.
        published: Ticks of each symbol in the replay.
        faults: What is done to it meanwhile.
        on_result: Called when a fault is over.

    Raises:
        ChaosError: It does not come back from a fault.
    """
    results = []
    leftovers: list[str] = []
    system.start()
    try:
        system.wait_running()
        began = time.monotonic()
        for fault in faults:
            time.sleep(max(began + fault.at - time.monotonic(), 0.0))
            results.append(do_fault(system, fault, began))
            on_result(results[-1])
        report = last_tick(system, published)
    finally:
        leftovers = system.close()
    return ReplayRun(
        results=tuple(results),
        logs=run_logs.gather(system.paths, taken(report)),
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


def last_tick(system: CampaignSystem, published: Mapping[str, int]) -> StatusReport:
    """Wait until every strategy has taken every tick, or nothing moves any more."""
    moved, last = time.monotonic(), None
    while True:
        try:
            report = system.status()
        except Mt5crsError as error:
            patience = BUSY if isinstance(error, ControlTimeout) else SETTLED
            if time.monotonic() - moved > patience:
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
