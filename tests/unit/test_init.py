"""A starter project: all of it or nothing, and no copy in it has gone its own way."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mt5crs_shared.configuration.loading import load_config
from mt5crs_supervisor.cli import cli
from mt5crs_supervisor.commands.failures import ExitCode
from mt5crs_supervisor.commands.init import FILES, STARTER

ROOT = Path(__file__).parents[2]


def init(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["init", *arguments])


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, in a shell that finds the command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    return tmp_path


def test_it_makes_a_project_here_and_says_what_it_made(here: Path) -> None:
    said = init()
    assert said.exit_code == 0, said.output
    assert set(contents(here)) == {file.target for file in FILES}
    for name in contents(here):
        assert f"  {name} " in said.output
    for verb in ("validate", "doctor", "demo"):
        assert f"  mt5crs-supervisor {verb} " in said.output
    assert "cd " not in said.output


def test_it_makes_a_folder_and_says_how_to_go_there(here: Path) -> None:
    said = init("desks/my desk")
    assert set(contents(here / "desks" / "my desk")) == {file.target for file in FILES}
    assert "  cd 'desks/my desk'\n" in said.output


def test_a_command_that_no_shell_finds_is_written_out(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(here))
    (line,) = [line for line in init().output.splitlines() if "every mistake" in line]
    command, verb = line.split()[:2]
    assert verb == "validate"
    assert Path(command).is_absolute() and os.access(command, os.X_OK)


@pytest.mark.parametrize("name", [file.target for file in FILES])
def test_any_file_that_is_there_is_named_and_nothing_changes(here: Path, name: str) -> None:
    (here / name).parent.mkdir(exist_ok=True)
    (here / name).write_text("mine")
    said = init()
    assert said.exit_code == ExitCode.ERROR
    assert f"error: this folder has {name} already; nothing was written" in said.stderr
    assert contents(here) == {name: b"mine"}


def test_a_link_that_leads_nowhere_is_a_file_too(here: Path) -> None:
    (here / "README.md").symlink_to("/nowhere/at/all")
    assert "README.md already" in init().stderr
    assert [path.name for path in here.iterdir()] == ["README.md"]


def test_what_it_cannot_finish_it_takes_back(here: Path) -> None:
    (here / "tests").write_text("a file where a folder is needed")
    (here / "models").mkdir()
    said = init()
    assert said.exit_code == ExitCode.ERROR
    assert "tests/test_my_strategies.py: Not a directory; nothing was written" in said.stderr
    assert sorted(path.name for path in here.iterdir()) == ["models", "tests"]
    assert contents(here / "models") == {}


def test_a_folder_that_is_a_file_is_refused(here: Path) -> None:
    (here / "desk").write_text("mine")
    assert init("desk").exit_code == ExitCode.ERROR
    assert contents(here) == {"desk": b"mine"}


def test_everything_in_the_package_is_written_and_nothing_else() -> None:
    listed = {file.source or file.target for file in FILES}
    assert set(contents(STARTER)) == listed


@pytest.mark.parametrize(
    "name", ["config/symbols.yaml", "models/baseline_v1.json", "models/baseline_v1.meta.json"]
)
def test_the_checkouts_own_files_are_those_of_the_package(name: str) -> None:
    same = (ROOT / name).read_bytes() == (STARTER / name).read_bytes()
    assert same, f"run: cp {name} {(STARTER / name).relative_to(ROOT)}"


def test_its_strategy_is_that_of_the_readme() -> None:
    page = (ROOT / "README.md").read_text()
    shown = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert (STARTER / "my_strategies.py-tpl").read_text() in shown


def test_every_setting_to_try_is_accepted(here: Path) -> None:
    init()
    file = here / "config" / "strategies.yaml"
    text = file.read_text()
    given = load_config(file)
    tried, count = re.subn(r"^( *)#(?! \S|$)", r"\1", text, flags=re.MULTILINE)
    file.write_text(tried)
    changed = load_config(file)
    assert count == 10
    assert [s.name for s in given.strategies] == [s.name for s in changed.strategies]
    assert [rule.rule for rule in changed.globals.risk] == ["max_loss", "max_spread"]
    model, own = changed.strategies
    assert (model.timeframe, model.enabled) == ("M5", False)
    assert (own.on_give_up, own.standby, own.limits is not None) == ("flatten", True, True)


def test_its_code_is_written_as_ours_is(here: Path) -> None:
    init()
    rules = ("--config", str(ROOT / "pyproject.toml"), "--ignore", "D103")
    for check in (("check", *rules, "--no-cache"), ("format", "--check", *rules[:2])):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "."], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_doctor_names_it_too(here: Path) -> None:
    said = CliRunner().invoke(cli, ["doctor"]).output
    assert "-> `init` makes a folder with one" in said
    (here / "config").mkdir()
    (here / "config" / "strategies.yaml").touch()
    said = CliRunner().invoke(cli, ["doctor"]).output
    assert "the file is empty" in said
    assert "`init`" not in said


@pytest.mark.parametrize("verb", [["demo"], ["start"], ["start", "--detach"], ["validate"]])
def test_a_verb_without_a_configuration_names_init(here: Path, verb: list[str]) -> None:
    said = CliRunner().invoke(cli, verb)
    assert said.exit_code == ExitCode.CONFIGURATION
    assert "there is no config/strategies.yaml. Run `mt5crs-supervisor init` first" in said.stderr
    assert list(here.iterdir()) == []
