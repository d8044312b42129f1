"""`explain`: what one strategy is doing, and what it waits for, in words; and its `decisions`."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.control.notes import kept_open, last_error, last_reason, way_out
from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import StrategyStatus
from mt5crs_shared.errors import ConfigError
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import decision_log
from mt5crs_shared.storage.decision_log import Decision
from mt5crs_shared.trading import locks
from mt5crs_shared.trading.locks import TradingLock, TradingState
from mt5crs_shared.wording import counted, duration, plain, way_back
from mt5crs_supervisor.commands import show
from mt5crs_supervisor.commands.failures import CommandError, unknown_name
from mt5crs_supervisor.commands.records import books
from mt5crs_supervisor.display import render
from mt5crs_supervisor.display.folding import folded_words
from mt5crs_supervisor.display.table import Cell, Column, column
from mt5crs_supervisor.operator.control import ControlClient

TOPIC = 12
"""Cells before the words of an explanation."""

COLOURS = {"OPEN": "green", "CLOSE": "green", "TURN": "green", "MISSED": "red", "REFUSED": "red"}


def show_explanation(var_dir: Path, name: str) -> None:
    """Print what a strategy of the running system does; its words below one another."""
    lines = explanation(var_dir, name)
    if sys.stdout.isatty():
        lines = [part for line in lines for part in on_lines(line, show.width())]
    show.print_lines(lines)


def on_lines(line: str, width: int) -> list[str]:
    """One line of an explanation on as many as it needs, none beginning below its topic."""
    topic, text = line[:TOPIC], line[TOPIC:]
    if not topic.startswith(" "):
        return folded_words(line, width, " " * TOPIC)
    first, *rest = folded_words(text, max(width - TOPIC, 20)) or [""]
    return [topic + first, *(" " * TOPIC + part for part in rest)]


def explanation(var_dir: Path, name: str) -> list[str]:
    """What a strategy of the running system does, line by line.

    Raises:
        CommandError: There is no strategy of that name.
        NotRunning: There is no supervisor.
        ControlTimeout: It did not answer in time.
    """
    report = ControlClient(var_dir).status()
    rows = {row.process.name: row for row in (*report.strategies, *report.former)}
    if name not in rows:
        raise unknown_name(name, rows, "strategy")
    entry = None
    with contextlib.suppress(ConfigError):
        config = loading.load_config(Path(report.config))
        entry = next((s for s in config.strategies if s.name == name), None)
    last = None
    with contextlib.suppress(decision_log.DecisionLogError):
        found = decision_log.read_decisions(VarPaths(var_dir).journal(name), 1)
        last = found[-1] if found else None
    account = report.account
    lock = locks.strictest(account.locks, name) if account is not None else None
    return explained(rows[name], entry, last, lock)


def show_decisions(var_dir: Path, name: str, limit: int, as_json: bool) -> None:
    """Print a strategy's newest decisions, the newest last."""
    paths = VarPaths(var_dir)
    journal = paths.journal(name)
    if not journal.exists():
        known = [path.stem for path in paths.state.glob("*.db")]
        if not known:
            raise CommandError(f"no strategy has run in {var_dir} yet")
        raise unknown_name(name, known, "strategy that has run")
    found = decision_log.read_decisions(journal, limit)
    show.print_rows(
        found, _columns, f"{name} has decided nothing yet; see `explain {name}`.", as_json
    )


def explained(
    row: StrategyStatus,
    entry: StrategyConfig | None,
    last: Decision | None,
    lock: TradingLock | None = None,
) -> list[str]:
    """What a strategy does, one line for each thing that can be said.

    Args:
        row: Of the status.
        entry: Of the configuration as it is now; None: it has none, or cannot be read.
        last: Its last decision; None: there is none.
        lock: What holds its orders back; None: nothing.
    """
    told = [
        ("", "  ".join(filter(None, (row.process.name, row.symbol, _process(row))))),
        ("trouble", row.process.degraded),
        ("standby", _standby(row)),
        ("held back", _held_back(lock)),
        ("bars", _bars(row)),
        ("market", _market(row)),
        ("features", _features(row)),
        ("errors", _errors(row)),
        ("decision", _decision(entry, last)),
        ("orders", _orders(row)),
        ("position", _position(row)),
    ]
    return [f"  {topic:<9} {plain(text)}" if topic else text for topic, text in told if text]


def _process(row: StrategyStatus) -> str:
    """Its state, as `status` has it, and what it waits for."""
    child = row.process
    if child.queued is not None:
        return f"waits for its process; {child.queued} are made before it"
    match child.state:
        case State.STARTING:
            return "STARTING: its process boots"
        case State.RECOVERING:
            return "RECOVERING: takes the ticks that came while it was away"
        case State.BACKOFF:
            wait = f"; comes back in {duration(child.retry_in)}" if child.retry_in else ""
            return f"BACKOFF: {child.last_error}{wait}"
        case State.QUARANTINED:
            return f"QUARANTINED after: {child.last_error}; {way_back(child.name)}"
        case State.STOPPED:
            return f"STOPPED: it has no process; `start {child.name}`"
        case "DISABLED":
            return "DISABLED in the configuration: it has no process"
        case "REMOVED":
            return "is in no configuration any more: it has no process"
        case _:
            up = f" for {duration(child.uptime)}" if child.uptime is not None else ""
            process = f"{child.state}{up}, pid {child.pid}"
            shown = render.strategy_state(row).text
            return process if shown == child.state else f"{shown} (its process: {process})"


def _standby(row: StrategyStatus) -> str:
    """The process that stands by for it, or why none can; empty: none is wanted, or not yet."""
    child = row.process
    return f"pid {child.standby} stands by, warm" if child.standby else child.no_standby


def _held_back(lock: TradingLock | None) -> str:
    if lock is None:
        return ""
    what = "no order is" if lock.state is TradingState.HALTED else "only orders that close are"
    return f"{locks.in_words(lock)}; {what} executed until `{way_out(lock)}`"


def _bars(row: StrategyStatus) -> str:
    metrics = row.metrics
    if metrics is None or not metrics.bars_needed:
        return ""
    length = duration(metrics.bar_seconds)
    begun = f"; it began with {metrics.history_bars} of `history`" if metrics.history_bars else ""
    if metrics.warm >= metrics.bars_needed:
        return (
            f"warm: it has the {metrics.bars_needed} closed bars of {length} that it needs{begun}"
        )
    left = (metrics.bars_needed - metrics.warm) * metrics.bar_seconds
    return (
        f"warming up: {metrics.warm} of {metrics.bars_needed} closed bars of {length};"
        f" {duration(left)} of open market to go, until then it decides nothing{begun}"
    )


def _market(row: StrategyStatus) -> str:
    metrics = row.metrics
    if metrics is None or row.process.pid is None:
        return ""
    if row.last_tick_age is None:
        return f"no tick of {row.symbol} has come yet; `doctor` says which do"
    taken = f"{metrics.ticks_processed:,} ticks taken"
    return (
        f"last tick {duration(row.last_tick_age)} ago, {row.ticks_per_second:.1f} a second, {taken}"
    )


def _features(row: StrategyStatus) -> str:
    """What its feature API has given; empty: it asks none."""
    metrics = row.metrics
    if metrics is None or not metrics.features_from_api + metrics.feature_faults:
        return ""
    told = f"of the API for {metrics.features_from_api:,} bars"
    if metrics.feature_faults:
        told += (
            f"; none for {metrics.feature_faults:,}, the last time: {metrics.last_feature_fault}"
        )
    return told


def _errors(row: StrategyStatus) -> str:
    """What its code has raised, also now and then; empty: nothing."""
    metrics = row.metrics
    if metrics is None or not metrics.error_count:
        return ""
    raised = counted(metrics.error_count, "exception")
    return f"{raised} in its code, the last: {last_error(metrics)}; see `logs {row.process.name}`"


def _decision(entry: StrategyConfig | None, last: Decision | None) -> str:
    if last is None:
        return "none yet"
    signal = last.word
    when = f"{books.moment(last.time_us).text} UTC of the market"
    why = ""
    if last.probability is not None:
        why = f": p = {last.probability:.3f}"
        if entry is not None:
            sell = 1.0 - entry.threshold
            why += f", BUY needs more than {entry.threshold:g}, SELL less than {sell:g}"
    done = f"; {last.action}" if last.action != "NONE" else ""
    reasons = _reasons(last)
    more = f"; {reasons}" if reasons else ""
    return f"{signal} at {when}{why}{done}{more}"


def _orders(row: StrategyStatus) -> str:
    metrics = row.metrics
    if metrics is None:
        return ""
    counts = {
        "signals": metrics.signals_generated,
        "sent": metrics.orders_sent,
        "filled": metrics.orders_filled,
        "refused": metrics.orders_rejected,
        "not sent": metrics.orders_missed,
        "too small or within the spread": metrics.signals_untraded,
    }
    told = ", ".join(f"{what} {count}" for what, count in counts.items() if count)
    reason = f"; why the last made no deal: {last_reason(metrics)}" if metrics.last_reason else ""
    return f"{told or 'no signal yet'}{reason}"


def _position(row: StrategyStatus) -> str:
    held = (
        f"{row.position_lots:+g} lots, floating {row.floating:+,.2f}"
        if row.position_lots
        else "flat"
    )
    told = f"{held}; realised {row.realised:+,.2f} in {counted(row.deals, 'deal')}"
    return f"{told}; {left}" if (left := kept_open(row)) else told


def _columns(rows: Sequence[Decision]) -> list[Column]:
    return [
        column(rows, "TICK (UTC)", lambda d: books.moment(d.time_us), right=False),
        column(rows, "SIGNAL", lambda d: Cell(d.word), right=False),
        column(rows, "P", lambda d: Cell(_probability(d))),
        column(rows, "ACTION", lambda d: Cell(d.action, COLOURS.get(d.action)), right=False),
        column(rows, "LOTS", lambda d: Cell(f"{d.lots:.2f}" if d.lots else "-"), 2),
        column(rows, "BID", lambda d: Cell(f"{d.bid:g}"), 3),
        column(rows, "ASK", lambda d: Cell(f"{d.ask:g}"), 3),
        column(rows, "WHY", lambda d: Cell(_reasons(d)), 1, right=False, least=24),
    ]


def _reasons(decision: Decision) -> str:
    # That it was refused stands in ACTION: a narrow window shows by what.
    detail = decision.detail.removeprefix("order refused: ")
    return "; ".join(filter(None, (detail, decision.note)))


def _probability(decision: Decision) -> str:
    return f"{decision.probability:.3f}" if decision.probability is not None else "-"
