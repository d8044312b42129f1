"""`enable`, `disable`, `add`, `remove`: the wanted lines change, and no others."""

import fcntl
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mt5crs_shared.configuration.loading import load_config
from mt5crs_supervisor.commands.editing import config_file
from mt5crs_supervisor.commands.editing.strategies_file import StrategiesFile
from mt5crs_supervisor.commands.failures import ExitCode
from tests.system import wait_for
from tests.unit.editing_cases import MA_CROSS, MORE, SHIPPED, changes, furnish, run


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return furnish(tmp_path)


def test_one_line_of_the_shipped_file_is_changed(file: Path) -> None:
    told = run("enable", "xau*")
    assert told == (
        "enabled   xauusd_scalping_v1  (config/strategies.yaml:30)\n"
        "before    config/strategies.yaml.bak\n"
    )
    assert changes(file) == ["-     enabled: false", "+     enabled: true"]
    assert file.with_name("strategies.yaml.bak").read_text() == SHIPPED
    assert run("enable", "xauusd_scalping_v1") == "xauusd_scalping_v1 is enabled already\n"
    assert file.with_name("strategies.yaml.bak").read_text() == SHIPPED, "nothing was written"
    told = run("disable", "*_v1")
    assert told.count("disabled") == 3
    assert changes(file) == ["-     enabled: true", "+     enabled: false"] * 3


def test_a_removed_one_takes_its_comment_along(file: Path) -> None:
    run("remove", "gbp*")
    lines = SHIPPED.splitlines(keepends=True)
    assert file.read_text() == "".join(lines[:16] + lines[28:])
    run("remove", "xau*")
    assert file.read_text() == "".join(lines[:15] + lines[39:])
    assert "would hold no strategy" in run("remove", "*", code=1)
    assert "would hold no strategy" in run("remove", "eurusd_trend_v1", code=1)
    assert file.read_text() == "".join(lines[:15] + lines[39:])


def test_the_first_one_can_go(file: Path) -> None:
    run("remove", "eur*", "gbp*")
    lines = SHIPPED.splitlines(keepends=True)
    assert file.read_text() == "".join(lines[:4] + lines[28:])


def test_added_ones_stand_behind_the_last(file: Path) -> None:
    assert run("add", "four.yaml").startswith("added     four  (four.yaml:2)\n")
    text = f"""
  # My new one
  - name: four   # the fourth
    symbol: EURUSD
    strategy: {MA_CROSS}
    params:
      fast: 3
      # deep
      slow: 6
"""
    lines = SHIPPED.splitlines(keepends=True)
    assert file.read_text() == "".join(lines[:39]) + text + "".join(lines[39:])
    assert "four.yaml:2:7 name: four is already the name of strategies[3]" in run(
        "add", "four.yaml", code=4
    )


@pytest.mark.parametrize("head", ["strategies:\n", ""])
def test_several_are_added_at_once(file: Path, tmp_path: Path, head: str) -> None:
    entry = f"  - &a\n      name: four\n      symbol: EURUSD\n      strategy: {MA_CROSS}\n"
    five = "  # five\n  -\n    <<: *a\n    name: five\n"
    (tmp_path / "two.yaml").write_text(head + entry + five)
    told = run("add", "two.yaml")
    assert told.count("added") == 2
    assert [s.name for s in load_config(file).strategies][3:] == ["four", "five"]
    assert "  # five\n  - <<: *a\n    name: five\n\n# Global" in file.read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MORE.replace("EURUSD", "EURUSDX"), "four.yaml:3:9 symbol: unknown symbol EURUSDX"),
        (MORE + "threshhold: 0.5\n", "four.yaml:9:1 threshhold: unknown key"),
        (MORE.replace("Average", "Averag"), "four.yaml:4:11 strategy: "),
        (
            f"strategies:\n  - {{name: x, symbol: Q}}\n{''}",
            "four.yaml:2:23 strategies[x].symbol: unknown",
        ),
        ("strategies:\n- name: x\nglobal: {}\n", "four.yaml:3:1 global: more than strategies"),
        ("symbol: EURUSD\n", "four.yaml:1:1: no strategies; expected one strategy, with its name"),
        ("strategies: []\n", "four.yaml:1:13: no strategies"),
        ("name: [1\n", "four.yaml:1:7: a [ that is never closed"),
        ("", "four.yaml: the file is empty"),
    ],
)
def test_a_mistake_is_told_where_it_was_written(
    file: Path, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "four.yaml").write_text(text)
    assert said in run("add", "four.yaml", code=4)
    assert file.read_text() == SHIPPED
    assert sorted(p.name for p in file.parent.iterdir()) == ["strategies.yaml", "symbols.yaml"]


def test_a_mistake_elsewhere_is_told_in_the_lines_of_the_file(file: Path) -> None:
    bad = SHIPPED.replace("threshold: 0.60", "threshold: 60").replace("    enabled: true\n", "")
    file.write_text(bad)
    line = bad.splitlines().index("    threshold: 60") + 1
    where = (
        f"config/strategies.yaml:{line}:16 strategies[xauusd_scalping_v1].threshold: 60; expected"
    )
    assert where in run("disable", "eur*", "gbp*", code=4)
    assert where in run("remove", "gbp*", code=4)
    assert where in run("add", "four.yaml", code=4)
    assert file.read_text() == bad
    run("remove", "xau*")
    assert [s.name for s in load_config(file).strategies] == [
        "eurusd_trend_v1",
        "gbpusd_pairtrading_v1",
    ]


def test_who_is_enabled_is_tried_before(file: Path) -> None:
    bad = SHIPPED.replace("symbol: XAUUSD", "symbol: XAUUSD\n    strategy: nowhere.at.all:X")
    file.write_text(bad)
    assert "config/strategies.yaml:32:15 strategies[xauusd_scalping_v1].strategy: " in run(
        "enable", "xau*", code=4
    )
    assert file.read_text() == bad
    run("disable", "eur*")


def test_names_that_are_not_there(file: Path) -> None:
    said = run("disable", "eur*", "gbpusd_pairtradin_v1", code=ExitCode.USAGE)
    assert "Did you mean gbpusd_pairtrading_v1?" in said
    run("enable", code=ExitCode.USAGE)
    assert "belong to --reload" in run("disable", "eur*", "--keep", code=ExitCode.USAGE)
    assert "no supervisor is running" in run("disable", "eur*", "--reload", code=3)
    assert file.read_text() == SHIPPED
    file.unlink()
    assert "config/strategies.yaml: no such file" in run("disable", "eur*", code=4)


# The file itself


def test_links_and_modes_stay(file: Path, tmp_path: Path) -> None:
    real = tmp_path / "real" / "mine.yaml"
    real.parent.mkdir()
    file.rename(real)
    real.chmod(0o640)
    file.symlink_to(real)
    assert "real/mine.yaml.bak" in run("enable", "xau*")
    assert file.is_symlink() and not real.is_symlink()
    assert changes(real) == ["-     enabled: false", "+     enabled: true"]
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert stat.S_IMODE(real.with_name("mine.yaml.bak").stat().st_mode) == 0o640
    assert sorted(p.name for p in real.parent.iterdir()) == ["mine.yaml", "mine.yaml.bak"]


def test_two_commands_at_once_lose_nothing(file: Path) -> None:
    command = [sys.executable, "-m", "mt5crs_supervisor"]
    names = ["eurusd_trend_v1", "gbpusd_pairtrading_v1"]
    both = [
        subprocess.Popen([*command, "disable", name], stdout=subprocess.PIPE, text=True)
        for name in names
    ]
    assert [process.wait(60) for process in both] == [0, 0]
    for process in both:
        assert process.stdout is not None
        process.stdout.close()
    assert load_config(file).enabled == ()


def test_a_command_waits_for_another_one(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = os.open(file.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    said: list[str] = []

    def other() -> None:
        with config_file.held(file, said.append):
            said.append("has it")

    thread = threading.Thread(target=other)
    thread.start()
    wait_for(lambda: said, "it to say that it waits")
    assert said == ["another command is changing strategies.yaml; waiting ..."]
    monkeypatch.setattr(config_file, "WAIT", 0.0)
    assert "another command has been changing" in run("enable", "xau*", code=1)
    assert file.read_text() == SHIPPED
    os.close(folder)
    thread.join()
    assert said[-1] == "has it"


def test_what_was_written_meanwhile_is_not_lost(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = SHIPPED.replace("0.55", "0.56")
    read = StrategiesFile.numbers_of

    def edit_then_go_on(self: StrategiesFile, wanted: list[str]) -> list[int]:
        file.write_text(edited)
        return read(self, wanted)

    monkeypatch.setattr(StrategiesFile, "numbers_of", edit_then_go_on)
    assert "was written meanwhile" in run("enable", "xau*", code=1)
    assert file.read_text() == edited
    monkeypatch.undo()


def test_only_the_verbs_that_write_wait_for_their_modules() -> None:
    code = (
        "import sys, mt5crs_supervisor.cli, mt5crs_supervisor.supervisor\n"
        "print([name for name in sys.modules if '.editing' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['mt5crs_supervisor.cli.editing']\n"
