"""From a status and the ledger's figures to what the page shows; pure."""

import math
from collections.abc import Callable, Mapping

from mt5crs_services.page.desk.figures import TradeFigures, TradeSums, market_day
from mt5crs_services.page.desk.rows import (
    AccountHead,
    Desk,
    LastSignal,
    Open,
    Row,
    ServiceRow,
    Trouble,
)
from mt5crs_shared.control import notes
from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import ChildStatus, StatusReport, StrategyStatus
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.metrics import AccountReport, StrategyMoney
from mt5crs_shared.trading import locks
from mt5crs_shared.trading.locks import TradingLock, TradingState
from mt5crs_shared.wording import plain

SPAWN_JITTER = 2.0
"""Seconds by which a moment that is made of an age may differ from the same moment before."""


def desk_of(
    report: StatusReport,
    figures: TradeFigures,
    now: float,
    installation: str,
    newest_tick: Callable[[str, str], Tick | None],
    last_signal: Callable[[StrategyStatus], LastSignal | None],
    ledger_trouble: str = "",
) -> Desk:
    """What the page shows.

    Args:
        report: What the supervisor says.
        figures: What the ledger says.
        now: Wall time, Unix seconds.
        installation: What people call this system.
        newest_tick: The last tick of a strategy, by name and symbol.
        last_signal: The last decision of a strategy.
        ledger_trouble: Why the ledger's figures are old; empty: they are not.
    """
    account = report.account
    money = {entry.strategy: entry for entry in account.strategies} if account is not None else {}
    rows = {}
    for status in (*report.strategies, *report.former):
        name = status.process.name
        rows[name] = _row(
            status,
            money.get(name),
            figures.of(name),
            now,
            newest_tick(name, status.symbol) if status.process.pid is not None else None,
            last_signal(status),
            locks.strictest(account.locks if account is not None else (), name),
        )
    market_time = market_time_of(report)
    day = market_day(market_time if market_time is not None else now)
    return Desk(
        installation=installation,
        began=steady(now - report.uptime),
        market=report.market_url,
        pid=report.pid,
        stopping=report.stopping,
        account=_account(report, account, figures, day, ledger_trouble) if account else None,
        trouble=tuple(Trouble(note.text, note.wrong) for note in notes.notes(report)),
        rows=rows,
        order=tuple(rows),
        services={child.name: _service_row(child) for child in report.services},
        market_time=market_time,
    )


def market_time_of(report: StatusReport) -> float | None:
    """Event time of the newest tick that a strategy took, whole Unix seconds; None: none has."""
    times = [s.metrics.last_tick_time_us for s in report.strategies if s.metrics is not None]
    newest = max(times, default=0)
    return float(newest // 1_000_000) if newest else None


def steady(moment: float) -> float:
    """A moment that was made of an age, so that it is the same the next time."""
    return math.floor(moment / SPAWN_JITTER) * SPAWN_JITTER


def exposure_of(
    money: Mapping[str, StrategyMoney], specs: Mapping[str, SymbolSpec]
) -> dict[str, float]:
    """What open positions are worth by currency; see `rows.AccountHead`."""
    found: dict[str, float] = {}
    for entry in money.values():
        held = entry.position
        spec = specs.get(held.symbol) if held is not None else None
        if held is None or spec is None:
            continue
        base = held.lots * spec.contract_size * (1.0 if held.side == "BUY" else -1.0)
        price = entry.price or held.open_price
        found[spec.base_currency] = found.get(spec.base_currency, 0.0) + base
        found[spec.quote_currency] = found.get(spec.quote_currency, 0.0) - base * price
    # To whole units: what moves with every quote would never stand still.
    return {currency: float(round(amount, -2)) for currency, amount in sorted(found.items())}


def _row(
    status: StrategyStatus,
    money: StrategyMoney | None,
    earned: TradeSums,
    now: float,
    tick: Tick | None,
    signal: LastSignal | None,
    lock: TradingLock | None,
) -> Row:
    process, metrics = status.process, status.metrics
    lacking = metrics is not None and 0 <= metrics.warm < metrics.bars_needed
    age = status.last_tick_age
    return Row(
        name=process.name,
        symbol=status.symbol,
        state=shown_state(process),
        why=why_of(process),
        trading=str(status.trading),
        held=held_of(lock) if lock is not None else "",
        lock=plain(locks.in_words(lock)) if lock is not None else "",
        remedy=notes.way_out(lock) if lock is not None else "",
        pid=process.pid,
        since=steady(now - process.uptime) if process.uptime is not None else None,
        ticked=steady(now - age) if age is not None else None,
        rate=round(status.ticks_per_second, 1),
        bid=tick.bid if tick is not None else None,
        ask=tick.ask if tick is not None else None,
        day=earned.day,
        position=_open(money),
        floating=status.floating,
        today=earned.today,
        total=status.realised,
        trades=earned.trades,
        win_rate=earned.win_rate,
        signal=signal,
        warm=metrics.warm / metrics.bars_needed if metrics is not None and lacking else None,
        restarts=process.restarts,
        recovery_ms=process.recovery_ms,
        memory=round(process.memory, -5),
        cpu=round(process.cpu, 1),
        former=process.state in ("DISABLED", "REMOVED"),
    )


def _open(money: StrategyMoney | None) -> Open | None:
    held = money.position if money is not None else None
    if held is None or money is None:
        return None
    return Open(
        side=held.side,
        lots=held.lots,
        entry=held.open_price,
        price=money.price,
        stop=held.stop_loss,
        target=held.take_profit,
        since=held.open_time_us / 1e6,
    )


def held_of(lock: TradingLock) -> str:
    """Who holds orders back, and what may still be done, in the room below a state."""
    may = "no order is executed" if lock.state is TradingState.HALTED else "may close only"
    if lock.owner == locks.KILL_SWITCH:
        return f"kill switch: {may}"
    return f"{plain(lock.owner) if locks.is_of_rule(lock) else 'paused'}: {may}"


def shown_state(process: ChildStatus) -> str:
    """Its state; one that runs and cannot do its work fully is DEGRADED."""
    return "DEGRADED" if process.degraded and process.state == State.RUNNING else process.state


def why_of(process: ChildStatus) -> str:
    """What is to be known of its state; empty: nothing."""
    if process.queued is not None:
        return f"waits for its process; {process.queued} are made before it"
    if process.degraded:
        return plain(process.degraded)
    return plain(process.last_error) if process.state in (State.BACKOFF, State.QUARANTINED) else ""


def _service_row(process: ChildStatus) -> ServiceRow:
    return ServiceRow(
        name=process.name,
        state=shown_state(process),
        why=why_of(process),
        pid=process.pid,
        restarts=process.restarts,
        memory=round(process.memory, -5),
        cpu=round(process.cpu, 1),
    )


def _account(
    report: StatusReport,
    account: AccountReport,
    figures: TradeFigures,
    day: str,
    ledger_trouble: str,
) -> AccountHead:
    killed = next((k for k in account.locks if k.owner == locks.KILL_SWITCH), None)
    together = figures.together
    return AccountHead(
        currency=account.currency,
        book=account.book,
        equity=account.equity,
        balance=account.balance,
        margin=account.margin,
        free_margin=account.free_margin,
        floating=report.totals.floating,
        realised=report.totals.realised,
        today=together.today,
        day=day,
        drawdown=together.drawdown,
        drawdown_today=together.drawdown_today,
        exposure=exposure_of({e.strategy: e for e in account.strategies}, figures.specs),
        killed=locks.in_words(killed) if killed is not None else "",
        why=ledger_trouble,
    )
