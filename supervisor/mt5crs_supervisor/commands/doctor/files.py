"""The files: configuration, the ``var`` folder, its disk, ledger and journals."""

import contextlib
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.process.paths import MAX_SOCKET_PATH, VarPaths
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.storage.secret_places import SecretError, read_secret
from mt5crs_shared.storage.store import connect_readonly
from mt5crs_supervisor.commands.doctor.finding import Finding, fault, fine, warning
from mt5crs_supervisor.operator import orphans
from mt5crs_supervisor.processes.instance_lock import holder

SPACE = (200_000_000, 2_000_000_000)
"""Free bytes below which there is an error, and a warning."""

SYNC = (1.0, 0.1)
"""Seconds that forcing a small file to the disk may take: above, an error, and a warning."""

SYNCS = 5


def look_at_folder(var: Path) -> Iterator[Finding]:
    """Whose it is, who may read it, and who works in it."""
    paths = VarPaths(var)
    if not paths.var.exists():
        above = next(folder for folder in paths.var.parents if folder.exists())
        if os.access(above, os.W_OK):
            yield fine("folder", f"{paths.var} is made by the first start")
        else:
            yield fault(
                "folder", f"{above} may not be written", "choose another --var-dir, or its owner"
            )
        return
    if not paths.var.is_dir():
        yield fault("folder", f"{paths.var} is no folder", "choose another --var-dir")
        return
    found = paths.var.stat()
    if found.st_uid != os.getuid():
        yield fault(
            "folder",
            f"{paths.var} belongs to user {found.st_uid}, and this is {os.getuid()}",
            "run as its owner, or choose another --var-dir",
        )
    elif not os.access(paths.var, os.W_OK | os.X_OK):
        yield fault("folder", f"{paths.var} may not be written", f"chmod u+rwx {paths.var}")
    elif found.st_mode & 0o022:
        yield warning("folder", f"others may write in {paths.var}", f"chmod go-w {paths.var}")
    else:
        yield fine("folder", str(paths.var))
    if len(str(paths.socket_file("gateway-backlog"))) > MAX_SOCKET_PATH:
        yield warning("folder", "its path is long", "its sockets are in the runtime directory")
    yield from _who_works(paths)


def _who_works(paths: VarPaths) -> Iterator[Finding]:
    running = holder(paths)
    if running is not None:
        yield fine("supervisor", f"runs, pid {running.pid}, with {running.config}")
        return
    left = orphans.described(paths)
    if left:
        remedy = "`stop`" if paths.is_of_demo else "`start`, or `stop`"
        yield warning("supervisor", f"none runs: {left}", remedy)


def look_at_disk(
    var: Path,
    free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    sync: Callable[[Path], float] | None = None,
) -> Iterator[Finding]:
    """Room, and how long it takes to keep something for good.

    Args:
        var: The folder.
        free: Bytes that are free where a folder is.
        sync: Seconds that forcing a small file to the disk takes there.
    """
    paths = VarPaths(var)
    folder = next(each for each in (paths.var, *paths.var.parents) if each.is_dir())
    room = free(folder)
    shown = f"{room / 1e9:.1f} GB are free on the disk of {folder}"
    if room < SPACE[0]:
        yield fault("disk", shown, "make room: without it nothing can be traded")
    elif room < SPACE[1]:
        yield warning("disk", shown, "make room, or watch it")
    else:
        yield fine("disk", shown)
    if not os.access(folder, os.W_OK):
        return
    seconds = (sync or synced)(folder)
    shown = f"forcing a small file to it takes {seconds * 1e3:.0f} ms"
    advice = "each order waits for that: put --var-dir on a local disk"
    if seconds > SYNC[0]:
        yield fault("disk", shown, advice)
    elif seconds > SYNC[1]:
        yield warning("disk", shown, advice)
    else:
        yield fine("disk", shown)


def synced(folder: Path) -> float:
    """Seconds that forcing a small file to a folder's disk takes; the median of a few."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            begun = time.perf_counter()
            file.write(b"x" * 512)
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - begun)
    return statistics.median(times)


def look_at_ledger(var: Path, config: Config | None) -> Iterator[Finding]:
    """Whether it is sound, and that of this configuration."""
    path = VarPaths(var).ledger
    if not path.exists():
        yield fine("ledger", "none yet: the first start makes one")
        return
    try:
        with contextlib.closing(ledger_schema.open_ledger(path)) as db:
            damage = _damage(db)
            if damage:
                raise LedgerError(f"{path}: {damage}")
            books, held = ledger_queries.balances(db), ledger_queries.read_positions(db)
    except (LedgerError, sqlite3.Error) as error:
        yield fault(
            "ledger", str(error), "put a sound copy back; see docs/guarantees.md before moving it"
        )
        return
    yield fine("ledger", f"sound: balance {books.balance:,.2f} {books.currency}")
    if config is None:
        return
    settings = config.globals
    if (books.currency, books.first_balance) != (
        settings.account_currency,
        settings.default_balance,
    ):
        yield fault(
            "ledger",
            f"it began with {books.first_balance:,.2f} {books.currency}, and the configuration says"
            f" {settings.default_balance:,.2f} {settings.account_currency}",
            "set global.default_balance and account_currency back, or choose another --var-dir",
        )
    enabled = {strategy.name for strategy in config.enabled}
    for position in held:
        if position.strategy not in enabled:
            yield warning(
                "positions",
                f"{position.strategy} holds {position.side} {position.lots:g} {position.symbol} and"
                " is not enabled: its stop and target are guarded, and nobody decides on it",
                "enable it until that is closed",
            )


def look_at_journals(var: Path, strategies: Iterable[str]) -> Iterator[Finding]:
    """Whether they are sound."""
    paths = VarPaths(var)
    sound = 0
    for name in strategies:
        journal = paths.journal(name)
        if not journal.exists():
            continue
        try:
            with contextlib.closing(connect_readonly(journal)) as db:
                damage = _damage(db)
        except (sqlite3.Error, OSError) as error:
            damage = str(error)
        if damage:
            yield warning(
                "journals",
                f"{journal}: {damage}",
                "its next process sets it aside, and begins with the ledger's position",
            )
        else:
            sound += 1
    if sound:
        yield fine("journals", f"{sound} sound")


def _damage(db: sqlite3.Connection) -> str:
    """What SQLite says is wrong with a file; empty: nothing."""
    (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
    return "" if said == "ok" else str(said)


def look_at_secrets(config: Config) -> Iterator[Finding]:
    """Whether addresses that must be in no YAML file stand where that says."""
    notify = config.globals.notify
    if notify is None:
        return
    places = {f"global.notify: {to.name}": to.address for to in notify.to}
    if notify.alive_url is not None:
        places["global.notify: alive_url"] = notify.alive_url
    for name, place in places.items():
        try:
            read_secret(place)
        except SecretError as error:
            advice = "`notify test` tries it; what cannot be sent waits"
            yield warning("notify", f"{name}: {error}", advice)
        else:
            yield fine("notify", f"{name}: there is an address in {place}")
