"""`top`: the interactive view in a terminal."""

import functools
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

import click
import msgspec

from mt5crs_shared.control.status_report import EventLine, StatusReport
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.storage.story import StoryLine
from mt5crs_supervisor.commands import show
from mt5crs_supervisor.commands.failures import CommandError, ExitCode
from mt5crs_supervisor.commands.records.events import STATE, Story
from mt5crs_supervisor.commands.running.top_actions import carry_out
from mt5crs_supervisor.display.top.actions import SHOWING, KeyOutcome
from mt5crs_supervisor.display.top.model import TopModel
from mt5crs_supervisor.display.top.terminal import Terminal
from mt5crs_supervisor.operator.control import ControlClient

KEPT = 50
"""Newest events that are at hand."""

Word = StatusReport | Exception | KeyOutcome
"""What threads hand over: a report, why there is none, what became of an action."""


def show_top(paths: VarPaths) -> None:
    """Show the interactive view until q or Ctrl-C.

    Raises:
        CommandError: There is no terminal.
        NotRunning: There is no supervisor to begin with.
        ControlTimeout: It did not answer in time.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        raise CommandError(
            "top needs a terminal to draw in and to hear keys; `status --watch` needs none",
            ExitCode.USAGE,
        )
    first = ControlClient(paths.var).status()
    try:
        with Terminal(sys.stdin.fileno(), sys.stdout.fileno()) as terminal:
            TopView(paths, terminal).run(first)
    except KeyboardInterrupt:
        return


class TopView:
    """The loop between terminal, supervisor and commands; what may take long is on threads.

    Args:
        paths: The ``var`` folder of the installation.
        terminal: The window.
    """

    def __init__(self, paths: VarPaths, terminal: Terminal) -> None:
        self._paths = paths
        self._terminal = terminal
        self._model = TopModel(paths.title)
        self._client = ControlClient(paths.var)
        self._words: queue.SimpleQueue[Word] = queue.SimpleQueue()
        self._asking = False
        self._ask_at = 0.0
        self._story: Story | None = None
        self._lines: deque[StoryLine] = deque(maxlen=4 * KEPT)

    def run(self, first: StatusReport) -> None:
        """Go on until it is wished to end, or the terminal is gone."""
        self._model.hear(first, time.monotonic())
        self._ask_at = time.monotonic()
        while not self._terminal.closed:
            now = time.monotonic()
            if now >= self._ask_at and not self._asking:
                self._asking, self._ask_at = True, now + show.EVERY
                self._on_thread(self._status)
            self._draw(now)
            wait = show.EVERY if self._asking else self._ask_at - time.monotonic()
            for key in self._terminal.keys(max(wait, 0.0)):
                action = self._model.press(key, time.monotonic())
                if action is None:
                    continue
                if action.verb == "quit":
                    return
                self._on_thread(functools.partial(carry_out, self._paths, action))
            self._take_words()

    def _draw(self, now: float) -> None:
        lines = self._model.lines(*self._terminal.size, now)
        self._terminal.draw([*map(click.unstyle, lines)] if show.no_colour() else lines)

    def _take_words(self) -> None:
        while not self._words.empty():
            now = time.monotonic()
            match self._words.get():
                case KeyOutcome() as outcome:
                    self._model.finish(outcome)
                    if outcome.action.verb not in SHOWING:
                        self._ask_at = now
                case StatusReport() as report:
                    self._asking = False
                    self._model.hear(report, now)
                case error:
                    self._asking = False
                    self._model.miss(str(error))

    def _status(self) -> Word:
        try:
            report = show.asked_status(self._client, self._paths)
            return msgspec.structs.replace(report, events=self._newest(report))
        except Exception as error:
            # Whatever it is: the next one is asked for all the same.
            return error

    def _newest(self, report: StatusReport) -> tuple[EventLine, ...]:
        """The newest events, deals and locks among them, which the supervisor does not know."""
        try:
            if self._story is None:
                story = Story(self._paths)
                self._lines.extend(story.newest(None, KEPT, None))
                self._story = story
            self._lines.extend(self._story.more())
        except LedgerError:
            return report.events
        told = (line for line in self._lines if line.kind != STATE)
        return tuple(EventLine(e.time, e.name, e.kind, e.detail) for e in told)[-KEPT:]

    def _on_thread(self, work: Callable[[], Word]) -> None:
        def do() -> None:
            self._words.put(work())
            self._terminal.wake()

        # A daemon: who quits does not wait for an answer that may take fifteen seconds.
        threading.Thread(target=do, daemon=True).start()
