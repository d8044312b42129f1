"""A file with one writer: nobody else writes it, nothing is half done, and it outlives upgrades."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from mt5crs_shared.configuration.structs import RetentionConfig
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.process import machine_trouble
from mt5crs_shared.storage import store
from mt5crs_shared.storage.store import Pruned, Schema, Store
from tests.system import ROOT, wait_for


class FailedError(Mt5crsError):
    """It cannot be read or written."""


class UnfitError(Mt5crsError):
    """Its version cannot be used."""


class GoneError(Mt5crsError):
    """It is not in its place."""


class WalGoneError(Mt5crsError):
    """What lies beside it is not."""


class TakenError(Mt5crsError):
    """Another one writes it."""


FIRST = """
CREATE TABLE owner (number INTEGER NOT NULL);
INSERT INTO owner VALUES (0);
CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, time REAL NOT NULL);
"""
SECOND = """
ALTER TABLE notes ADD COLUMN colour TEXT NOT NULL DEFAULT 'none; as yet';
CREATE TRIGGER blue AFTER INSERT ON notes WHEN new.text = 'sky' BEGIN
    UPDATE notes SET colour = 'blue' WHERE id = new.id;
    UPDATE notes SET text = 'the sky' WHERE id = new.id;
END; -- a comment; and a last statement that nothing ends
CREATE INDEX by_colour ON notes (colour)"""
HALF = "UPDATE notes SET text = 'spoilt'; CREATE TABLE more (a); INSERT INTO nowhere VALUES (1);"
ENDLESS = (
    "UPDATE notes SET text = 'spoilt'; CREATE TABLE big AS WITH RECURSIVE n (x) AS"
    " (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x, randomblob(1000) FROM n LIMIT 500000;"
)
SCHEMA = Schema(
    name="notebook",
    steps=(FIRST, SECOND),
    mark="SELECT max(number) FROM owner",
    unnumbered="SELECT 1 FROM owner WHERE number >= 0",
    failed=FailedError,
    unfit=UnfitError,
    essential=("owner", "missing"),
    pruned=(Pruned("notes", "time", kept="text = 'kept'"),),
)


class Notes(Store):
    """A file whose writer is the one with the highest number."""

    schema = SCHEMA
    gone = GoneError
    wal_gone = WalGoneError

    def __init__(self, path: Path, number: int) -> None:
        self.number = number
        super().__init__(path, "NORMAL", RetentionConfig(rows=1_000))

    def take(self) -> None:
        self.check_writer()
        self.db.execute("UPDATE owner SET number = ?", (self.number,))

    def check_writer(self) -> None:
        (newest,) = self.db.execute("SELECT number FROM owner").fetchone()
        if newest > self.number:
            raise TakenError(f"{newest} writes it")

    def note(self, text: str) -> None:
        with self.writing("FULL"):
            self.db.execute("INSERT INTO notes (text, time) VALUES (?, 0.0)", (text,))


def notes(path: Path, number: int = 1, steps: tuple[str, ...] = SCHEMA.steps) -> Notes:
    class Made(Notes):
        schema = replace(SCHEMA, steps=steps)

    return Made(path, number)


def texts(path: Path) -> list[str]:
    with sqlite3.connect(path) as db:
        found = [text for (text,) in db.execute("SELECT text FROM notes ORDER BY id")]
    db.close()
    return found


def version(path: Path) -> int:
    with sqlite3.connect(path) as db:
        (number,) = db.execute("PRAGMA user_version").fetchone()
    db.close()
    return int(number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.db"


@pytest.fixture
def older(path: Path) -> Path:
    """A file of the first step, with a note."""
    first = notes(path, 1, (FIRST,))
    first.note("old")
    first.close()
    return path


def test_a_fresh_file_has_every_step(path: Path) -> None:
    opened = notes(path)
    opened.note("sky")
    assert version(path) == 2
    assert opened.db.execute("SELECT text, colour FROM notes").fetchall() == [("the sky", "blue")]
    assert opened.db.execute("PRAGMA index_info(by_colour)").fetchall() == [(0, 3, "colour")]
    notes(path, 2).note("again")
    assert texts(path) == ["the sky", "again"]


def test_who_was_replaced_writes_nothing_any_more(path: Path) -> None:
    old = notes(path, 1)
    new = notes(path, 2)
    with pytest.raises(TakenError, match="2 writes it"):
        old.note("late")
    with pytest.raises(TakenError):
        notes(path, 1)
    new.note("in time")
    assert texts(path) == ["in time"]


def test_what_fails_is_undone_and_its_cause_told(path: Path) -> None:
    opened = notes(path)
    with pytest.raises(ZeroDivisionError), opened.writing("NORMAL"):
        opened.db.execute("INSERT INTO notes (text, time) VALUES ('half', 0.0)")
        raise ZeroDivisionError
    with pytest.raises(FailedError, match="db: NOT NULL constraint failed") as caught:
        opened.note(None)  # type: ignore[arg-type]  # a mistake on purpose
    assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)
    with pytest.raises(FailedError, match="is full"), opened.writing("NORMAL"):
        opened.db.execute("ROLLBACK")
        raise sqlite3.OperationalError("the disk is full")
    assert not opened.db.in_transaction
    opened.note("whole")
    assert texts(path) == ["whole"]


def test_a_commit_that_fails_is_undone(path: Path) -> None:
    opened = notes(path)
    opened.db.execute("PRAGMA foreign_keys = ON")
    opened.db.execute(
        "CREATE TABLE of (note INTEGER REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED)"
    )
    with pytest.raises(FailedError, match="FOREIGN KEY"), opened.writing("FULL"):
        opened.db.execute("INSERT INTO of VALUES (7)")
    assert not opened.db.in_transaction
    opened.note("whole")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_taken_away_is_noticed(path: Path, replaced: bool) -> None:
    opened = notes(path)
    opened.note("here")
    path.rename(path.with_name("elsewhere"))
    if replaced:
        path.touch()
    with pytest.raises(GoneError, match=r"notes\.db was removed or replaced while it was in use"):
        opened.note("lost")


def test_nothing_is_lost_with_what_sqlite_keeps_beside_the_file(path: Path) -> None:
    opened = notes(path)
    opened.note("here")
    path.with_name("notes.db-wal").unlink()
    with pytest.raises(WalGoneError, match=r"notes\.db-wal was removed .* the notebook has all"):
        opened.note("later")
    assert texts(path.rename(path.with_name("copy.db"))) == ["here"]


def test_an_older_file_is_brought_up_to_date_with_its_rows(older: Path) -> None:
    opened = notes(older, 2)
    assert opened.db.execute("SELECT text, colour FROM notes").fetchall() == [
        ("old", "none; as yet")
    ]
    assert version(older) == 2


def test_who_is_too_late_brings_nothing_up_to_date(older: Path) -> None:
    notes(older, 7, (FIRST,)).close()
    with pytest.raises(TakenError):
        notes(older, 6)
    assert version(older) == 1


def test_a_file_from_before_the_numbers_is_known_by_its_tables(older: Path) -> None:
    with sqlite3.connect(older) as db:
        db.execute("PRAGMA user_version = 0")
    notes(older).close()
    assert (texts(older), version(older)) == (["old"], 2)
    with sqlite3.connect(older) as db:
        db.execute("PRAGMA user_version = 0")
        db.execute("UPDATE owner SET number = -1")
    with pytest.raises(FailedError, match="older than any notebook that can be used"):
        notes(older)


def test_a_newer_file_is_refused_and_left_as_it_is(path: Path) -> None:
    notes(path).close()
    content = path.read_bytes()
    for use in (lambda: notes(path, 2, (FIRST,)), lambda: reading(path, (FIRST,))):
        with pytest.raises(UnfitError, match=r"its version is 2, and this program has 1\). Use"):
            use()
    assert path.read_bytes() == content


def reading(path: Path, steps: tuple[str, ...] = SCHEMA.steps, older: bool = False) -> list[str]:
    db = store.open_readonly(path, replace(SCHEMA, steps=steps), older)
    found = [text for (text,) in db.execute("SELECT text FROM notes")]
    db.close()
    return found


def test_a_reader_says_that_a_file_is_older_and_changes_nothing(older: Path) -> None:
    content = older.read_bytes()
    with pytest.raises(FailedError, match=r"older version \(1, and this program has 2\)"):
        reading(older)
    assert reading(older, older=True) == ["old"]
    assert older.read_bytes() == content
    notes(older).close()
    assert reading(older) == ["old"]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link_to_nowhere(path: Path) -> None:
    path.symlink_to(path.with_name("not mounted"))


def other_database(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE anything (a)")
        db.execute("PRAGMA user_version = 1")
    db.close()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (fifo, "is no regular file"),
        (link_to_nowhere, "is no regular file"),
        (other_database, "it is no notebook"),
        (lambda path: path.write_bytes(b"text" * 1_000), "not a database"),
    ],
    ids=["fifo", "link", "other", "text"],
)
def test_what_is_no_such_file_is_refused(
    path: Path, make: Callable[[Path], None], said: str
) -> None:
    make(path)
    for use in (notes, reading):
        with pytest.raises(FailedError, match=said):
            use(path)
    assert not path.with_name("not mounted").exists()


def test_an_empty_file_is_none_yet(path: Path) -> None:
    path.touch()
    with pytest.raises(FailedError, match="the notebook is empty as yet"):
        reading(path)
    notes(path).note("first")
    assert reading(path) == ["first"]


@pytest.mark.parametrize(
    ("body", "renamed"),
    [
        ({"colour": 1, "mine": {"colour": 2}}, {"color": 1, "mine": {"colour": 2}}),
        ({"ink": {"colour": 1, 7: [2]}, "n": None}, {"ink": {"color": 1, 7: [2]}, "n": None}),
        ({"ink": None}, {"ink": None}),
        ([1, 2], [1, 2]),
    ],
)
def test_a_step_renames_a_key_and_nothing_else(older: Path, body: object, renamed: object) -> None:
    opened = notes(older, 2)
    opened.db.execute("UPDATE notes SET text = ?", (msgspec.msgpack.encode(body),))
    opened.close()
    step = (
        "UPDATE notes SET text = renamed(renamed(text, 'colour', 'color'), 'ink.colour', 'color')"
    )
    opened = notes(older, 2, (*SCHEMA.steps, step))
    ((found,),) = opened.db.execute("SELECT text FROM notes").fetchall()
    assert msgspec.msgpack.decode(found) == renamed


@pytest.mark.parametrize("body", [b"", b"\xc1 damaged", b"\x91" * 5_000, b"\x81\xa1\xff\x01"])
def test_a_step_leaves_what_is_no_map(older: Path, body: bytes) -> None:
    opened = notes(older, 2)
    opened.db.execute("UPDATE notes SET text = ?", (body,))
    opened.close()
    opened = notes(older, 2, (*SCHEMA.steps, "UPDATE notes SET text = renamed(text, 'a', 'b')"))
    assert opened.db.execute("SELECT text FROM notes").fetchall() == [(body,)]


def test_a_step_that_fails_halfway_leaves_the_file_untouched(older: Path) -> None:
    content = older.read_bytes()
    with pytest.raises(UnfitError, match=r"version 1 to 3 \(no such table: nowhere\)"):
        notes(older, 2, (FIRST, SECOND, HALF))
    assert older.read_bytes() == content
    assert [file.name for file in older.parent.iterdir()] == ["notes.db"]
    notes(older, 2).close()
    assert (texts(older), version(older)) == (["old"], 2)


def test_a_step_that_finds_no_room_is_tried_again_later(older: Path) -> None:
    # The limit is this connection's own; SQLite says the same of a full disk.
    full = f"PRAGMA max_page_count = 1; {ENDLESS}"
    with pytest.raises(FailedError, match="full") as caught:
        notes(older, 2, (FIRST, full))
    assert machine_trouble.passes(caught.value)
    notes(older, 2).close()
    assert (texts(older), version(older)) == (["old"], 2)


def test_a_process_that_is_killed_in_the_middle_of_an_upgrade_leaves_the_older_file(
    older: Path,
) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.unit.test_store import *;"
        "notes(Path(sys.argv[1]), 2, (FIRST, SECOND, ENDLESS))"
    )
    wal = older.with_name("notes.db-wal")
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(older)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        wait_for(lambda: wal.exists() and wal.stat().st_size > 3_000_000, "the middle of a step")
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert reading(older, (FIRST,)) == ["old"]
    notes(older, 2).close()
    assert (texts(older), version(older)) == (["old"], 2)


def test_a_file_that_is_in_use_is_tried_again_later(path: Path) -> None:
    notes(path).close()
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(FailedError, match="locked") as caught:
            notes(path, 2)
    assert machine_trouble.passes(caught.value)
    db.close()


def test_the_oldest_rows_go_in_batches(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PRUNE_EVERY", 100)
    opened = notes(path)
    opened.note("kept")
    for _ in range(3_000):
        opened.db.execute("INSERT INTO notes (text, time) VALUES ('new', 9e9)")
    left = []
    for rows in (99, 1, 100, 100, 100, 100, 100):
        opened.wrote(rows)
        with opened.writing("NORMAL"):
            opened.prune_if_due()
        left.append(len(texts(path)))
    assert left == [3_001, 2_501, 2_001, 1_501, 1_001, 1_001, 1_001]
    assert texts(path)[0] == "kept"
