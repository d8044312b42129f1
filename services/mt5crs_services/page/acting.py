"""What the trader does on the page: done by the command line, told in its words.

Each action is a verb of `mt5crs-supervisor` in a process of its own: the same requests to
supervisor and gateway, the same checks before and looks afterwards, the same words; and whatever
goes wrong in it, or takes its minute, does so beside the page.
"""

import asyncio
import logging
import os
import sys
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Literal

import msgspec

from mt5crs_shared.process.environment import ASKED_FOR
from mt5crs_shared.process.paths import VarPaths

logger = logging.getLogger(__name__)

WITHIN = 90.0
"""Seconds that a command may take: a reload waits for a minute."""

LONGEST = 20_000
"""Characters of its words that are shown."""

Verb = Literal[
    "restart", "start", "stop", "pause", "resume", "unlock", "flatten", "reload", "kill-switch"
]


class DeskAction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An action.

    Attributes:
        verb: What.
        name: Whom; empty: everybody (pause, resume, unlock, flatten), or the account (kill switch).
        why: A reason, for whoever asks later (pause, kill switch).
        on: Kill switch: on, or off.
        confirmed: Kill switch off: the installation's name, as the trader has typed it.
        dry_run: Reload: only say what would change.
        keep: Reload: strategies that leave may leave a position open.
    """

    verb: Verb
    name: str = ""
    why: str = ""
    on: bool = True
    confirmed: str = ""
    dry_run: bool = False
    keep: bool = False


class ActionOutcome(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        lines: What the command said.
        failed: It was not done, or not all of it.
    """

    lines: tuple[str, ...]
    failed: bool


def arguments_of(wanted: DeskAction, known: Collection[str], installation: str) -> list[str] | str:
    """The command line of an action; or, in words, why it is none.

    Args:
        wanted: The action.
        known: Names of all children.
        installation: What has to be typed before the kill switch is taken off.
    """
    name = wanted.name
    if name and name not in known:
        return f"there is no {name!r}"
    # A name of digits alone would be taken for a ticket.
    target = [f"[{name[0]}]{name[1:]}" if name.isdigit() else name] if name else ["--all"]
    # Neither what no command line can carry nor what turns the words around it.
    reason = "".join(char if char.isprintable() else " " for char in wanted.why[:200])
    why = [f"--why={reason}"] if reason else []
    match wanted.verb:
        case "restart" | "start" | "stop" if name:
            return [wanted.verb, name]
        case "pause":
            return ["pause", *target, *why]
        case "resume" | "unlock" | "flatten":
            return [wanted.verb, *target]
        case "reload":
            how = ["--dry-run"] if wanted.dry_run else ["--keep"] if wanted.keep else []
            return ["reload", *how]
        case "kill-switch" if wanted.on:
            return ["kill-switch", "on", *why]
        case "kill-switch" if wanted.confirmed == installation:
            return ["kill-switch", "off", "--yes"]
        case "kill-switch":
            return f"that was not {installation}: the kill switch stays ON"
    return f"{wanted.verb} needs a name"


QUEUES: Mapping[str, str] = {
    "pause": "entries",
    "resume": "entries",
    "flatten": "positions",
    "kill-switch": "orders",
}
"""What waits for what: the kill switch for no reload that takes its minute, but the one word on a
matter for the one before. Everything else changes processes, and is one queue."""


class Hand:
    """Carries actions out, those on one matter one after the other; see :data:`QUEUES`.

    Args:
        paths: The ``var`` folder.
    """

    def __init__(self, paths: VarPaths) -> None:
        self._paths = paths
        self._queues: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def carry_out(self, arguments: list[str], source: str) -> ActionOutcome:
        """Do it, and hear what came of it.

        Args:
            arguments: See :func:`arguments_of`.
            source: Where it was asked from: the browser's address.
        """
        logger.info("asked from %s: %s", source, " ".join(arguments))
        async with self._queues[QUEUES.get(arguments[0], "processes")]:
            outcome = await self._run(arguments, source)
        logger.info("%s: %s", " ".join(arguments), "failed" if outcome.failed else "done")
        return outcome

    async def _run(self, arguments: list[str], source: str) -> ActionOutcome:
        verb, *rest = arguments
        place = ["--var-dir", str(self._paths.var)]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "mt5crs_supervisor", verb, *place, *rest),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment(os.environ, source),
        )
        try:
            said, _ = await asyncio.wait_for(process.communicate(), WITHIN)
        except TimeoutError:
            process.kill()
            await process.wait()
            told = f"not over after {WITHIN:g} s, and may be done all the same; see the desk"
            return ActionOutcome((told,), failed=True)
        lines = said.decode(errors="replace")[:LONGEST].splitlines()
        return ActionOutcome(tuple(line.rstrip() for line in lines), failed=process.returncode != 0)


def environment(own: Mapping[str, str], source: str) -> dict[str, str]:
    """What a command is started with: whom it is for, and a wide terminal without colours."""
    return {**own, ASKED_FOR: f"page, {source}", "COLUMNS": "160", "NO_COLOR": "1"}
