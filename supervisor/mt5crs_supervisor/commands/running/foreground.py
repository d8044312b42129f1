"""`start`: the supervisor itself, in this process."""

import contextlib
import logging
import os
import queue
import sys
import threading
import time
from pathlib import Path

import msgspec
from setproctitle import setproctitle

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.notify_structs import PageConfig
from mt5crs_shared.configuration.structs import Config, FeedConfig
from mt5crs_shared.control.status_report import EventLine
from mt5crs_shared.process import logs
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.wording import describe_error
from mt5crs_supervisor.commands.failures import CommandError, refuse_missing, refuse_unmeant
from mt5crs_supervisor.commands.running import background
from mt5crs_supervisor.commands.running.watch_process import WatchProcess
from mt5crs_supervisor.deaths import restart_in_place, running
from mt5crs_supervisor.deaths.restart_in_place import EarlierError
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.operator import orphans
from mt5crs_supervisor.processes import lifeline
from mt5crs_supervisor.processes.service_manager import ServiceManager
from mt5crs_supervisor.supervisor import Supervisor

logger = logging.getLogger(__name__)

UNPRINTED = 1_000
"""Events that wait for a terminal that is paused; more are only in the log."""


class EventPrinter:
    """Prints events from a thread of its own: a paused terminal must not stop the supervisor.

    Args:
        longest: Length of the longest name, for aligning.
        stop_timeout: Seconds until SIGKILL, told when the end begins.
    """

    def __init__(self, longest: int, stop_timeout: float) -> None:
        self._longest = longest
        self._stop_timeout = stop_timeout
        self._lines: queue.Queue[str | None] = queue.Queue(UNPRINTED)
        self._thread = threading.Thread(target=self._print, name="printer", daemon=True)
        self._thread.start()

    def __call__(self, event: EventLine) -> None:
        """Queue one event."""
        detail = event.detail
        if event.kind == "stopping":
            detail = f"{detail}; stopping ... (SIGKILL after {self._stop_timeout:g} s)"
        name = event.name.ljust(self._longest)
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(f"{event.time}  {name}  {event.kind:<11}  {detail}")

    def close(self) -> None:
        """Give what is queued a moment."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(1.0)

    def _print(self) -> None:
        while (line := self._lines.get()) is not None:
            # The reader of a pipe may have gone; the supervisor goes on all the same.
            with contextlib.suppress(OSError, ValueError):
                say(line)


def run_foreground(
    config_path: Path,
    var_dir: Path,
    duration: float | None,
    *,
    metrics: str | None = None,
    page: str | None = None,
    feed: str | None = None,
    quiet: bool = False,
    exit_with_parent: bool = False,
    watch_config: bool = False,
    live: bool = False,
) -> None:
    """Run the supervisor until it is asked to stop.

    Args:
        config_path: The YAML file.
        var_dir: The ``var`` folder.
        duration: Seconds after which to stop; None: when asked to.
        metrics: Where to serve figures, instead of ``global.metrics``.
        page: Where to show everything in a browser, instead of ``global.page``.
        feed: A `FeedConfig`, JSON, for a configuration that has none.
        quiet: Print no events.
        exit_with_parent: Stop when standard input is closed, by whoever holds its other end.
        watch_config: Take up changes of the configuration by itself.
        live: A configuration that is not of paper is meant.
    """
    paths = VarPaths(var_dir)
    earlier_errors = restart_in_place.earlier()
    # After an error of its own it goes on with what ran: somebody may be editing the file.
    kept = running.load_running(paths) if earlier_errors else None
    if kept is not None:
        config = kept
    else:
        refuse_missing(config_path)
        read = loading.load_config(config_path)
        config = with_page(with_metrics(with_feed(read, feed), metrics), page)
        refuse_unmeant(config, live)
        if not earlier_errors:
            background.refuse_beside_demo(config, paths)
    stop_timeout = config.globals.supervisor.stop_timeout
    # A strategy's own class may lie in the folder that the trader works in; it shadows nothing.
    sys.path.append(os.getcwd())  # noqa: PTH109 - a string is wanted
    printer = None if quiet else EventPrinter(_longest_name(config), stop_timeout)
    supervisor = _make(config, paths, printer)
    logs.configure(paths.log_file("supervisor"))
    setproctitle(paths.process_title("supervisor"))
    if exit_with_parent:
        lifeline.stop_with_parent()
    until = time.monotonic() + duration if duration is not None else None
    if earlier_errors:
        until = earlier_errors[-1].until
    watcher = WatchProcess(paths.var) if watch_config else None
    try:
        supervisor.run(until, earlier_errors[-1].what if earlier_errors else "")
    except Exception as error:
        earlier_errors.append(EarlierError(time.monotonic(), describe_error(error), until))
        failure = error
    else:
        return
    finally:
        if watcher is not None:
            watcher.close()
        if printer is not None:
            printer.close()
    logger.critical("the supervisor failed", exc_info=failure)
    _after_error(paths, failure, earlier_errors, supervisor.stopping)


def _after_error(
    paths: VarPaths, error: Exception, earlier_errors: list[EarlierError], stopping: bool
) -> None:
    """Begin again in this process's place; where that does not help, say so and stay down.

    Raises:
        CommandError: It failed while it was stopping, or too often within too short a time.
    """
    down = stopping or restart_in_place.are_too_many(earlier_errors, time.monotonic())
    decision = "it stays down" if down else "it begins again in place"
    restart_in_place.write_report(paths.crash, error, decision)
    if not down:
        restart_in_place.exec_again(earlier_errors)
    living = orphans.described(paths)
    when = "while it was stopping" if stopping else f"{restart_in_place.MOST} times within a minute"
    raise CommandError(
        f"the supervisor failed {when} and stays down:"
        f" {describe_error(error)}; see `crashes supervisor`. {living}"
    )


def with_feed(config: Config, feed: str | None) -> Config:
    """The configuration with a feed of our own, unless it has one."""
    if feed is None or config.globals.feed is not None:
        return config
    return _fixed(config, feed=msgspec.json.decode(feed, type=FeedConfig))


def with_metrics(config: Config, address: str | None) -> Config:
    """The configuration with another place for figures; None: as it says itself."""
    return config if address is None else _fixed(config, metrics=address)


def with_page(config: Config, address: str | None) -> Config:
    """The configuration with another place for the page; None: as it says itself."""
    return config if address is None else _fixed(config, page=PageConfig(address))


def _fixed(config: Config, **fields: object) -> Config:
    """With fields of ``global:`` that are so whatever the file says."""
    globals_ = msgspec.structs.replace(config.globals, **fields)
    return msgspec.structs.replace(config, globals=globals_, fixed=(*config.fixed, *fields))


def _make(config: Config, paths: VarPaths, printer: EventPrinter | None) -> Supervisor:
    try:
        printed = printer or (lambda _event: None)
        return Supervisor(config, paths, printed, ServiceManager(os.environ))
    except OSError as error:
        raise CommandError(f"{paths.var} cannot be used: {error}") from error


def _longest_name(config: Config) -> int:
    return max(len(name) for name in ("supervisor", *(s.name for s in config.enabled)))
