"""What the view wants done, and what came of it."""

from typing import Literal

import msgspec

Verb = Literal[
    "restart",
    "pause",
    "resume",
    "flatten",
    "kill-switch on",
    "kill-switch off",
    "logs",
    "crashes",
    "explain",
    "quit",
]

SHOWING = frozenset({"logs", "crashes", "explain"})
"""Verbs that change nothing: what they tell is shown in a pane."""


class Action(msgspec.Struct, frozen=True):
    """Something that was wished by a key.

    Attributes:
        verb: The command.
        name: Of a strategy; of `kill-switch off`: what was typed as the installation's name.
    """

    verb: Verb
    name: str = ""

    @property
    def text(self) -> str:
        """As one would type it."""
        return self.verb if "kill-switch" in self.verb else f"{self.verb} {self.name}".strip()


class KeyOutcome(msgspec.Struct, frozen=True):
    """What a command has told.

    Attributes:
        action: What was wished.
        lines: In the command's own words.
        failed: It was not done, or not all of it.
    """

    action: Action
    lines: tuple[str, ...]
    failed: bool = False
