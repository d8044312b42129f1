"""Epochs only rise, also where the list of processes is lost or was put back from a backup."""

import shutil
import sqlite3
from pathlib import Path

from mt5crs_shared.process.installation import BEGUN
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.processes import epochs
from mt5crs_supervisor.processes.registry import Entry, Registry
from mt5crs_worker.trading.journal import Journal


def paths_in(folder: Path) -> VarPaths:
    paths = VarPaths(folder)
    paths.create()
    return paths


def test_nothing_has_been_fenced_in_an_empty_folder(tmp_path: Path) -> None:
    assert epochs.highest_epoch(paths_in(tmp_path)) == 0


def test_the_journal_of_the_newest_writer_counts(tmp_path: Path) -> None:
    paths = paths_in(tmp_path)
    for name, epoch in (("one", 3004), ("two", 2001)):
        Journal(paths.journal(name), epoch).close()
    assert epochs.highest_epoch(paths) == 3004


def test_the_ledger_counts_and_what_cannot_be_read_does_not(tmp_path: Path) -> None:
    paths = paths_in(tmp_path)
    paths.journal("damaged").write_bytes(b"no database" * 100)
    with sqlite3.connect(paths.ledger) as db:
        db.execute("CREATE TABLE epochs (strategy TEXT PRIMARY KEY, epoch INTEGER NOT NULL)")
        db.execute("INSERT INTO epochs VALUES ('one', 5007)")
    db.close()
    assert epochs.highest_epoch(paths) == 5007


def early() -> float:
    """A wall clock that says nothing about epochs."""
    return 0.0


def test_a_registry_begins_above_its_own_entries_and_above_the_fences(tmp_path: Path) -> None:
    file = tmp_path / "processes.json"
    registry = Registry(file, tmp_path, 3004, early)
    assert registry.next_epoch("one") == 4001
    registry.record("one", Entry(4001, pid=7, born="1"))
    registry.save()
    again = Registry(file, tmp_path, 0, early)
    assert again.survivors() == {"one": Entry(4001, pid=7, born="1")}
    assert again.next_epoch("one") == 5001
    file.write_text("no JSON")
    assert Registry(file, tmp_path, 4001, early).next_epoch("one") == 5001


def test_a_life_of_a_removed_folder_had_lower_epochs(tmp_path: Path) -> None:
    begun, file = float(BEGUN), tmp_path / "processes.json"
    first = Registry(file, tmp_path, 0, lambda: begun + 100.0).next_epoch("one")
    file.unlink()
    assert Registry(file, tmp_path, 0, lambda: begun + 101.0).next_epoch("one") > first


def test_what_was_not_saved_is_not_given_out_again(tmp_path: Path) -> None:
    file = tmp_path / "processes.json"
    unsaved = Registry(file, tmp_path).next_epoch("one")
    assert Registry(file, tmp_path).next_epoch("one") > unsaved


def test_a_copy_of_a_folder_has_no_processes(tmp_path: Path) -> None:
    file = tmp_path / "processes.json"
    registry = Registry(file, tmp_path / "var")
    epoch = registry.next_epoch("one")
    registry.record("one", Entry(epoch, pid=7, born="1"))
    registry.save()
    copy = Registry(file, tmp_path / "var2")
    assert copy.survivors() == {}
    assert copy.next_epoch("one") > epoch


def test_a_removed_folder_gets_no_file_when_another_one_has_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    old = Registry(folder / "processes.json", tmp_path)
    old.next_epoch("one")
    shutil.rmtree(folder)
    folder.mkdir()
    new = Registry(folder / "processes.json", tmp_path)
    new.next_epoch("two")
    new.save()
    of_the_new = (folder / "processes.json").read_bytes()
    old.save()
    assert (folder / "processes.json").read_bytes() == of_the_new
    assert [file.name for file in folder.iterdir()] == ["processes.json"]
    old.close()
    new.close()


def test_a_journal_whose_schema_is_no_text_stops_no_start(tmp_path: Path) -> None:
    """SQLite quotes it in its complaint, and that complaint cannot be decoded."""
    paths = VarPaths(tmp_path)
    paths.state.mkdir(parents=True)
    file = paths.state / "one.db"
    db = sqlite3.connect(file)
    db.execute("CREATE TABLE meta (epoch INTEGER NOT NULL)")
    db.commit()
    db.close()
    damaged = file.read_bytes().replace(b"meta (epoch", b"meta \xd7\x83\xff\xfe\xfdh")
    file.write_bytes(damaged)
    assert epochs.highest_epoch(paths) == 0
