"""Holding orders back and closing by hand: the gateway does it, and its word is shown."""

import getpass
import os
import sys
import time
from collections.abc import Callable, Sequence

import click

from mt5crs_shared.control.asking import ControlTimeout, NotRunning
from mt5crs_shared.control.notes import way_out
from mt5crs_shared.market.wire import to_the_second
from mt5crs_shared.process.environment import asked_for
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import account_log
from mt5crs_shared.storage.story import deal_in_words
from mt5crs_shared.trading import locks
from mt5crs_shared.trading.locks import (
    ACCOUNT,
    KILL_SWITCH,
    OPERATOR,
    TradingLock,
    TradingState,
)
from mt5crs_shared.trading.operator_requests import (
    AskTrading,
    ClosePositions,
    Lock,
    TradingReport,
    Unlock,
)
from mt5crs_shared.trading.orders import Fill, Position
from mt5crs_supervisor.commands import show
from mt5crs_supervisor.commands.failures import CommandError, ExitCode, matching, unknown_name
from mt5crs_supervisor.commands.records import books
from mt5crs_supervisor.commands.records.moments import end_of
from mt5crs_supervisor.display import folding
from mt5crs_supervisor.display.table import Cell, Column, column
from mt5crs_supervisor.operator.trading_control import GatewayDown, TradingControl

WITHIN = 15.0
"""Seconds that closing waits for a gateway that is catching up with the market."""

LOOK_EVERY = 0.1

OLD_TICK = 60.0
"""Seconds after which people are told of which moment a price is."""

Say = Callable[[str], None]
"""Takes what a command tells, line by line."""


def pause(
    paths: VarPaths,
    patterns: Sequence[str],
    everybody: bool,
    halt: bool,
    why: str,
    until: str | None,
    say: Say = folding.say,
) -> None:
    """Hold the orders of strategies, or of all, back; and see that they are."""
    end = end_of(until)
    gateway = TradingControl(paths)
    scopes = _scopes(gateway.ask(AskTrading()), patterns, everybody)
    state = TradingState.HALTED if halt else TradingState.REDUCING
    report = hold(gateway, scopes, state, why, end.timestamp() if end is not None else None)
    for scope in scopes:
        own = _lock_of(report, OPERATOR, scope)
        what = "no order" if own.state is TradingState.HALTED else "opens no position"
        say(f"{scope or 'every strategy'}: {what} any more; {locks.in_words(own)}")
        if end is not None and own.until != end.timestamp():
            say(f"  it was held already, and for longer; `resume {scope or '--all'}` first")
        strictest = locks.strictest(report.locks, scope)
        if strictest is not None and strictest != own:
            say(f"  besides: {locks.in_words(strictest)}; {_way_out(strictest)}")
    _tell_open(report.positions, scopes, say)


def hold(
    gateway: TradingControl,
    scopes: Sequence[str],
    state: TradingState,
    why: str,
    until: float | None = None,
    owner: str = OPERATOR,
) -> TradingReport:
    """Hold orders back, and see by the gateway's own trial that they are.

    Raises:
        CommandError: They are not.
    """
    who, now = user_name(), time.time()
    wanted = tuple(
        TradingLock(owner, scope, state, who, why[: locks.LONGEST_WHY], now, until)
        for scope in scopes
    )
    report = gateway.ask(Lock(wanted))
    _check_held(report, scopes, state is TradingState.HALTED)
    return report


def let_go(gateway: TradingControl, scopes: Sequence[str], owner: str = OPERATOR) -> TradingReport:
    """Take off what was held back by an owner."""
    return gateway.ask(Unlock(owner, tuple(scopes), user_name()))


def resume(
    paths: VarPaths, patterns: Sequence[str], everybody: bool, say: Say = folding.say
) -> None:
    """Take off what `pause` has put on strategies, or all of it."""
    gateway = TradingControl(paths)
    before = gateway.ask(AskTrading())
    own = {lock.scope for lock in before.locks if lock.owner == OPERATOR}
    named = _scopes(before, patterns, everybody)
    scopes = sorted(own) if everybody else named
    report = let_go(gateway, scopes)
    for scope in scopes:
        name = scope or "every strategy"
        was = "is not paused any more" if scope in own else "was not paused"
        lock = locks.strictest(report.locks, scope)
        still = f"; still held back: {locks.in_words(lock)}; {_way_out(lock)}" if lock else ""
        say(f"{name}: {was}{still}")
    if not scopes:
        say("nothing was paused")


def unlock(paths: VarPaths, patterns: Sequence[str], everybody: bool) -> None:
    """Take off what risk rules have put on strategies, or on anybody and the account."""
    gateway = TradingControl(paths)
    before = gateway.ask(AskTrading())
    named = _scopes(before, patterns, everybody)
    wanted = [k for k in before.locks if locks.is_of_rule(k) and (everybody or k.scope in named)]
    report = before
    for lock in wanted:
        report = let_go(gateway, [lock.scope], lock.owner)
        folding.say(f"{lock.scope or 'every strategy'}: {lock.owner} lets it trade again")
    if wanted:
        folding.say("where a rule is broken still, the next order locks again")
    for scope in set(named) - {ACCOUNT} - {lock.scope for lock in wanted}:
        folding.say(f"{scope}: no risk rule has locked it")
    if everybody and not wanted:
        folding.say("no risk rule has locked anything")
    for scope in sorted({*named, *(lock.scope for lock in wanted)}):
        held = locks.strictest(report.locks, scope)
        if held is not None:
            what = scope or "every strategy"
            folding.say(f"{what}: still held back: {locks.in_words(held)}; {_way_out(held)}")


def flatten(
    paths: VarPaths, targets: Sequence[str], everybody: bool, say: Say = folding.say
) -> None:
    """Close positions now: those of strategies, those with these tickets, or all."""
    if everybody == bool(targets):
        raise CommandError("name strategies or tickets, or say --all, and not both", ExitCode.USAGE)
    gateway = TradingControl(paths)
    before = gateway.ask(AskTrading())
    wanted = _wanted(before, targets, everybody)
    if not wanted:
        say("nothing is open" if everybody else f"nothing is open of {', '.join(targets)}")
        return
    close(gateway, wanted, say)
    for name in sorted({position.strategy for position in wanted}):
        trial = next((trial for trial in before.trials if trial.strategy == name), None)
        if trial is not None and not trial.opening:
            say(f"{name}: may open again while it runs; `pause {name}` keeps it flat")


def kill_switch(paths: VarPaths, closing: bool, why: str, say: Say = folding.say) -> None:
    """Hold everything back, see that nothing gets through, and close all if that is wished."""
    gateway = TradingControl(paths)
    report = hold(gateway, [ACCOUNT], TradingState.HALTED, why, owner=KILL_SWITCH)
    held = _lock_of(report, KILL_SWITCH, ACCOUNT)
    tried = f"tried with each of {len(report.trials)} strategies: none gets an order through"
    say(f"kill switch ON: {locks.in_words(held)}; {tried}")
    if closing and report.positions:
        close(gateway, report.positions, say)
    elif report.positions:
        _tell_open(report.positions, [ACCOUNT], say)
    say("it holds until `kill-switch off`, whatever is restarted")


def release_kill_switch(paths: VarPaths, sure: bool, say: Say = folding.say) -> None:
    """Take the kill switch off, after the name of the installation has been typed."""
    gateway = TradingControl(paths)
    before = gateway.ask(AskTrading())
    if not any(lock.owner == KILL_SWITCH for lock in before.locks):
        say("kill switch OFF: it was not on")
        return
    if not sure:
        _ask_for_name(paths.title)
    report = let_go(gateway, [ACCOUNT], KILL_SWITCH)
    say("kill switch OFF")
    for lock in report.locks:
        what = lock.scope or "every strategy"
        say(f"still held back: {what}: {locks.in_words(lock)}; {_way_out(lock)}")


def show_kill_switch(paths: VarPaths) -> None:
    """Say whether it is on: by the gateway itself, or by the ledger where there is none."""
    by = ""
    try:
        held = [*TradingControl(paths).ask(AskTrading()).locks]
    except (NotRunning, GatewayDown):
        by, held = " (by the ledger: no gateway runs)", _recorded(paths)
    lock = next((lock for lock in held if lock.owner == KILL_SWITCH), None)
    said = f"ON{by}: {locks.in_words(lock)}" if lock is not None else f"OFF{by}"
    folding.say(f"kill switch {said}")


def show_locks(paths: VarPaths, as_json: bool) -> None:
    """Print what holds orders back, by the ledger, whether anything runs or not."""
    found = _recorded(paths)
    show.print_rows(found, _columns, "Nothing is held back.", as_json)


def _recorded(paths: VarPaths) -> list[TradingLock]:
    """The locks that hold, by the ledger."""
    with books.ledger_of(paths.var) as ledger:
        found = account_log.read_locks(ledger) if ledger is not None else []
        return [*locks.in_force(found, time.time())]


def user_name() -> str:
    """Who acts, for those who ask later."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # In a container a user may have a number only.
        name = f"user {os.getuid()}"
    return f"{name} ({who})" if (who := asked_for()) else name


def _columns(rows: Sequence[TradingLock]) -> list[Column]:
    def moment(wall: float | None) -> Cell:
        return books.moment(round(wall * 1e6)) if wall is not None else Cell("-")

    # What no lock has would take the room of what each of them has.
    why = column(rows, "WHY", lambda k: Cell(k.why or "-"), 1, right=False, least=8)
    until = column(rows, "UNTIL (UTC)", lambda k: moment(k.until), 3, right=False)
    return [
        column(rows, "WHAT", lambda k: Cell(k.scope or "account"), right=False),
        column(rows, "STATE", lambda k: Cell(k.state, "red"), right=False),
        *([why] if any(k.why for k in rows) else []),
        *([until] if any(k.until is not None for k in rows) else []),
        column(rows, "TAKEN OFF BY", lambda k: Cell(way_out(k)), 2, right=False),
        column(rows, "BY", lambda k: Cell(k.who), 5, right=False),
        column(rows, "SINCE (UTC)", lambda k: moment(k.since), 4, right=False),
    ]


def _way_out(lock: TradingLock) -> str:
    return f"`{way_out(lock)}`"


def _scopes(report: TradingReport, patterns: Sequence[str], everybody: bool) -> list[str]:
    """The strategies that patterns name, or the account.

    Raises:
        CommandError: A pattern names nobody; nothing is done then.
    """
    if everybody == bool(patterns):
        raise CommandError(
            "name strategies (also with * and ?), or say --all, and not both", ExitCode.USAGE
        )
    known = [*(trial.strategy for trial in report.trials), *report.former]
    known += [lock.scope for lock in report.locks if lock.scope]
    return [ACCOUNT] if everybody else matching(known, patterns, "strategy")


def _wanted(report: TradingReport, targets: Sequence[str], everybody: bool) -> tuple[Position, ...]:
    """The open positions that are named by ticket or by strategy."""
    tickets = {int(target) for target in targets if target.isdigit()}
    unknown = tickets - {position.ticket for position in report.positions}
    if unknown:
        open_ = map(str, sorted(position.ticket for position in report.positions))
        raise unknown_name(str(min(unknown)), open_, "open position")
    patterns = [target for target in targets if not target.isdigit()]
    names = _scopes(report, patterns, everybody=False) if patterns else []
    return tuple(
        position
        for position in report.positions
        if everybody or position.strategy in names or position.ticket in tickets
    )


def close(gateway: TradingControl, wanted: Sequence[Position], say: Say = folding.say) -> None:
    """Close positions; a gateway that has just begun closes nothing before it has quotes.

    A broker that is far away is waited for.

    Raises:
        CommandError: One is not closed.
        ControlTimeout: The gateway has no quotes of this moment in time.
    """
    request = ClosePositions(tuple(position.ticket for position in wanted), user_name())
    deadline = time.monotonic() + WITHIN
    while (report := gateway.ask(request)).kept and (report.catching_up or report.under_way):
        if time.monotonic() > deadline:
            raise ControlTimeout(f"not closed: {_kept(report)}, for {WITHIN:g} s now")
        time.sleep(LOOK_EVERY)
    for fill in report.closed:
        say(_closed(fill, time.time()))
    if report.kept:
        raise CommandError(f"not closed: {_kept(report)}")


def _kept(report: TradingReport) -> str:
    return "; ".join(f"position {ticket}: {why}" for ticket, why in report.kept.items())


def _closed(fill: Fill, now: float) -> str:
    opened = "BUY" if fill.side == "SELL" else "SELL"
    what = f"{opened} {fill.lots:g} {fill.symbol} is closed at {fill.price:g}"
    if now - fill.time_us / 1e6 > OLD_TICK:
        # Where the feed is dead, a price of then is not that of now.
        what += f" (newest tick {to_the_second(fill.time_us)} UTC)"
    return f"{fill.strategy}: {what}: {deal_in_words(fill)}"


def _lock_of(report: TradingReport, owner: str, scope: str) -> TradingLock:
    """The lock that this command has put there, or found there.

    Raises:
        CommandError: There is none.
    """
    for lock in report.locks:
        if (lock.owner, lock.scope) == (owner, scope):
            return lock
    raise CommandError(f"{scope or 'the account'} is NOT held back; see the gateway's log")


def _check_held(report: TradingReport, scopes: Sequence[str], halt: bool) -> None:
    """See by the gateway's own trial that orders are refused.

    Raises:
        CommandError: One is not.
    """
    for trial in report.trials:
        if ACCOUNT not in scopes and trial.strategy not in scopes:
            continue
        if not trial.opening or (halt and not trial.closing):
            raise CommandError(f"{trial.strategy} is NOT held back; see the gateway's log")


def _tell_open(positions: Sequence[Position], scopes: Sequence[str], say: Say) -> None:
    for held in positions:
        if ACCOUNT in scopes or held.strategy in scopes:
            say(
                f"{held.strategy}: {held.side} {held.lots:g} {held.symbol} stays open, guarded by"
                f" its stop and target; `flatten {held.strategy}` closes it"
            )


def _ask_for_name(name: str) -> None:
    """Have the installation's name typed.

    Raises:
        CommandError: Another one was, or nobody can type.
    """
    if not sys.stdin.isatty():
        raise CommandError("nobody can be asked here; say --yes", ExitCode.USAGE)
    typed = click.prompt(f"to let everything trade again, type the installation's name ({name})")
    check_name(name, typed)


def check_name(name: str, typed: str) -> None:
    """Compare what was typed with the installation's name.

    Raises:
        CommandError: It is another one.
    """
    if typed != name:
        raise CommandError(f"that was not {name}: the kill switch stays ON")
