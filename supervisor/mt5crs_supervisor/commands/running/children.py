"""Starting, stopping and restarting children of a system that runs."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from mt5crs_shared.control.asking import ControlTimeout
from mt5crs_shared.control.notes import changed_note
from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import ChildStatus, StatusReport
from mt5crs_shared.errors import ConfigError
from mt5crs_shared.process.environment import asked_for
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.commands import validate
from mt5crs_supervisor.commands.failures import CommandError, matching
from mt5crs_supervisor.commands.running.background import wait_until
from mt5crs_supervisor.commands.show import asked_status
from mt5crs_supervisor.deaths.running import load_running
from mt5crs_supervisor.operator.control import ChildRequest, ControlClient, Refused

WITHIN = 15.0
"""Seconds that a command waits for what it has asked for."""

SETTLED = frozenset({State.RUNNING, State.QUARANTINED, State.BACKOFF})
"""States in which it is known how a process that was asked for has come up."""

UNCHANGED = "nothing was changed: what runs goes on as it was"
"""Ends what is said of a file that was refused."""

Action = Literal["start", "stop", "restart"]


def act_on(
    paths: VarPaths, action: Action, patterns: Sequence[str], say: Callable[[str], None]
) -> None:
    """Ask for it, wait for it, and tell what has become of each child.

    Raises:
        CommandError: A pattern names nobody (nothing is done then), or one does not come up.
        ConfigError: No fresh process could begin; nothing is done.
        ControlTimeout: It is not over in time.
    """
    client = ControlClient(paths.var)
    report = client.status()
    before = {child.name: child for child in report.children}
    names = matching(before, patterns, "child")
    if action == "restart":
        running = [name for name in names if before[name].pid is not None]
        _refuse_broken(report, paths, running)
    reply = client.request(ChildRequest(action, tuple(names), asked_for()))
    if isinstance(reply, Refused):
        raise CommandError(f"nothing was done: {reply.reason}")

    def waiting() -> list[str]:
        return [
            child.name
            for child in client.status().children
            if child.name in names and not _is_done(action, before[child.name], child)
        ]

    late = [] if wait_until(lambda: not waiting(), WITHIN) else waiting()
    _tell(action, names, before, asked_status(client, paths), say)
    if late:
        raise ControlTimeout(f"not over after {WITHIN:g} s: {', '.join(late)}; `status` goes on")


def _refuse_broken(report: StatusReport, paths: VarPaths, names: Sequence[str]) -> None:
    """Keep the process of whom no fresh one could follow, such as after half an edit.

    Raises:
        ConfigError: What its configuration names cannot be used.
    """
    # A fresh process begins by what runs, whatever the file has become.
    config = load_running(paths)
    if config is None:
        return
    # What it names is looked for where the system was started, wherever this command is.
    os.chdir(report.folder)
    path = Path(report.config)
    text = path.read_bytes() if report.config_changed is None and path.is_file() else b""
    if found := validate.problems_of_children(config, path, text, names):
        raise ConfigError(tuple(found), UNCHANGED)


def _is_done(action: Action, before: ChildStatus, now: ChildStatus) -> bool:
    if action == "stop":
        return now.state == State.STOPPED
    if action == "start" and before.pid is not None:
        return now.state in SETTLED
    return now.epoch > before.epoch and now.state in SETTLED


def _tell(
    action: Action,
    names: Sequence[str],
    before: dict[str, ChildStatus],
    after: StatusReport,
    say: Callable[[str], None],
) -> None:
    """Say what has become of each.

    Raises:
        CommandError: Some did not come up.
    """
    note = changed_note(after) if after.config_differences != 0 else ""
    hint = f"; {note}" if note and action != "stop" else ""
    lots = {row.process.name: row.position_lots for row in after.strategies}
    failed = []
    for name in names:
        child = after.child(name)
        if child is None:
            continue
        if action != "stop" and child.state in (State.QUARANTINED, State.BACKOFF):
            failed.append(f"{name} is {child.state}: {child.last_error}{hint}")
            continue
        pids = f" (pid {before[name].pid or 'none'} -> {child.pid or 'none'})"
        held = lots.get(name, 0.0)
        stays = f"; {held:+g} lots stay open, guarded by the gateway" if held else ""
        say(f"{name} is {child.state}{pids}{stays if action == 'stop' else hint}")
    if failed:
        raise CommandError("; ".join(failed))
