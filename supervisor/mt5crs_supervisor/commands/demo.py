"""`demo`: the whole system on a made-up market, shown live until Ctrl-C."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from mt5crs_shared import wording
from mt5crs_shared.configuration import checks, loading
from mt5crs_shared.configuration.structs import Config, FeedConfig
from mt5crs_shared.control.asking import ControlTimeout, NotRunning
from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import StatusReport
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.wording import counted
from mt5crs_supervisor.commands import show
from mt5crs_supervisor.commands.failures import CommandError, refuse_missing, refuse_money
from mt5crs_supervisor.commands.running import background
from mt5crs_supervisor.display import render
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.operator import orphans
from mt5crs_supervisor.operator.control import ControlClient
from mt5crs_supervisor.processes.handle import ExitStatus

FEED = FeedConfig(kind="synthetic", speed=10.0, history_minutes=300)
PLAIN_EVERY = 5.0
"""Seconds between two lines where there is no terminal."""

PAGE = "127.0.0.1:8090"
"""Where a demo shows its page; another port where somebody has this one."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Notes Ctrl-C and its like instead of obeying at once: the system is stopped in order."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "Interrupts":
        self._before = {signum: signal.getsignal(signum) for signum in STOP_SIGNALS}
        for signum in STOP_SIGNALS:
            signal.signal(signum, self._note)
        return self

    def __exit__(self, *_error: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _note(self, _signum: int, _frame: object) -> None:
        self.asked = True


class Demo:
    """The front of a demo; the supervisor runs behind it, in a session of its own.

    Args:
        config: The YAML file.
        paths: The ``var`` folder.
        duration: Seconds after which it ends; None: at Ctrl-C.
    """

    def __init__(self, config: Path, paths: VarPaths, duration: float | None) -> None:
        self._config = config
        self._paths = paths
        self._duration = duration
        self._client = ControlClient(paths.var)
        self._page = page_address(loading.load_config(config))
        self._last: StatusReport | None = None
        self._until = float("inf")
        self._interrupts = Interrupts()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Start, show, stop.

        Raises:
            CommandError: It did not start, or did not end well.
        """
        options = ["--feed-json", msgspec.json.encode(FEED).decode()]
        options += ["--page", self._page] if self._page else []
        with self._interrupts:
            say("starting ...")
            process = background.launch(self._config, self._paths, options, lifeline=True)
            self._process = process
            self._paths.mark_demo()
            try:
                self._show()
            finally:
                self._stop(process)
            self._sum_up()

    def _show(self) -> None:
        assert self._process is not None, "launched by run"
        background.wait_until_up(self._process, self._paths, lambda: self._interrupts.asked)
        if self._interrupts.asked:
            return
        report = self._ask()
        self._introduce(report)
        if self._duration is not None:
            self._until = time.monotonic() + self._duration
        with contextlib.suppress(NotRunning):
            if sys.stdout.isatty():
                show.live(self._ask, lambda: self._pause(show.EVERY))
            else:
                self._print_lines()

    def _introduce(self, report: StatusReport) -> None:
        first = report.strategies[0].process.pid if report.strategies else None
        command = _command()
        market = "the configuration's own feed" if self._own_feed() else "a made-up market"
        speed = "" if self._own_feed() else f" at {FEED.speed:g} times real speed"
        say(
            f"demo: {len(report.strategies)} strategies on {market}{speed}, paper orders\n"
            f"  look    {self._where_to_look(command)}\n"
            f"  logs    {wording.nearby(str(self._paths.log))}/\n"
            f"  try     kill -9 {first or '<pid>'}   in a second terminal, then: {command} status\n"
            f"  stop    Ctrl-C\n"
        )

    def _where_to_look(self, command: str) -> str:
        page = loading.load_config(self._config).globals.page
        if self._page or page is not None:
            url = page.url if page is not None else f"http://{self._page}/"
            return f"{url}   in a browser; `{command} page`: to act there too"
        # No index has the package, so that a checkout installs itself once more.
        if command != "mt5crs-supervisor":
            return "in a browser: .venv/bin/pip install -e '.[page]'"
        return "in a browser: pip install 'mt5crs-supervisor[page]'"

    def _own_feed(self) -> bool:
        return loading.load_config(self._config).globals.feed is not None

    def _print_lines(self) -> None:
        told: set[tuple[str, str, str, str]] = set()
        going = True
        while going:
            report = self._ask()
            fresh = [e for e in report.events if msgspec.structs.astuple(e) not in told]
            told.update((e.time, e.name, e.kind, e.detail) for e in fresh)
            for event in fresh:
                say(f"{event.time}  {event.name}  {event.kind}  {event.detail}")
            say(f"{wording.duration(report.uptime):>6}  {render.summary(report)}")
            going = self._pause(PLAIN_EVERY)

    def _ask(self) -> StatusReport:
        report = self._last = self._client.status()
        feed = report.child("feed")
        if feed is not None and feed.state == State.QUARANTINED and not feed.progress:
            raise CommandError(f"the feed cannot publish: {feed.last_error}")
        return report

    def _pause(self, seconds: float) -> bool:
        """Wait for the next look; False: it is time to end."""
        end = min(time.monotonic() + seconds, self._until)
        while time.monotonic() < end and self._going():
            time.sleep(background.LOOK_EVERY)
        return self._going()

    def _going(self) -> bool:
        assert self._process is not None, "launched by run"
        over = time.monotonic() >= self._until or self._process.poll() is not None
        return not (self._interrupts.asked or over)

    def _stop(self, process: "subprocess.Popen[bytes]") -> None:
        """Stop what runs behind; its standard input ends with us in any case."""
        with contextlib.suppress(NotRunning, ControlTimeout, CommandError):
            # Once more, for the last figures.
            self._last = self._client.status()
        if process.poll() is None:
            say("")
            with contextlib.suppress(NotRunning):
                background.stop_supervisor(self._paths, say)
        assert process.stdin is not None, "launched with a lifeline"
        process.stdin.close()
        process.wait()

    def _sum_up(self) -> None:
        report = self._last
        if report is None:
            return
        ticks = sum(s.metrics.ticks_processed for s in report.strategies if s.metrics is not None)
        totals = report.totals
        left = f"{_command()} --var-dir {wording.nearby(str(self._paths.var))}"
        say(
            f"demo over after {wording.duration(report.uptime)}: {ticks:,} ticks, "
            f"{counted(totals.signals, 'signal')}, {counted(totals.orders, 'order')}, "
            f"{counted(totals.restarts, 'restart')}\n"
            f"  P&L {totals.realised:+,.2f} realised, {totals.floating:+,.2f} floating\n"
            f"  what it left: `{left} trades`, or crashes, events, orders"
        )
        code = self._process.returncode if self._process is not None else 0
        if code:
            living = orphans.described(self._paths)
            log = wording.nearby(str(self._paths.log_file("supervisor")))
            said = f"the supervisor did not end well ({ExitStatus(code)}); its log: {log}"
            raise CommandError(f"{said}. {living}" if living else said)


def _command() -> str:
    """What a user of this folder types."""
    return "./scripts/run" if Path("scripts/run").exists() else "mt5crs-supervisor"


def page_address(config: Config) -> str:
    """Where a demo shows its page; empty: as the configuration says, or nothing can serve it."""
    if config.globals.page is not None or checks.page_problem(PAGE):
        return ""
    host, _, port = PAGE.rpartition(":")
    for wanted in (int(port), 0):
        with contextlib.suppress(OSError), socket.create_server((host, wanted)) as probe:
            return f"{host}:{probe.getsockname()[1]}"
    return ""


def run_demo(config: Path, var_dir: Path, duration: float | None) -> None:
    """Run the demo.

    Raises:
        ConfigError: The configuration is refused.
        AlreadyRunning: The folder has a supervisor.
        CommandError: There is no configuration, or it could not be started, or failed.
    """
    refuse_missing(config)
    loaded = loading.load_config(config)
    refuse_money(loaded, "demo")
    background.refuse_beside_desk(loaded, VarPaths(var_dir.parent))
    paths = VarPaths(var_dir)
    background.refuse_second(paths)
    Demo(config, paths, duration).run()
