"""`reload`: what the file says now, compared with what runs, shown, done, and waited for."""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.control.asking import ControlTimeout
from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import StatusReport
from mt5crs_shared.errors import ConfigError
from mt5crs_shared.process.environment import asked_for
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.trading.locks import OPERATOR, TradingState
from mt5crs_shared.trading.operator_requests import AskTrading
from mt5crs_shared.wording import nearby
from mt5crs_supervisor.commands import show, trading, validate
from mt5crs_supervisor.commands.editing.history import history_start
from mt5crs_supervisor.commands.failures import CommandError
from mt5crs_supervisor.commands.running.background import wait_until
from mt5crs_supervisor.commands.running.children import SETTLED, UNCHANGED
from mt5crs_supervisor.display.folding import say, say_aside
from mt5crs_supervisor.display.table import Cell, Column, column, table
from mt5crs_supervisor.operator.actions import digest_of
from mt5crs_supervisor.operator.control import (
    ChangedStrategy,
    ConfigDifference,
    ControlClient,
    Planned,
    Refused,
    ReloadRequest,
)
from mt5crs_supervisor.operator.difference import BY_RELOAD, left_open
from mt5crs_supervisor.operator.trading_control import GatewayDown, TradingControl

WITHIN = 60.0
"""Seconds that a reload is waited for."""

TELL_EVERY = 1.0
"""Seconds after which it is said again what a reload waits for."""

Row = tuple[str, str, str]
"""What happens, to whom, and what is behind it."""


def reload(paths: VarPaths, dry_run: bool, keep: bool, flatten: bool) -> None:
    """Have the running system do what its file says now.

    Strategies that begin by it find the terminal's bars, where a bridge gives any.

    Raises:
        ConfigError: The file is refused; nothing has changed.
        CommandError: It cannot be done while everything runs, or something does not come up.
        ControlTimeout: It is not over in time.
    """
    client = ControlClient(paths.var)
    report = client.status()
    if not dry_run:
        history_start.pull_history(Path(report.config), paths.var, say_aside, Path(report.folder))
    say_aside(f"trying what {nearby(report.config)} names ...")
    try:
        request = tried(report)
    except ConfigError as error:
        raise ConfigError(error.problems, UNCHANGED) from error
    planned = asked(client, request)
    _show(planned)
    if planned.refused:
        raise CommandError(f"nothing that runs was changed: {'; '.join(planned.refused)}")
    if dry_run or not planned.count:
        return
    with _leaving_held(paths, planned.removed, keep, flatten):
        meant = msgspec.structs.replace(request, dry_run=False, keep=keep or flatten)
        asked(client, meant)
        _wait(client, planned, time.monotonic)


def tried(report: StatusReport) -> ReloadRequest:
    """What to ask for, as a dry run, after everything that the file says and names was tried.

    Args:
        report: Of the supervisor that runs. Where it was started is this process's folder now.

    Raises:
        ConfigError: The file is refused.
    """
    # What the file names is looked for where the system was started, wherever this command is.
    os.chdir(report.folder)
    path = Path(report.config)
    config = loading.load_config(path)
    if problems := validate.problems_of(config, path):
        raise ConfigError(tuple(problems))
    return ReloadRequest(digest_of(config), _models(config), dry_run=True, who=asked_for())


def _models(config: Config) -> dict[str, str]:
    """The contents of each model's file, as `StrategyInstance.model_hash` has them."""
    found: dict[str, str] = {}
    for strategy in config.enabled:
        if strategy.model_path is not None:
            with Path(strategy.model_path).open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32))
            found[strategy.name] = digest.hexdigest()
    return found


def asked(client: ControlClient, request: ReloadRequest) -> ConfigDifference:
    """What differs; without a dry run it is under way.

    Raises:
        CommandError: The supervisor refuses.
        NotRunning: There is none.
        ControlTimeout: It did not answer in time.
    """
    reply = client.request(request)
    if isinstance(reply, Refused):
        raise CommandError(f"nothing that runs was changed: {reply.reason}")
    assert isinstance(reply, Planned), reply
    return reply.difference


@contextlib.contextmanager
def _leaving_held(
    paths: VarPaths, leaving: Sequence[str], keep: bool, flatten: bool
) -> Iterator[None]:
    """Let strategies that leave open nothing more until they have stopped.

    What was open at the last beat is a second old; from here on it is what the gateway says.

    Raises:
        CommandError: One holds a position, and nobody has said what becomes of it.
    """
    gateway = TradingControl(paths)
    try:
        before = gateway.ask(AskTrading()) if leaving else None
    except GatewayDown:
        before = None  # No order leaves then.
    if before is None:
        yield
        return
    paused = {lock.scope for lock in before.locks if lock.owner == OPERATOR}
    fresh = [name for name in leaving if name not in paused]
    report = trading.hold(gateway, leaving, TradingState.HALTED, "leaves by a reload")
    held = [position for position in report.positions if position.strategy in leaving]
    try:
        if flatten:
            trading.close(gateway, held)
        elif held and not keep:
            names = [position.strategy for position in held]
            raise CommandError(f"nothing that runs was changed: {left_open(names, *BY_RELOAD)}")
        yield
    finally:
        trading.let_go(gateway, fresh)


def _wait(client: ControlClient, planned: ConfigDifference, monotonic: Callable[[], float]) -> None:
    """Wait until everybody has come to where they belong, and say so.

    Raises:
        CommandError: Some did not come up.
        ControlTimeout: It is not over in time.
    """
    begun = told_at = monotonic()
    fresh = {*planned.added, *(c.name for c in planned.changed if c.replaced), *planned.services}

    def over() -> StatusReport | None:
        nonlocal told_at
        report = client.status()
        if report.reloading and monotonic() - told_at > TELL_EVERY:
            told_at = monotonic()
            say(f"waits for {report.reloading} ...")
        states = [child.state for child in report.children if child.name in fresh]
        settled = len(states) == len(fresh) and all(state in SETTLED for state in states)
        return report if not report.reloading and settled else None

    report = wait_until(over, WITHIN)
    if report is None:
        last = client.status()
        late = [c for c in last.children if c.name in fresh and c.state not in SETTLED]
        named = ", ".join(f"{child.name} ({child.state})" for child in late)
        raise ControlTimeout(
            f"not over after {WITHIN:g} s: it waits for {last.reloading or named or 'nobody'},"
            " and goes on; see `status`"
        )
    bad = [
        f"{child.name} is {child.state}: {child.last_error}"
        for child in report.children
        if child.name in fresh and child.state != State.RUNNING
    ]
    if bad:
        raise CommandError("; ".join(bad))
    say(f"done in {monotonic() - begun:.1f} s; {len(planned.untouched)} untouched")


def _show(planned: ConfigDifference) -> None:
    rows = [
        *(("added", name, "starts") for name in planned.added),
        *(("removed", name, _leaving(name, planned)) for name in planned.removed),
        *(row for changed in planned.changed for row in _changed(changed)),
        *(("changed", c.path, f"{c.before} -> {c.after}") for c in planned.globals),
        *(("fresh", name, "gets a process that knows of it") for name in planned.services),
        *(("removed", name, "stops") for name in planned.ended),
    ]
    if planned.untouched:
        rows.append(("untouched", *_going_on(planned.untouched)))
    if not planned.count:
        say("Nothing differs from what runs. A changed class is taken up by `restart NAME`.")
    else:
        show.print_lines(table(_columns(rows), show.width()))


def _changed(changed: ChangedStrategy) -> list[Row]:
    how = "" if changed.replaced else "  (its process goes on)"
    shown = [f"{field.path}: {field.before} -> {field.after}{how}" for field in changed.fields]
    return [("changed", changed.name, text) for text in shown or ["what it shares with others"]]


def _leaving(name: str, planned: ConfigDifference) -> str:
    held = name in planned.held
    return "stops, and has an open position: `--keep` or `--flatten`?" if held else "stops"


def _going_on(names: tuple[str, ...]) -> tuple[str, str]:
    # A list of names would take the room of what changes.
    if len(names) == 1:
        return names[0], "goes on as it is"
    listed = f": {', '.join(names)}" if len(names) < 4 else ""
    return f"{len(names)} strategies", f"go on as they are{listed}"


def _columns(rows: list[Row]) -> list[Column]:
    colours = {"added": "green", "removed": "red", "changed": "yellow"}
    return [
        column(rows, "WHAT", lambda r: Cell(r[0], colours.get(r[0])), right=False),
        column(rows, "NAME", lambda r: Cell(r[1]), right=False, least=12),
        column(rows, "HOW", lambda r: Cell(r[2]), right=False, least=20),
    ]
