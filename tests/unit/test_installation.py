"""Whose a folder is, and who speaks for whom."""

import os
from pathlib import Path

import pytest

from mt5crs_shared.process import installation
from mt5crs_shared.process.installation import InstallationError, load_installation, load_or_make
from mt5crs_shared.process.paths import VarPaths


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "installation"
    made = load_or_make(file)
    assert load_or_make(file) == made
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_or_make(tmp_path / "other") != made


def test_a_lost_file_is_made_after_the_ledger(tmp_path: Path) -> None:
    assert load_or_make(tmp_path / "installation", "0123").id == "0123"


def test_a_spawn_proves_itself_and_nobody_else_can(tmp_path: Path) -> None:
    ours, theirs = load_or_make(tmp_path / "ours"), load_or_make(tmp_path / "theirs")
    assert ours.speaker(ours.identity("one", 7)) == ("one", 7)
    for forged in (
        b"one:7",
        b"one:7:",
        b"one:8:" + ours.identity("one", 7).rpartition(b":")[2],
        theirs.identity("one", 7),
        b"one:seven:x",
        b"\xff\xfe",
        b"",
    ):
        assert ours.speaker(forged) is None


def test_a_folder_that_is_gone_or_another_one_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "installation"
    made = load_or_make(file)
    assert made.is_at(file)
    file.unlink()
    assert not made.is_at(file)
    load_or_make(file)
    assert not made.is_at(file)


@pytest.mark.parametrize("what", ["pipe", "link", "rubbish", "huge"])
def test_a_file_that_is_none_of_ours_is_refused_and_never_waited_for(
    tmp_path: Path, what: str
) -> None:
    file = tmp_path / "installation"
    match what:
        case "pipe":
            os.mkfifo(file)
        case "link":
            file.symlink_to("/dev/zero")
        case "rubbish":
            file.write_bytes(b"no JSON")
        case "huge":
            file.write_bytes(b"[" * 10_000_000)
    with pytest.raises(InstallationError):
        load_installation(file)
    assert installation.is_at(file, "anything")


@pytest.mark.parametrize(
    ("folder", "title"),
    [("desk/var", "desk"), ("desk/var/demo", "demo"), ("gold", "gold")],
)
def test_people_call_it_after_its_folder(tmp_path: Path, folder: str, title: str) -> None:
    paths = VarPaths(tmp_path / folder)
    assert paths.title == title
    assert paths.process_title("euro") == f"mt5crs euro ({title})"


def test_a_folder_is_the_same_however_it_is_spelt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "var")
    monkeypatch.chdir(tmp_path / "here")
    spelt = ("../var", tmp_path / "var", tmp_path / "link", tmp_path / "here" / ".." / "var")
    assert len({VarPaths(Path(folder)).var for folder in spelt}) == 1
