"""What a failing process says last is kept, whatever has become of its file."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mt5crs_shared.messages import Failed
from mt5crs_shared.process.black_box import last_words

WORDS = Failed("one", 7, 3, "model x is damaged", True, trace="Traceback ...")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "one.words"


def test_they_are_those_of_one_spawn(path: Path) -> None:
    last_words.prepare(path)
    assert last_words.read_last_words(path, 3) is None
    last_words.write_last_words(path, WORDS)
    assert last_words.read_last_words(path, 3) == WORDS
    assert last_words.read_last_words(path, 4) is None
    last_words.prepare(path)
    assert last_words.read_last_words(path, 3) is None


def test_the_first_account_stands(path: Path) -> None:
    last_words.prepare(path)
    last_words.write_last_words(path, WORDS)
    last_words.write_last_words(path, Failed("one", 7, 3, "something later"))
    assert last_words.read_last_words(path, 3) == WORDS


def test_they_fit_however_long_they_are(path: Path) -> None:
    last_words.prepare(path)
    last_words.write_last_words(
        path, Failed("one", 7, 3, "a\ud800" * 100_000, trace="\u6a21" * 9_000 + "end")
    )
    found = last_words.read_last_words(path, 3)
    assert found is not None
    assert len(found.reason) == last_words.REASON
    assert found.trace.endswith("end")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_a_file_may_hold_anything(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert last_words.read_last_words(path, 3) is None


def test_a_file_may_be_anything(path: Path, tmp_path: Path) -> None:
    assert last_words.read_last_words(path, 3) is None
    os.mkfifo(path)
    last_words.write_last_words(path, WORDS)
    assert last_words.read_last_words(path, 3) is None
    last_words.prepare(path)
    last_words.write_last_words(path, WORDS)
    assert last_words.read_last_words(path, 3) == WORDS, "a process begins with a file of its own"
    path.unlink()
    path.mkdir()
    assert last_words.read_last_words(path, 3) is None
    last_words.write_last_words(path, WORDS)
    (tmp_path / "link").symlink_to("/dev/zero")
    assert last_words.read_last_words(tmp_path / "link", 3) is None
