"""Doing a fault to an installation, and seeing when it is over."""

import contextlib
import signal
import time
from collections.abc import Callable

import msgspec

from mt5crs_shared.control.status_report import ChildStatus, StatusReport
from mt5crs_supervisor.chaos import campaign, scenario
from mt5crs_supervisor.chaos.campaign import Fault, Kind
from mt5crs_supervisor.chaos.campaign_system import (
    CampaignSystem,
    ChaosError,
    send_signal,
    wait_for,
)
from mt5crs_supervisor.processes.identity import birth, is_alive

SLOW = 1.0
"""Seconds that a slow gateway stands still."""

PAUSED = 4.5
"""Seconds of a pause: longer than a process may be silent by default."""

TEN = 10
"""Strategies that fall together."""

OBEYS_WITHIN = 5.0
"""Seconds that a strategy has for making a deal."""

STOPPED_FOR = 2.0
"""Seconds that a replaced process is left stopped, if its replacement does not work before."""


class FaultResult(msgspec.Struct, frozen=True):
    """What came of one fault.

    Attributes:
        fault: The fault.
        began: Seconds after the campaign's begin.
        wall: Wall time then, seconds since the epoch.
        replaced: Children that have another process since.
        others: Strategies that were not hit and have another process all the same.
        recovery: Seconds until all was well again: a killed strategy's first tick, and everybody
            else's return to RUNNING.
    """

    fault: Fault
    began: float
    wall: float
    replaced: tuple[str, ...]
    others: tuple[str, ...]
    recovery: float


Hit = tuple[str, ...]
"""The children that a fault has killed, or made the supervisor kill."""


def do_fault(system: CampaignSystem, fault: Fault, began: float) -> FaultResult:
    """Do a fault, and wait until the system is whole again.

    Raises:
        ChaosError: It does not come back.
    """
    before = {child.name: child.pid for child in system.wait_running().children}
    if fault.kind in ORDERS:
        _give_order(system, fault)
    at, wall = time.monotonic(), time.time()
    hit = ACTS[fault.kind](system, fault)
    report = system.wait_for(lambda: _whole(system, before, hit), f"the end of {fault.kind}")
    now = {child.name: child.pid for child in report.children}
    strategies = [s.process.name for s in report.strategies]
    return FaultResult(
        fault=fault,
        began=at - began,
        wall=wall,
        replaced=tuple(name for name, pid in now.items() if before[name] != pid),
        others=tuple(n for n in strategies if n not in hit and before[n] != now[n]),
        recovery=_recovery(report, fault, time.monotonic() - at),
    )


def _whole(system: CampaignSystem, before: dict[str, int | None], hit: Hit) -> StatusReport | None:
    report = system.running()
    if report is None or any(c.name in hit and c.pid == before[c.name] for c in report.children):
        return None
    return report


def _recovery(report: StatusReport, fault: Fault, seen: float) -> float:
    """A killed strategy's own figure is finer than what was seen from outside."""
    if fault.kind not in (Kind.WORKER, Kind.CRASH, Kind.CRASH_AT_FILL):
        return seen
    measured = next(
        s.process.recovery_ms for s in report.strategies if s.process.name == fault.strategy
    )
    return seen if measured is None else measured / 1000.0


def _worker(system: CampaignSystem, fault: Fault) -> Hit:
    strategy = fault.strategy
    send_signal(system.pid(strategy))
    return (strategy,)


def _worker_twice(system: CampaignSystem, fault: Fault) -> Hit:
    strategy = fault.strategy
    first = system.pid(strategy)
    send_signal(first)
    second = wait_for(
        lambda: pid if (pid := system.child(strategy).pid) != first else None,
        f"a replacement of {strategy}",
    )
    send_signal(second)
    wait_for(lambda: system.child(strategy).pid != second, f"the second end of {strategy}")
    return (strategy,)


def _ten_workers(system: CampaignSystem, fault: Fault) -> Hit:
    """The fault's strategy, and those that follow in the order of the configuration."""
    processes = [s.process for s in system.status().strategies]
    first = next(n for n, process in enumerate(processes) if process.name == fault.strategy)
    hit = [*processes[first:], *processes[:first]][:TEN]
    for process in hit:
        send_signal(process.pid or system.pid(process.name))
    return tuple(process.name for process in hit)


def _give_order(system: CampaignSystem, fault: Fault) -> None:
    """Make a strategy hurt itself, and wait until it does.

    Who makes no deal for a while (it is warming up) is hurt from outside instead.
    """
    order = scenario.orders_for(fault.strategy, system.paths)
    order.write_text(ORDERS[fault.kind])
    with contextlib.suppress(ChaosError):
        wait_for(lambda: not order.exists(), f"{fault.strategy} to obey", OBEYS_WITHIN)
    with contextlib.suppress(FileNotFoundError):
        order.unlink()
        send_signal(system.pid(fault.strategy), signal.SIGSEGV)


def _by_itself(_system: CampaignSystem, fault: Fault) -> Hit:
    return (fault.strategy,)


def _crash(system: CampaignSystem, fault: Fault) -> Hit:
    send_signal(system.pid(fault.strategy), signal.SIGSEGV)
    return (fault.strategy,)


def _hang(system: CampaignSystem, fault: Fault) -> Hit:
    strategy = fault.strategy
    send_signal(system.pid(strategy), signal.SIGSTOP)
    return (strategy,)


def _revived(system: CampaignSystem, fault: Fault) -> Hit:
    """Only a supervisor that has lost its list leaves an old process alive beside a new one."""
    name = fault.strategy
    old = system.child(name)
    assert old.pid is not None, "everybody runs"
    born = birth(old.pid)
    pid = old.pid
    send_signal(pid, signal.SIGSTOP)
    system.kill_supervisor()
    system.forget(name)
    system.start()
    wait_for(lambda: system.child(name).epoch > old.epoch, f"a new {name}")
    # One that was stopped in the middle of a write keeps its journal, and the new one waits.
    with contextlib.suppress(ChaosError):
        wait_for(system.running, f"a new {name} at work", STOPPED_FOR)
    send_signal(pid, signal.SIGCONT)
    wait_for(lambda: not is_alive(pid, born), f"the old {name} to see that it was replaced")
    return (name,)


def _service(name: str) -> Callable[[CampaignSystem, Fault], Hit]:
    def act(system: CampaignSystem, _fault: Fault) -> Hit:
        send_signal(system.pid(name))
        return (name,)

    return act


def _both(name: str) -> Callable[[CampaignSystem, Fault], Hit]:
    def act(system: CampaignSystem, fault: Fault) -> Hit:
        strategy = fault.strategy
        pids = system.pids()
        for victim in (name, strategy):
            send_signal(pids[victim] or system.pid(victim))
        return (name, strategy)

    return act


def _slow_gateway(system: CampaignSystem, _fault: Fault) -> Hit:
    pid = system.pid("gateway")
    send_signal(pid, signal.SIGSTOP)
    time.sleep(SLOW)
    send_signal(pid, signal.SIGCONT)
    return ()


def _forkserver(system: CampaignSystem, _fault: Fault) -> Hit:
    before = wait_for(lambda: system.status().forkserver_pid, "a forkserver")
    send_signal(before)
    wait_for(lambda: system.status().forkserver_pid not in (None, before), "a new forkserver")
    return ()


def _supervisor(system: CampaignSystem, _fault: Fault) -> Hit:
    system.kill_supervisor()
    system.start()
    return ()


def _and_supervisor(name: str | None) -> Callable[[CampaignSystem, Fault], Hit]:
    """A service, or the fault's strategy where none is named, and then the supervisor."""

    def act(system: CampaignSystem, fault: Fault) -> Hit:
        victim = name or fault.strategy
        send_signal(system.pid(victim))
        # Some moment of the respawn, another one each time.
        time.sleep(fault.apart)
        system.kill_supervisor()
        system.start()
        return (victim,)

    return act


def _pause(system: CampaignSystem, fault: Fault) -> Hit:
    pids = system.tree()
    for pid in pids:
        send_signal(pid, signal.SIGSTOP)
    time.sleep(PAUSED)
    # Now the supervisor is the first to go on, now the last.
    for pid in pids if fault.apart > campaign.APART / 2.0 else reversed(pids):
        send_signal(pid, signal.SIGCONT)
    _hear_everybody(system)
    return ()


def _supervisor_pause(system: CampaignSystem, _fault: Fault) -> Hit:
    send_signal(system.supervisor_pid, signal.SIGSTOP)
    time.sleep(PAUSED)
    send_signal(system.supervisor_pid, signal.SIGCONT)
    _hear_everybody(system)
    return ()


def _hear_everybody(system: CampaignSystem) -> None:
    """Wait for a beat of every child: until then a pause could still be taken for its fault."""
    woke = time.monotonic()

    def spoke(child: ChildStatus) -> bool:
        return child.beat_age is not None and child.beat_age < time.monotonic() - woke

    wait_for(lambda: all(map(spoke, system.status().children)), "everybody's word")


def _all(system: CampaignSystem, _fault: Fault) -> Hit:
    names = tuple(system.pids())
    system.kill_all()
    system.start()
    return names


ORDERS: dict[Kind, str] = {
    Kind.CRASH_AT_FILL: "crash-at-fill",
    Kind.LOOP: "loop",
    Kind.MEMORY: "memory",
}
"""What only a strategy itself can do."""

ACTS: dict[Kind, Callable[[CampaignSystem, Fault], Hit]] = {
    Kind.WORKER: _worker,
    Kind.WORKER_TWICE: _worker_twice,
    Kind.TEN_WORKERS: _ten_workers,
    Kind.CRASH: _crash,
    **dict.fromkeys(ORDERS, _by_itself),
    Kind.HANG: _hang,
    Kind.REVIVED: _revived,
    Kind.TAPE: _service("tape"),
    Kind.GATEWAY: _service("gateway"),
    Kind.SLOW_GATEWAY: _slow_gateway,
    Kind.FEED: _service("feed"),
    Kind.FORKSERVER: _forkserver,
    Kind.SUPERVISOR: _supervisor,
    Kind.WORKER_AND_TAPE: _both("tape"),
    Kind.WORKER_AND_GATEWAY: _both("gateway"),
    Kind.WORKER_AND_FEED: _both("feed"),
    Kind.WORKER_AND_SUPERVISOR: _and_supervisor(None),
    Kind.TAPE_AND_SUPERVISOR: _and_supervisor("tape"),
    Kind.GATEWAY_AND_SUPERVISOR: _and_supervisor("gateway"),
    Kind.FEED_AND_SUPERVISOR: _and_supervisor("feed"),
    Kind.ALL: _all,
    Kind.PAUSE: _pause,
    Kind.SUPERVISOR_PAUSE: _supervisor_pause,
}
