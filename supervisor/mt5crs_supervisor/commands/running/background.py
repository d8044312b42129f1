"""A supervisor in the background: starting it, also for good, waiting for it, stopping it."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from mt5crs_shared import wording
from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.structs import Config, SupervisorConfig
from mt5crs_shared.control.asking import ControlTimeout, NotRunning
from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import ChildStatus, StatusReport, still_open
from mt5crs_shared.errors import ConfigError
from mt5crs_shared.process.environment import SERVICE_MANAGER
from mt5crs_shared.process.files import create
from mt5crs_shared.process.paths import UMASK, VarPaths
from mt5crs_shared.sockets.opening import is_local
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_supervisor.children.lifecycle import ALIVE
from mt5crs_supervisor.commands.failures import (
    CommandError,
    ExitCode,
    refuse_missing,
    refuse_unmeant,
)
from mt5crs_supervisor.deaths.running import load_running
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.operator import orphans
from mt5crs_supervisor.operator.control import ControlClient, StopRequest
from mt5crs_supervisor.processes.identity import is_alive
from mt5crs_supervisor.processes.instance_lock import Holder, holder, refusal

UP_WITHIN = 30.0
"""Seconds that a start may take before the command returns all the same."""

STOP_SLACK = 10.0
"""Seconds that an orderly end may take beyond the time-outs of its processes."""

LAST_WORDS = 4_000
"""Bytes of its output that are shown of a supervisor that died while starting."""

LOOK_EVERY = 0.05
BOOTING = frozenset({State.STARTING, State.RECOVERING, State.BACKOFF})

T = TypeVar("T")


def refuse_second(paths: VarPaths) -> None:
    """Refuse a folder on which a supervisor runs.

    Raises:
        AlreadyRunning: There is one.
    """
    other = holder(paths)
    if other is not None:
        raise refusal(paths, other)


def refuse_beside_demo(config: Config, paths: VarPaths) -> None:
    """See that no desk listens where a demo of the same folder publishes.

    Args:
        config: What the desk is about to run.
        paths: The desk's folder.

    Raises:
        CommandError: It would hear of a made-up market.
    """
    if _shares_market(config, paths.demo):
        demo = wording.nearby(str(paths.demo.var))
        raise CommandError(
            f"a demo runs on {demo}, and publishes a made-up market where this desk would listen;"
            f" `--var-dir {demo} stop` ends it"
        )


def refuse_beside_desk(config: Config, paths: VarPaths) -> None:
    """See that no demo publishes where the desk of the same folder listens.

    Args:
        config: What the demo is about to run.
        paths: The desk's folder.

    Raises:
        CommandError: The desk would hear of a made-up market.
    """
    if _shares_market(config, paths):
        raise CommandError(
            f"a desk runs on {wording.nearby(str(paths.var))}, and listens where the demo would"
            " publish a made-up market; name a file with another zmq_market_url by --config"
        )


def _shares_market(config: Config, other: VarPaths) -> bool:
    """Whether somebody works on a folder, with the same market or one that nobody can read."""
    if not orphans.is_in_use(other):
        return False
    running = load_running(other)
    if running is None:
        return True
    one, two = config.globals.zmq_market_url, running.globals.zmq_market_url
    if one.startswith("tcp:") and is_local(one) and is_local(two):
        return urlsplit(one).port == urlsplit(two).port
    return one == two


def launch(
    config: Path, paths: VarPaths, options: Sequence[str], *, lifeline: bool = False
) -> "subprocess.Popen[bytes]":
    """Start a supervisor in a session of its own; what it prints goes to ``supervisor.out``.

    Args:
        config: The YAML file.
        paths: The ``var`` folder.
        options: More options of `start`.
        lifeline: Hold its standard input: it stops when this process is gone.
    """
    command = [sys.executable, "-P", "-m", "mt5crs_supervisor", "--var-dir", str(paths.var)]
    command += ["--config", str(config.absolute()), "start", "--quiet", *options]
    try:
        os.umask(UMASK)
        paths.create()
        with os.fdopen(create(_output(paths)), "wb") as out:
            return subprocess.Popen(
                [*command, "--exit-with-parent"] if lifeline else command,
                stdin=subprocess.PIPE if lifeline else subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Whoever started this command waits for no word of a process that outlives it.
                env={k: v for k, v in os.environ.items() if k not in SERVICE_MANAGER},
            )
    except OSError as error:
        raise CommandError(f"{paths.var} cannot be used: {error}") from error


def wait_until_up(
    process: "subprocess.Popen[bytes]", paths: VarPaths, enough: Callable[[], bool] = lambda: False
) -> StatusReport | None:
    """Wait until a supervisor that was launched has started its children.

    Args:
        process: The supervisor.
        paths: Its ``var`` folder.
        enough: True: stop waiting.

    Returns:
        Its status; None where it did not answer in time.

    Raises:
        CommandError: It ended while starting; with its last words.
    """
    client = ControlClient(paths.var, timeout=1.0)
    report: StatusReport | None = None
    deadline = time.monotonic() + UP_WITHIN
    while time.monotonic() < deadline and not enough():
        if process.poll() is not None:
            raise died_while_starting(process, paths)
        with contextlib.suppress(NotRunning, ControlTimeout):
            answer = client.status()
            report = answer if answer.pid == process.pid else report
        if report is not None and not any(map(under_way, report.children)):
            return report
        time.sleep(LOOK_EVERY)
    return report


def died_while_starting(process: "subprocess.Popen[bytes]", paths: VarPaths) -> CommandError:
    """What became of a supervisor that ended at once, in its own words."""
    words = _output(paths).read_bytes()[-LAST_WORDS:].decode(errors="replace").strip()
    words = words.removeprefix("error: ") or "it said nothing"
    configuration = process.returncode == ExitCode.CONFIGURATION
    code = ExitCode.CONFIGURATION if configuration else ExitCode.ERROR
    status = f"exit code {process.returncode}"
    return CommandError(f"the supervisor ended while starting ({status}): {words}", code)


def stop_supervisor(paths: VarPaths, say: Callable[[str], None]) -> None:
    """Ask the supervisor to stop, and wait until it is gone.

    Raises:
        NotRunning: There is none.
        ControlTimeout: It is still there after all time-outs.
    """
    found = holder(paths)
    if found is None:
        _stop_orphans(paths, say)
        return
    # One that is stopping already may have closed its socket; it is waited for all the same.
    with contextlib.suppress(NotRunning):
        ControlClient(paths.var).request(StopRequest())
    limit = _stop_timeout(found)
    say(f"stopping pid {found.pid} ... (SIGKILL to its processes after {limit:g} s)")
    # Strategies go first, then the services: two time-outs.
    within = 2.0 * limit + STOP_SLACK
    if not wait_until(lambda: not is_alive(found.pid, found.born), within):
        raise ControlTimeout(f"pid {found.pid} is still there after {within:g} s")
    say(f"stopped{_left_open(paths)}")


def _left_open(paths: VarPaths) -> str:
    """What is open by the ledger, now that nobody trades any more; empty: nothing is known."""
    with (
        contextlib.suppress(LedgerError),
        contextlib.closing(ledger_schema.open_ledger(paths.ledger)) as ledger,
    ):
        held = ledger_queries.read_positions(ledger)
        return still_open((position.strategy, position.signed_lots) for position in held)
    return ""


def _stop_orphans(paths: VarPaths, say: Callable[[str], None]) -> None:
    """End what a killed supervisor has left."""
    if not orphans.living_orphans(paths):
        raise NotRunning(f"no supervisor is running on {paths.var}")
    limit = SupervisorConfig().stop_timeout
    say(f"no supervisor is running; ending what one has left ... (SIGKILL after {limit:g} s)")
    ended = orphans.end(paths, "stop", limit)
    say(f"stopped: {', '.join(ended)}")


def wait_until(condition: Callable[[], T], within: float) -> T:
    """Look until a condition holds, at most `within` seconds; its last answer."""
    deadline = time.monotonic() + within
    while not (answer := condition()) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
    return answer


def under_way(child: ChildStatus) -> bool:
    """It boots, or it is a feed that waits for the strategies to boot."""
    return child.state in BOOTING or (child.state == State.STOPPED and child.epoch == 0)


def _stop_timeout(found: Holder) -> float:
    """Of the configuration that it runs, as far as that can still be read."""
    try:
        return loading.load_config(Path(found.config)).globals.supervisor.stop_timeout
    except ConfigError:
        return SupervisorConfig().stop_timeout


def _output(paths: VarPaths) -> Path:
    return paths.log / "supervisor.out"


def start_detached(
    config: Path,
    var_dir: Path,
    duration: float | None,
    watch_config: bool = False,
    metrics: str | None = None,
    page: str | None = None,
    live: bool = False,
) -> None:
    """Start a supervisor in the background, and return when its strategies have booted.

    Args:
        config: The YAML file.
        var_dir: The ``var`` folder.
        duration: Seconds after which it stops; None: when asked to.
        watch_config: Changes of the configuration are taken up by themselves.
        metrics: Where to serve figures, instead of ``global.metrics``.
        page: Where to show everything in a browser, instead of ``global.page``.
        live: A configuration that is not of paper is meant.

    Raises:
        ConfigError: The configuration is refused.
        AlreadyRunning: The folder has a supervisor.
        CommandError: There is no configuration, or the supervisor ended while starting, or not
            everything works.
    """
    refuse_missing(config)
    refuse_unmeant(loading.load_config(config), live)
    paths = VarPaths(var_dir)
    refuse_second(paths)
    options = [] if duration is None else ["--duration", str(duration)]
    options += ["--watch-config"] if watch_config else []
    options += ["--live"] if live else []
    options += [] if metrics is None else ["--metrics", metrics]
    options += [] if page is None else ["--page", page]
    process = launch(config, paths, options)
    report = wait_until_up(process, paths)
    # It is no longer ours to wait for: not reaping it here would only earn a warning.
    process.returncode = 0
    say(f"supervisor started, pid {process.pid}; logs in {wording.nearby(str(paths.log))}")
    if report is None:
        say(f"it has not answered within {UP_WITHIN:g} s; see its log")
        return
    children = report.children
    for child in children:
        error = f"  {child.last_error}" if child.last_error else ""
        say(f"  {child.name}  {child.state}  pid {child.pid or '-'}{error}")
    down = [child.name for child in children if child.state not in ALIVE]
    if down:
        raise CommandError(f"not everything works: {', '.join(down)}; the supervisor goes on")
