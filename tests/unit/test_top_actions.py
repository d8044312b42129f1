"""What the keys of `top` do, where no system runs."""

import fnmatch
from pathlib import Path

import pytest

from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.commands import trading
from mt5crs_supervisor.commands.running.top_actions import carry_out
from mt5crs_supervisor.display.top.actions import Action, Verb


@pytest.mark.parametrize("name", ["euro", "77", "7"])
def test_a_name_of_digits_is_not_taken_for_a_ticket(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[str] = []
    monkeypatch.setattr(trading, "flatten", lambda _paths, names, *_: wanted.extend(names))
    assert not carry_out(VarPaths(tmp_path), Action("flatten", name)).failed
    assert fnmatch.filter(["euro", "77", "7", "777"], wanted[0]) == [name]
    assert not wanted[0].isdigit()


NOWHERE: dict[Verb, str] = {
    "restart": "no supervisor is running on",
    "pause": "no system is running on",
    "resume": "no system is running on",
    "flatten": "no system is running on",
    "kill-switch on": "no system is running on",
    "kill-switch off": "that was not desk: the kill switch stays ON",
    "logs": "there are no logs in",
    "explain": "no supervisor is running on",
}


@pytest.mark.parametrize("verb", NOWHERE)
def test_an_error_is_told_in_the_commands_words(verb: Verb, tmp_path: Path) -> None:
    outcome = carry_out(VarPaths(tmp_path / "desk"), Action(verb, "euro"))
    assert outcome.failed
    assert NOWHERE[verb] in outcome.lines[-1]


def test_who_never_died_has_no_death_to_show(tmp_path: Path) -> None:
    outcome = carry_out(VarPaths(tmp_path), Action("crashes", "euro"))
    assert outcome.lines == ("euro has never died.",) and not outcome.failed


def test_a_bug_of_a_command_does_not_end_the_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(trading, "pause", broken)
    outcome = carry_out(VarPaths(tmp_path), Action("pause", "euro"))
    assert outcome.failed and outcome.lines == ("ValueError: a bug",)
