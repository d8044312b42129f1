"""From the supervisor's memory to the answer of `status`; asks nobody, waits for nothing."""

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import psutil

from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import (
    SCHEMA_VERSION,
    ChildStatus,
    StatusReport,
    StrategyStatus,
    Totals,
)
from mt5crs_shared.messages import Beat
from mt5crs_shared.metrics import AccountReport, StrategyMoney
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.trading import locks
from mt5crs_shared.trading.locks import TradingLock
from mt5crs_shared.trading.orders import Position
from mt5crs_supervisor.children.child import UP_PHASES, Child
from mt5crs_supervisor.operator.control import ConfigWatched
from mt5crs_supervisor.operator.event_log import EventLog
from mt5crs_supervisor.processes import forkserver
from mt5crs_supervisor.processes.standbys import StandingBy
from mt5crs_supervisor.roster import Roster

EVENTS_SHOWN = 50

NOT_WATCHED = ConfigWatched()

NO_PROCESS = functools.partial(
    ChildStatus,
    kind="strategy",
    phase="",
    degraded="",
    queued=None,
    pid=None,
    epoch=0,
    uptime=None,
    restarts=0,
    retry_in=None,
    beat_age=None,
    recovery_ms=None,
    preloaded=None,
    standby=None,
    no_standby="",
    memory=0,
    cpu=0.0,
    last_error="",
    died_of="",
    progress=0,
)
"""A child that is none."""

RATE_BEATS = 8
"""Beats that rates are taken over: a few seconds, so that they do not flicker."""

RATE_LEAST = 0.3
"""Seconds below which they say nothing: two beats can be read in one go."""


class Reported(Protocol):
    """What a report is made of; the supervisor has it all."""

    roster: Roster
    paths: VarPaths
    stopping: bool
    begun: float
    events: EventLog

    def standby_of(self, child: Child) -> StandingBy:
        """What stands by for a child."""


def report(
    supervisor: Reported, now: float, reloading: str = "", watched: ConfigWatched = NOT_WATCHED
) -> StatusReport:
    """The status of everything.

    Args:
        supervisor: Whose.
        now: Monotonic time, seconds.
        reloading: What a reload waits for; empty: none is under way.
        watched: Who watches the configuration, and what is wrong with it.
    """
    account = account_of(supervisor)
    money = {m.strategy: m for m in account.strategies} if account is not None else {}
    held_back = account.locks if account is not None else ()
    queue = _queue(supervisor.roster.children)

    def of(child: Child) -> ChildStatus:
        return _child(child, now, queue, supervisor.standby_of(child))

    strategies = tuple(
        _strategy(child, of(child), money.get(child.name), held_back, now)
        for child in supervisor.roster.strategies
    )
    running = {child.name for child in supervisor.roster.strategies}
    former = tuple(
        _former(supervisor, m, held_back) for name, m in money.items() if name not in running
    )
    services = tuple(map(of, supervisor.roster.services))
    changed = supervisor.roster.changed_at()
    return StatusReport(
        schema=SCHEMA_VERSION,
        pid=os.getpid(),
        uptime=now - supervisor.begun,
        stopping=supervisor.stopping,
        reloading=reloading,
        config=supervisor.roster.config.path,
        config_changed=changed,
        config_differences=None,
        # Of a file that was written since, nobody has said anything yet.
        config_problem=watched.problem if watched.judged == changed else "",
        config_watcher=watched.pid,
        folder=os.getcwd(),  # noqa: PTH109 - a string is wanted
        var_dir=str(supervisor.paths.var),
        market_url=supervisor.roster.config.globals.zmq_market_url,
        forkserver_pid=forkserver.pid(),
        account=account,
        strategies=strategies,
        former=former,
        services=services,
        totals=_totals(strategies, former, services),
        events=tuple(supervisor.events.newest)[-EVENTS_SHOWN:],
    )


def in_one_line(roster: Roster) -> str:
    """How many strategies run, and how many are given up; for people."""
    states = [child.state for child in roster.strategies]
    given_up = states.count(State.QUARANTINED)
    more = f", {given_up} QUARANTINED" if given_up else ""
    return f"{states.count(State.RUNNING)} of {len(states)} strategies running{more}"


def account_of(supervisor: Reported) -> AccountReport | None:
    """The account by the gateway's last beat; None before it."""
    for child in supervisor.roster.services:
        if child.plan.kind == "gateway" and child.spawn.beat is not None:
            return child.spawn.beat.account
    return None


def _queue(children: Iterable[Child]) -> dict[str, int]:
    """Whose processes are still to be made: how many are made before."""
    waiting = [child for child in children if child.spawn.pending]
    waiting.sort(key=lambda child: child.spawn.times.spawned or 0.0)
    return {child.name: number for number, child in enumerate(waiting)}


def _strategy(
    child: Child,
    process: ChildStatus,
    money: StrategyMoney | None,
    held_back: Sequence[TradingLock],
    now: float,
) -> StrategyStatus:
    beat = child.spawn.beat
    metrics = beat.metrics if beat is not None else None
    age = None
    if metrics is not None and metrics.last_tick_age >= 0.0:
        age = metrics.last_tick_age + now - child.spawn.metrics_at
    return StrategyStatus(
        process=process,
        symbol=child.plan.symbol,
        trading=locks.trading_state(held_back, child.name),
        ticks_per_second=_rate(child),
        last_tick_age=age,
        metrics=metrics,
        position_lots=_lots(money.position) if money is not None else 0.0,
        realised=money.realised if money is not None else 0.0,
        floating=money.floating if money is not None else 0.0,
        deals=money.deals if money is not None else 0,
        timings=beat.timings if beat is not None else None,
    )


def _former(
    supervisor: Reported, money: StrategyMoney, held_back: Sequence[TradingLock]
) -> StrategyStatus:
    """The row of a strategy that has no process, for what it left in the ledger."""
    entry = next((s for s in supervisor.roster.config.strategies if s.name == money.strategy), None)
    position = money.position
    known = position.symbol if position is not None else entry.symbol if entry is not None else ""
    return StrategyStatus(
        process=NO_PROCESS(name=money.strategy, state="REMOVED" if entry is None else "DISABLED"),
        symbol=known,
        trading=locks.trading_state(held_back, money.strategy),
        ticks_per_second=0.0,
        last_tick_age=None,
        metrics=None,
        position_lots=_lots(position),
        realised=money.realised,
        floating=money.floating,
        deals=money.deals,
    )


def _lots(position: Position | None) -> float:
    return position.signed_lots if position is not None else 0.0


def _child(child: Child, now: float, queue: Mapping[str, int], standby: StandingBy) -> ChildStatus:
    beat = child.spawn.beat
    spawned = child.spawn.times.spawned
    error = child.last_error
    metrics = beat.metrics if beat is not None else None
    # Nothing fails any more in a process that is gone: what it died of is the news.
    failing = metrics is not None and (metrics.errors_in_a_row or metrics.fill_errors_in_a_row)
    if metrics is not None and failing and child.pid is not None:
        error = metrics.last_error
    return ChildStatus(
        name=child.name,
        kind=child.plan.kind,
        state=child.state,
        phase=beat.phase if beat is not None else "",
        degraded=child.degraded,
        queued=queue.get(child.name),
        pid=child.pid,
        epoch=child.spawn.epoch,
        uptime=now - spawned if child.pid is not None and spawned is not None else None,
        restarts=child.restarts,
        retry_in=max(child.retry_at - now, 0.0) if child.retry_at is not None else None,
        beat_age=now - child.spawn.beat_at if beat is not None else None,
        recovery_ms=child.spawn.recovery * 1000.0 if child.spawn.recovery is not None else None,
        preloaded=child.spawn.preloaded,
        standby=standby.pid,
        no_standby=standby.fault,
        memory=beat.usage.rss if beat is not None else 0,
        cpu=_cpu(child),
        last_error=error,
        died_of=child.last_error if child.restarts else "",
        progress=beat.progress if beat is not None else 0,
    )


def _rate(child: Child) -> float:
    span = _span(child, caught_up=True)
    if span is None:
        return 0.0
    first, last, seconds = span
    if first.metrics is None or last.metrics is None:
        return 0.0
    return max((last.metrics.ticks_processed - first.metrics.ticks_processed) / seconds, 0.0)


def _cpu(child: Child) -> float:
    span = _span(child)
    if span is None:
        return 0.0
    first, last, seconds = span
    return 100.0 * (last.usage.cpu - first.usage.cpu) / seconds


def _span(child: Child, caught_up: bool = False) -> tuple[Beat, Beat, float] | None:
    """Two beats and the seconds between them; None: too few, or too near to each other.

    Args:
        child: Whose beats.
        caught_up: Only beats after it had caught up: what it took from the tape is no rate.
    """
    beats = [(b, at) for b, at in child.spawn.beats if not caught_up or b.phase in UP_PHASES]
    if child.pid is None or not beats:
        return None
    (first, begun), (last, ended) = beats[-RATE_BEATS:][0], beats[-1]
    return (first, last, ended - begun) if ended - begun >= RATE_LEAST else None


def _totals(
    strategies: tuple[StrategyStatus, ...],
    former: tuple[StrategyStatus, ...],
    services: tuple[ChildStatus, ...],
) -> Totals:
    processes = [s.process for s in strategies]
    running = [p for p in processes if p.state == State.RUNNING]
    counted = [s.metrics for s in strategies if s.metrics is not None]
    own = psutil.Process().memory_info().rss
    return Totals(
        strategies=len(strategies),
        running=len(running),
        degraded=sum(bool(p.degraded) for p in running),
        quarantined=sum(p.state == State.QUARANTINED for p in processes),
        queued=sum(p.queued is not None for p in processes),
        restarts=sum(p.restarts for p in (*processes, *services)),
        ticks_per_second=sum(s.ticks_per_second for s in strategies),
        signals=sum(m.signals_generated for m in counted),
        orders=sum(m.orders_sent for m in counted),
        realised=sum(s.realised for s in (*strategies, *former)),
        floating=sum(s.floating for s in (*strategies, *former)),
        memory=own + sum(c.memory for c in (*processes, *services)),
    )
