"""The state of the interactive view; pure: keys, reports, outcomes in, lines and actions out."""

import textwrap

import click

from mt5crs_shared.control.notes import Note
from mt5crs_shared.control.status_report import StatusReport, StrategyStatus
from mt5crs_shared.trading.locks import ACCOUNT, KILL_SWITCH, OPERATOR
from mt5crs_shared.wording import duration, plain
from mt5crs_supervisor.display.notes import note_lines
from mt5crs_supervisor.display.table import Cell, clip
from mt5crs_supervisor.display.top import keys, layout
from mt5crs_supervisor.display.top.actions import SHOWING, Action, KeyOutcome, Verb
from mt5crs_supervisor.display.top.equity import EquityRing
from mt5crs_supervisor.display.top.pane import Pane, folded
from mt5crs_supervisor.display.words import fitting

MESSAGE_LINES = 4
"""Lines that an outcome takes at most."""

SILENT = 3.0
"""Seconds without a report after which that is told, before there is a reason."""

OUTCOMES = 3
"""The newest so many are shown, until something else is asked."""

HELP = (
    "up, down, j, k    select a strategy; PgUp, PgDn, Home and End go further",
    "r                 restart: a fresh process, a clean record; also out of quarantine",
    "p                 pause: it opens no positions any more; once more: resume",
    "f                 flatten: close its position now",
    "l                 the last lines of its log",
    "c                 its last death in full",
    "e                 explain what it does, and what it waits for",
    "K                 kill switch: refuse every order of everybody; once more: off",
    "Esc               away with what a command has told",
    "q, Ctrl-C         quit; the system runs on; out of a text, q goes back",
    "",
    "Each key that acts asks first: y does it, any other key does not.",
    "The worst stand first: QUARANTINED, DEGRADED, BACKOFF, held back.",
    "EQUITY: realised and floating profit of five minutes, as this view has seen it.",
)
MOVES = {keys.UP: -1, "k": -1, keys.DOWN: 1, "j": 1}
ASKED: dict[str, Verb] = {"r": "restart", "f": "flatten"}
SHOWN: dict[str, Verb] = {"l": "logs", "c": "crashes", "e": "explain"}


class TopModel:
    """What is selected, asked, under way and shown.

    Args:
        title: The installation's name.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._report: StatusReport | None = None
        self._rows: list[StrategyStatus] = []
        self._heard = 0.0
        self._trouble = ""
        self._equity = EquityRing()
        self._selected = ""
        self._first = 0
        self._page = 1
        self._question: Action | None = None
        self._typed: str | None = None
        self._under_way: dict[Action, float] = {}
        self._outcomes: list[KeyOutcome] = []
        self._pane: Pane | None = None

    @property
    def selected(self) -> str:
        """The strategy that keys act on; empty: there is none."""
        return self._selected

    def hear(self, report: StatusReport, now: float) -> None:
        """Take a report.

        Args:
            report: The newest one.
            now: Seconds, monotonic, as everywhere here.
        """
        index = self._index()
        self._report, self._heard, self._trouble = report, now, ""
        self._rows = layout.ranked(report)
        self._equity.sample(report, now)
        names = [row.process.name for row in self._rows]
        if self._selected not in names:
            self._selected = names[min(index, len(names) - 1)] if names else ""

    def miss(self, why: str) -> None:
        """There was no report; the last one goes on being shown."""
        self._trouble = why

    def press(self, key: str, now: float) -> Action | None:
        """Take a key; what it wants done."""
        if self._question is not None:
            asked, self._question = self._question, None
            return self._begin(asked, now) if key == "y" else None
        if self._typed is not None:
            return self._type(key, self._typed, now)
        if self._pane is not None:
            if not self._pane.press(key):
                self._pane = None
            return None
        return self._browse(key, now)

    def finish(self, outcome: KeyOutcome) -> None:
        """Take what has become of an action."""
        self._under_way.pop(outcome.action, None)
        if outcome.action.verb in SHOWING and not outcome.failed:
            at_end = outcome.action.verb == "logs"
            self._pane = Pane(outcome.action.text, outcome.lines, at_end)
        else:
            self._outcomes = [*self._outcomes, outcome][-OUTCOMES:]

    def lines(self, columns: int, rows: int, now: float) -> list[str]:
        """The whole window; no line is wider than it, and there are as many as it has."""
        bottom = self._bottom(columns, now)[:rows]
        room = rows - len(bottom)
        if room <= 0:
            body = []
        elif self._pane is not None:
            body = self._pane.lines(columns, room)
        elif self._report is None:
            body = ["asking the supervisor ..."]
        else:
            found = layout.Table(self._rows, self._index(), self._equity.of)
            trouble = self._trouble_lines(columns, now)
            body, self._page, self._first = layout.window_lines(
                self._report, found, trouble, columns, room, self._first
            )
        body += [""] * (room - len(body))
        return [layout.cropped(line, columns) for line in (*body, *bottom)]

    def _index(self) -> int:
        names = [row.process.name for row in self._rows]
        return names.index(self._selected) if self._selected in names else 0

    def _browse(self, key: str, now: float) -> Action | None:
        steps = {**MOVES, keys.PAGE_UP: -self._page, keys.PAGE_DOWN: self._page}
        everybody = len(self._rows)
        steps |= {keys.HOME: -everybody, keys.END: everybody}
        if key in steps:
            self._move(steps[key])
        elif key == keys.ESCAPE:
            self._outcomes = []
        elif key == "?":
            self._pane = Pane("keys", HELP)
        elif key == "q":
            return self._quit()
        elif key == "K":
            self._ask_kill_switch()
        elif self._selected and (key in ASKED or key == "p"):
            self._ask(Action(self._pause_or_resume() if key == "p" else ASKED[key], self._selected))
        elif self._selected and key in SHOWN:
            self._outcomes = []
            return self._begin(Action(SHOWN[key], self._selected), now)
        return None

    def _move(self, step: int) -> None:
        if self._rows:
            index = min(max(self._index() + step, 0), len(self._rows) - 1)
            self._selected = self._rows[index].process.name

    def _ask(self, action: Action) -> None:
        self._question, self._outcomes = action, []

    def _ask_kill_switch(self) -> None:
        if self._has_lock(KILL_SWITCH, ACCOUNT):
            self._typed, self._outcomes = "", []
        else:
            self._ask(Action("kill-switch on"))

    def _pause_or_resume(self) -> Verb:
        return "resume" if self._has_lock(OPERATOR, self._selected) else "pause"

    def _has_lock(self, owner: str, scope: str) -> bool:
        account = self._report.account if self._report is not None else None
        held = account.locks if account is not None else ()
        return any((lock.owner, lock.scope) == (owner, scope) for lock in held)

    def _begin(self, action: Action, now: float) -> Action | None:
        if action in self._under_way:
            return None
        if action.verb != "quit":
            self._under_way[action] = now
        return action

    def _quit(self) -> Action | None:
        if any(action.verb not in SHOWING for action in self._under_way):
            self._ask(Action("quit"))
            return None
        return Action("quit")

    def _type(self, key: str, typed: str, now: float) -> Action | None:
        """The installation's name, letter by letter."""
        self._typed = typed
        if key == keys.ESCAPE:
            self._typed = None
        elif key == keys.ENTER:
            self._typed = None
            return self._begin(Action("kill-switch off", typed), now)
        elif key == keys.BACKSPACE:
            self._typed = typed[:-1]
        elif len(key) == 1:
            self._typed = typed + key
        return None

    def _trouble_lines(self, columns: int, now: float) -> list[str]:
        silent = now - self._heard
        if not self._trouble and silent < SILENT:
            return []
        why = f": {plain(self._trouble)}" if self._trouble else ""
        text = f"no word for {duration(silent)}, asked again each second{why}"
        return [click.style(line, fg="red") for line in note_lines([Note(text)], columns)]

    def _bottom(self, columns: int, now: float) -> list[str]:
        """What is asked, under way and told; or else the keys."""
        said = [
            click.style(
                clip(f"{action.text} is under way, {duration(now - since)}", columns), "cyan"
            )
            for action, since in self._under_way.items()
        ]
        for outcome in self._outcomes:
            said += self._told(outcome, columns)
        if self._question is not None:
            busy = "an action is under way; " if self._question.verb == "quit" else ""
            said += self._asked(f"{busy}{self._question.text}? y/n", columns)
        if self._typed is not None:
            name = f"type the installation's name, {self._title}"
            said += self._asked(f"kill-switch off? {name}: {self._typed}", columns)
        return said or [self._hints(columns)]

    @staticmethod
    def _asked(text: str, columns: int) -> list[str]:
        return [click.style(line, bold=True) for line in folded(text, columns)]

    @staticmethod
    def _told(outcome: KeyOutcome, columns: int) -> list[str]:
        whole = plain("; ".join(line.strip() for line in outcome.lines))
        text = f"{outcome.action.text}: {whole}" if outcome.failed else whole
        lines = textwrap.wrap(text, columns, max_lines=MESSAGE_LINES, placeholder=" …")
        colour = "red" if outcome.failed else "green"
        return [click.style(line, fg=colour) for line in lines]

    def _hints(self, columns: int) -> str:
        if self._pane is not None:
            return fitting([Cell("Esc back"), Cell("  up, down, PgUp, PgDn, Home, End")], columns)
        listed = [
            *("? help", "q quit", "r restart", f"p {self._pause_or_resume()}", "f flatten"),
            *("K kill", "e why", "l log", "c death"),
        ]
        parts = [Cell(f"{'  ' if index else ''}{text}") for index, text in enumerate(listed)]
        return fitting(parts, columns)
