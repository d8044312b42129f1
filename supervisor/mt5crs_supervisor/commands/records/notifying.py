"""`notify`: whether the ways to the trader work, and what went along them."""

import pkgutil
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.notify_structs import NotifyConfig
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage.outbox_file import OutboxMessage, read_messages
from mt5crs_supervisor.commands import show
from mt5crs_supervisor.commands.failures import CommandError
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.display.table import Cell, Column, column

COMMAND = "mt5crs_services.notifier.command:send_each"
"""Who sends; by name only, since the supervisor imports no service."""

_COLOURS = {"SENT": "green", "SENDING": "yellow", "WAITING": "yellow", "DROPPED": "bright_black"}


def send_test(config_path: Path, paths: VarPaths) -> None:
    """Send a message to each destination, and say what became of it.

    Raises:
        CommandError: One could not be sent, or there is nobody to tell.
    """
    config = loading.load_config(config_path).globals.notify
    if config is None:
        raise CommandError(f"{config_path} has no global.notify: see docs/configuration.md")
    send: Callable[[NotifyConfig, str], Iterable[tuple[str, str]]] = pkgutil.resolve_name(COMMAND)
    failed = []
    for name, error in send(config, paths.title):
        say(f"{name}: {error or 'sent'}")
        if error:
            failed.append(name)
    if failed:
        raise CommandError(f"not reached: {', '.join(failed)}")


def show_sent(paths: VarPaths, limit: int, as_json: bool) -> None:
    """Print the newest messages, the newest last."""
    found = read_messages(paths.outbox, limit)
    show.print_rows(found, _columns, f"Nobody was told anything yet in {paths.var}.", as_json)


def _columns(rows: Sequence[OutboxMessage]) -> list[Column]:
    return [
        column(rows, "NO", lambda m: Cell(str(m.id))),
        column(rows, "TIME", lambda m: _local(m.made), right=False),
        column(rows, "TO", lambda m: Cell(m.destination), right=False),
        column(rows, "STATE", lambda m: Cell(m.state, _COLOURS[m.state]), right=False),
        column(rows, "TRIES", lambda m: Cell(str(m.attempts)), 1),
        column(rows, "WHAT", _what, right=False, least=20),
    ]


def _local(wall: float) -> Cell:
    return Cell(f"{datetime.fromtimestamp(wall):%m-%d %H:%M:%S}")


def _what(message: OutboxMessage) -> Cell:
    return Cell(message.error, "red") if message.error else Cell(message.title)
