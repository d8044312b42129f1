"""What is done on the page, as command lines."""

import asyncio
import os
from pathlib import Path

import pytest

from mt5crs_services.page.acting import ActionOutcome, DeskAction, Hand, arguments_of, environment
from mt5crs_shared.process.environment import asked_for
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.cli import cli
from mt5crs_supervisor.commands import trading
from mt5crs_supervisor.operator.actions import BY_OPERATOR, asked_by

KNOWN = {"euro", "007", "gateway"}


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        (DeskAction("restart", "euro"), ["restart", "euro"]),
        (DeskAction("restart", "gateway"), ["restart", "gateway"]),
        (DeskAction("pause", "euro", why="-- news"), ["pause", "euro", "--why=-- news"]),
        (DeskAction("pause", why="a\0b\n\u202ec"), ["pause", "--all", "--why=a b  c"]),
        (DeskAction("pause"), ["pause", "--all"]),
        (DeskAction("resume", "euro"), ["resume", "euro"]),
        (DeskAction("unlock", "euro"), ["unlock", "euro"]),
        (DeskAction("unlock"), ["unlock", "--all"]),
        (DeskAction("flatten", "007"), ["flatten", "[0]07"]),
        (DeskAction("reload", dry_run=True), ["reload", "--dry-run"]),
        (DeskAction("reload", keep=True), ["reload", "--keep"]),
        (DeskAction("kill-switch", why="storm"), ["kill-switch", "on", "--why=storm"]),
        (DeskAction("kill-switch", on=False, confirmed="desk"), ["kill-switch", "off", "--yes"]),
    ],
)
def test_an_action_is_a_verb(action: DeskAction, arguments: list[str]) -> None:
    assert arguments_of(action, KNOWN, "desk") == arguments
    assert arguments[0] in cli.commands


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (DeskAction("restart", "nobody"), "there is no 'nobody'"),
        (DeskAction("flatten", "--all"), "there is no '--all'"),
        (DeskAction("restart"), "restart needs a name"),
        (DeskAction("stop"), "stop needs a name"),
        (DeskAction("kill-switch", on=False, confirmed="desk2"), "stays ON"),
        (DeskAction("kill-switch", on=False), "stays ON"),
    ],
)
def test_what_is_no_action_says_why(action: DeskAction, words: str) -> None:
    found = arguments_of(action, KNOWN, "desk")
    assert isinstance(found, str)
    assert words in found


def test_the_kill_switch_waits_for_no_reload(tmp_path: Path) -> None:
    class SlowHand(Hand):
        """Each command is under way until it is told to end."""

        def __init__(self) -> None:
            super().__init__(VarPaths(tmp_path))
            self.began: list[str] = []
            self.end = asyncio.Event()

        async def _run(self, arguments: list[str], source: str) -> ActionOutcome:
            self.began.append(" ".join(arguments))
            await self.end.wait()
            return ActionOutcome((), failed=False)

    async def scene() -> list[str]:
        hand = SlowHand()
        wanted = ["reload", "restart euro", "kill-switch on", "kill-switch off --yes", "flatten"]
        tasks = [asyncio.create_task(hand.carry_out(one.split(), "here")) for one in wanted]
        while len(hand.began) < 3:
            await asyncio.sleep(0)
        began = list(hand.began)
        hand.end.set()
        await asyncio.gather(*tasks)
        assert hand.began[3:] == ["restart euro", "kill-switch off --yes"], "what waited"
        return began

    assert asyncio.run(asyncio.wait_for(scene(), 10.0)) == ["reload", "kill-switch on", "flatten"]


def test_whoever_asked_is_told_to_those_who_ask_later(monkeypatch: pytest.MonkeyPatch) -> None:
    before = trading.user_name()
    for name, value in environment(os.environ, "192.0.2.9").items():
        monkeypatch.setenv(name, value)
    assert asked_for() == "page, 192.0.2.9"
    assert trading.user_name() == f"{before} (page, 192.0.2.9)"
    assert asked_by(asked_for()) == f"{BY_OPERATOR} (page, 192.0.2.9)"
    assert asked_by("") == BY_OPERATOR
