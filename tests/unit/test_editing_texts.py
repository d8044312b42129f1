"""Files that nobody has made pretty: the wanted lines change, and no others."""

import difflib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mt5crs_supervisor.commands.editing.strategies_file import (
    StrategiesFile,
    removed,
    switched,
    with_added,
)
from mt5crs_supervisor.commands.editing.text_edits import applied
from tests.unit.editing_cases import IN_BRACKETS, MA_CROSS, MORE, TWO, UGLY, changes, furnish, run


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return furnish(tmp_path)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_an_ugly_file_keeps_all_else(file: Path, newline: str, bom: str) -> None:
    def written(text: str) -> None:
        file.write_bytes((bom + text).replace("\n", newline).encode())

    def changed() -> list[str]:
        return [line.removesuffix(newline[:-1]) for line in changes(file)]

    written(UGLY)
    run("disable", "*")
    assert changed() == [
        "-   enabled: yes   # for now",
        "+   enabled: false   # for now",
        f"- {TWO}",
        f"+ {TWO.replace('two', 'two, enabled: false')}",
        "+     enabled: false",
    ]
    assert f"-   name: three{newline}    enabled: false{newline}" in file.read_bytes().decode()

    written(UGLY)
    run("remove", "two")
    assert changed() == [
        "- ",
        "- # before two",
        f"- {TWO}",
        "- ",
    ]

    written(UGLY)
    run("add", "four.yaml")
    assert changed() == [
        "+ # My new one",
        "+ -   name: four   # the fourth",
        "+     symbol: EURUSD",
        f"+     strategy: {MA_CROSS}",
        "+     params:",
        "+       fast: 3",
        "+       # deep",
        "+       slow: 6",
        "+ ",
    ]
    if newline == "\r\n":
        assert b"\n" not in file.read_bytes().replace(b"\r\n", b"")
    assert file.read_bytes().startswith(bom.encode())


def test_what_reaches_elsewhere_is_refused(file: Path) -> None:
    file.write_text(UGLY)
    said = run("remove", "one", code=4)
    assert "undefined alias" in said and "config/strategies.yaml:" in said
    shared = UGLY.replace('- name:   "one"', '- &one\n  name:   "one"')
    shared = shared.replace("-   name: three", "-   <<: *one\n    name: three")
    file.write_text(shared)
    said = run("disable", "one", code=1)
    assert "three would not be as wanted" in said and "edit it by hand" in said
    assert file.read_text() == shared
    run("disable", "three")
    assert changes(file) == ["+     enabled: false"]
    flag = UGLY.replace("enabled: yes", "enabled: &on yes").replace("empty: ~", "empty: *on")
    file.write_text(flag)
    assert run("disable", "one", code=4)
    assert file.read_text() == flag


def test_a_file_in_brackets(file: Path) -> None:
    file.write_text(IN_BRACKETS)
    run("disable", "two")
    assert yaml.safe_load(file.read_text())["strategies"][1]["enabled"] is False
    run("remove", "two")
    first = IN_BRACKETS.split(",\n")[0]
    assert file.read_text() == f"{first}\n]}}\n"
    assert "written in brackets" in run("add", "four.yaml", code=1)


def test_a_file_without_an_end_of_line(file: Path) -> None:
    entry = f"strategies:\n- symbol: EURUSD\n  strategy: {MA_CROSS}\n  name: one"
    file.write_text(entry)
    run("disable", "one")
    assert file.read_text() == f"{entry}\n  enabled: false"
    run("add", "four.yaml")
    assert file.read_text().startswith(f"{entry}\n  enabled: false\n\n# My new one\n- name: four")


names = st.sampled_from(["one", "two", "three"])


def loaded(text: str) -> Any:
    """A document as libyaml reads it, which is not how it was written and is ten times quicker."""
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


ADDED = loaded(MORE)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    gaps=st.lists(
        st.sampled_from(["", "\n", "# c\n", "\n# c\n\n", "  # deep\n"]), min_size=4, max_size=4
    ),
    dash=st.sampled_from(["- ", "-   ", "-\n      "]),
    indent=st.integers(0, 4),
    who=names,
    order=st.permutations(["name", "symbol", "strategy", "params"]),
)
def test_whatever_it_looks_like_the_rest_stays(
    file: Path, gaps: list[str], dash: str, indent: int, who: str, order: list[str]
) -> None:
    values = {
        "symbol": "EURUSD  # what",
        "strategy": MA_CROSS,
        "params": "{fast: 3,\n slow: 6}" if indent else "{fast: 3, slow: 6}",
    }
    text = "strategies:\n"
    for gap, name in zip(gaps, ["one", "two", "three"], strict=False):
        keys = " " * (indent + (6 if "\n" in dash else len(dash)))
        lines = [f"{key}: {({'name': name} | values)[key]}" for key in order]
        begin = f"{' ' * indent}{dash.rstrip(' ') + keys if chr(10) in dash else dash}"
        text += gap + begin + f"\n{keys}".join(lines) + "\n"
    text += gaps[3]
    before = loaded(text)["strategies"]
    file.write_text(text)
    held = StrategiesFile(file, file)
    more = StrategiesFile(Path("four.yaml"), Path("four.yaml"), alone=True)
    at = ["one", "two", "three"].index(who)
    off = [entry | {"enabled": False} if entry["name"] == who else entry for entry in before]
    for change, wanted in (
        (switched(held, [who], False), off),
        (removed(held, [who]), before[:at] + before[at + 1 :]),
        (with_added(held, more), [*before, ADDED]),
    ):
        after = applied(text, change.edits)
        assert loaded(after)["strategies"] == wanted == change.wanted
        marks = {line[0] for line in difflib.ndiff(text.split("\n"), after.split("\n"))}
        assert marks <= ({" ", "-"} if len(wanted) < len(before) else {" ", "+"})
