"""What is said of a status beside its figures: what is wrong, and what mends it; pure."""

import msgspec

from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import ChildStatus, StatusReport, StrategyStatus
from mt5crs_shared.market.wire import to_the_second
from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_shared.trading import locks
from mt5crs_shared.trading.locks import TradingLock, TradingState
from mt5crs_shared.wording import counted, duration, local_time, nearby, plain, way_back

JUST_NOW = 60.0
"""Seconds within which it is not said when something was."""

A_DAY = 86_400.0

LATELY = 60.0
"""Seconds for which it is told what somebody has died of who runs again."""


class Note(msgspec.Struct, frozen=True):
    """Something to be said beside the figures.

    Attributes:
        text: It, and of whom.
        wrong: Something is wrong, or waits for the operator.
    """

    text: str
    wrong: bool = True


def notes(report: StatusReport) -> list[Note]:
    """What is wrong, what all depend on first; then why signals came to nothing."""
    changed = changed_note(report)
    # The kill switch first, then what holds everybody back: it explains all below it.
    held_back = sorted(
        report.account.locks if report.account is not None else (),
        key=lambda lock: (lock.owner != locks.KILL_SWITCH, lock.scope != locks.ACCOUNT),
    )
    wrong = [
        (lock.scope or "account", f"{locks.in_words(lock)}; `{way_out(lock)}`{_lasting(lock)}")
        for lock in held_back
    ]
    wrong += [(child.name, _note(child)) for child in report.services]
    wrong += [(s.process.name, _note(s.process)) for s in report.strategies]
    wrong += [(s.process.name, kept_open(s)) for s in (*report.strategies, *report.former)]
    processes = [*report.services, *(row.process for row in report.strategies)]
    besides = [(child.name, _died_lately(child)) for child in processes]
    besides += [(child.name, _no_standby(child)) for child in processes]
    besides += [(s.process.name, _untraded(s)) for s in report.strategies if not _note(s.process)]
    return [
        *([Note(plain(changed))] if changed else []),
        *(Note(plain(f"{name}: {note}")) for name, note in wrong if note),
        *(Note(plain(f"{name}: {note}"), wrong=False) for name, note in besides if note),
    ]


def way_out(lock: TradingLock) -> str:
    """The command that takes a lock off."""
    if lock.owner == locks.KILL_SWITCH:
        return "kill-switch off"
    verb = "unlock" if locks.is_of_rule(lock) else "resume"
    return f"{verb} {lock.scope or '--all'}"


def _lasting(lock: TradingLock) -> str:
    return ", which lasts once the rule allows it" if locks.is_of_rule(lock) else ""


def changed_note(report: StatusReport) -> str:
    """That the file is another one than what runs; empty: it is not, or a reload is under way."""
    if report.reloading:
        return f"a reload is under way, and waits for {report.reloading}"
    file = nearby(report.config)
    if report.config_changed is not None:
        changed = f"{file} has changed at {local_time(report.config_changed)}"
    else:
        changed = f"what {file} names has changed"
    if report.config_problem:
        return f"{changed}, and {report.config_problem.replace(report.config, file)}"
    if report.config_changed is None:
        return ""
    watched = report.config_watcher is not None
    match report.config_differences:
        case None:
            return f"{changed}: {taken_up_by(report)}"
        case 0:
            return f"{changed}, and says what runs"
        case count:
            shown = "it" if count == 1 else "them"
            how = taken_up_by(report) if watched else f"`reload --dry-run` shows {shown}"
            return f"{changed}: {counted(count, 'difference')} ({how})"


def taken_up_by(report: StatusReport) -> str:
    """Who takes up a change of the configuration."""
    if report.config_watcher is not None:
        return f"pid {report.config_watcher} takes it up"
    return "`reload` takes it up"


def _note(child: ChildStatus) -> str:
    if child.degraded:
        return child.degraded
    if child.state == State.BACKOFF:
        wait = f"; next try in {duration(child.retry_in)}" if child.retry_in is not None else ""
        return f"{child.last_error}{wait}"
    if child.state == State.QUARANTINED:
        return f"given up after: {child.last_error}; {way_back(child.name)}"
    if child.state == State.STOPPED and child.kind == "strategy" and child.epoch:
        return f"stopped; `start {child.name}`"
    return ""


def _died_lately(child: ChildStatus) -> str:
    """What one that runs has died of a moment ago; empty: it has not, or is DEGRADED."""
    up = child.uptime
    if child.state != State.RUNNING or child.degraded or up is None or up >= LATELY:
        return ""
    return f"back for {duration(up)}, after: {child.died_of}" if child.died_of else ""


def _no_standby(child: ChildStatus) -> str:
    """That the next death takes the usual way though a standby is wanted; empty: it does not."""
    if child.state != State.RUNNING or not child.no_standby:
        return ""
    return f"no process stands by for it: {child.no_standby}"


def kept_open(row: StrategyStatus) -> str:
    """What is to be known of the position of one without a process; empty: it has none."""
    if row.process.pid is not None or not row.position_lots:
        return ""
    name = row.process.name
    return f"{row.position_lots:+g} lots stay open, guarded by the gateway; `flatten {name}`"


def _untraded(row: StrategyStatus) -> str:
    """Why the last signal led to no deal; empty: it did, there was none, or it is held back."""
    metrics = row.metrics
    trades = row.process.state == State.RUNNING and row.trading is TradingState.ACTIVE
    if metrics is None or not metrics.last_reason or not trades:
        return ""
    told = []
    if metrics.signals_untraded:
        untraded = f"{metrics.signals_untraded} of {metrics.signals_generated} signals"
        told.append(f"{untraded} led to no order")
    if refused := metrics.orders_rejected:
        told.append(f"{counted(refused, 'order')} {'was' if refused == 1 else 'were'} refused")
    reason = last_reason(metrics)
    return f"{reason} ({', '.join(told)})" if told else reason


def last_reason(metrics: StrategyMetrics) -> str:
    """Why a signal led to less than a deal, the last time, and when, by the market's clock.

    What was a minute ago may hold no more.
    """
    return _with_time(metrics.last_reason, metrics.last_reason_us, metrics)


def last_error(metrics: StrategyMetrics) -> str:
    """What a strategy's code has raised, the last time, and when, as `last_reason`."""
    return _with_time(metrics.last_error, metrics.last_error_us, metrics)


def _with_time(what: str, time_us: int, metrics: StrategyMetrics) -> str:
    age = (metrics.last_tick_time_us - time_us) / 1e6
    if age < JUST_NOW or not time_us:
        return what
    # How long ago would be of that clock too: a replay's runs faster than the reader's.
    moment = to_the_second(time_us)
    return f"at {moment if age > A_DAY else moment[11:]} UTC: {what}"
