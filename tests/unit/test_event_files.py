"""Events outlive their writer, are numbered without a gap, and are read from a cursor."""

import os
import subprocess
import sys
import typing
from pathlib import Path

import msgspec
import pytest

from mt5crs_shared import events
from mt5crs_shared.events import AnyEvent, Died, Event, Running, Started, StateChanged
from mt5crs_shared.storage import event_files
from mt5crs_shared.storage.event_files import EventReader, EventWriter, read_events


def numbers(folder: Path, after: int = 0) -> list[int]:
    return [event.number for event in read_events(folder, after)]


def test_every_kind_is_one_of_those_that_are_kept() -> None:
    defined = {
        found
        for found in vars(events).values()
        if isinstance(found, type)
        and issubclass(found, Event)
        and found not in (Event, events.Told)
    }
    assert defined == set(typing.get_args(AnyEvent))
    assert len({found.__struct_config__.tag for found in defined}) == len(defined)


def test_they_are_read_back_from_a_cursor(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path)
    written = [Started("supervisor", 2), Died("one", "exit code 1"), Running("one", 7, 1001)]
    for event in written:
        writer.write(event)
    assert [found.event for found in read_events(tmp_path)] == written
    assert numbers(tmp_path, after=2) == [3]
    assert numbers(tmp_path, after=3) == []


def test_the_next_writer_goes_on_after_a_torn_line(tmp_path: Path) -> None:
    EventWriter(tmp_path).write(Died("one", "first"))
    (file,) = tmp_path.iterdir()
    with file.open("ab") as torn:
        torn.write(b'{"number":2,"time":"2026')
    EventWriter(tmp_path).write(Died("one", "after the tear"))
    assert [(e.number, e.event.detail) for e in read_events(tmp_path)] == [
        (1, "first"),
        (2, "after the tear"),
    ]


def test_what_was_written_outlives_a_kill(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys\n"
        "from mt5crs_shared.events import Died\n"
        "from mt5crs_shared.storage.event_files import EventWriter\n"
        "writer = EventWriter(pathlib.Path(sys.argv[1]))\n"
        "for n in range(5): writer.write(Died('one', str(n)))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -9
    assert numbers(tmp_path) == [1, 2, 3, 4, 5]


def test_files_are_begun_anew_and_the_oldest_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_files, "SEGMENT", 500)
    writer = EventWriter(tmp_path)
    for number in range(200):
        writer.write(StateChanged("one", "RUNNING", str(number)))
    files = sorted(tmp_path.iterdir())
    assert len(files) == event_files.KEPT_SEGMENTS
    kept = numbers(tmp_path)
    assert kept == list(range(int(files[0].stem), 201))
    assert numbers(tmp_path, after=kept[20]) == kept[21:]
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    EventWriter(tmp_path).write(Died("one", "x"))
    assert numbers(tmp_path)[-1] == 201


def test_a_disk_that_refuses_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "events").write_text("no folder")
    writer = EventWriter(tmp_path / "events")
    assert [writer.write(Died("one", "x")).number for _ in range(3)] == [1, 2, 3]
    assert len([r for r in caplog.records if "cannot be kept" in r.message]) == 1


def test_what_is_no_event_is_passed_over(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path)
    writer.write(Died("one", "x"))
    (file,) = tmp_path.iterdir()
    with file.open("ab") as other:
        other.write(b"[" * 5_000 + b"\n" + b'{"number": 1}\n' + os.urandom(3_000) + b"\n")
        other.write(b'{"number":\xbd}\n{"number":1,"time":"\xbd"}\n')
    os.mkfifo(tmp_path / "000000000009.jsonl")
    writer.write(Died("one", "y"))
    assert numbers(tmp_path) == [1, 2]


def test_details_are_sentences() -> None:
    for kind in typing.get_args(AnyEvent):
        fields = {
            field.name: {"int": 1, "float": 1.5, "str": "x"}.get(
                getattr(field.type, "__name__", ""), ("a", "b")
            )
            for field in msgspec.structs.fields(kind)
        }
        event = kind(**fields)
        assert event.detail
        assert event.level in (20, 30, 40)


def test_where_nothing_has_happened_yet_there_is_nothing_to_read(tmp_path: Path) -> None:
    assert list(read_events(tmp_path)) == list(read_events(tmp_path / "missing")) == []


def test_a_number_is_given_once_also_beside_kinds_of_a_later_version(tmp_path: Path) -> None:
    EventWriter(tmp_path).write(Died("one", "x"))
    (file,) = tmp_path.iterdir()
    with file.open("ab") as later:
        later.write(b'{"number":2,"time":"t","event":{"kind":"of tomorrow","name":"one"}}\n')
    assert EventWriter(tmp_path).write(Died("one", "y")).number == 3
    assert numbers(tmp_path) == [1, 3]


@pytest.mark.parametrize("damage", [b"", b'{"number":', b"x" * 1_000_000])
def test_the_number_goes_on_whatever_the_end_looks_like(tmp_path: Path, damage: bytes) -> None:
    writer = EventWriter(tmp_path)
    for _ in range(3_000):
        writer.write(Died("one", "exit code 1, and some more words about it"))
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size > 2 * event_files.LONGEST
    with file.open("ab") as torn:
        torn.write(damage)
    assert EventWriter(tmp_path).write(Died("one", "the next")).number == 3_001


def details(reader: EventReader) -> list[str]:
    return [found.event.detail for found in reader.read()]


def test_a_reader_goes_on_where_it_was(tmp_path: Path) -> None:
    reader = EventReader(tmp_path)
    assert reader.read() == []
    writer = EventWriter(tmp_path)
    writer.write(Died("one", "first"))
    assert details(reader) == ["first"]
    assert details(reader) == []
    writer.write(Died("one", "second"))
    writer.write(Died("one", "third"))
    assert details(reader) == ["second", "third"]
    assert details(EventReader(tmp_path, after=reader.number - 1)) == ["third"]


def test_a_reader_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path)
    writer.write(Died("one", "first"))
    reader = EventReader(tmp_path)
    assert details(reader) == ["first"]
    writer.write(Died("one", "second"))
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    assert details(reader) == []
    file.write_bytes(whole)
    assert details(reader) == ["second"]


def test_a_reader_goes_on_into_the_next_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_files, "SEGMENT", 200)
    writer, reader, seen = EventWriter(tmp_path), EventReader(tmp_path), list[str]()
    for number in range(30):
        writer.write(Died("one", str(number)))
        if number % 7 == 3:
            seen += details(reader)
    assert seen + details(reader) == [str(number) for number in range(30)]
    late = EventReader(tmp_path, after=25)
    assert details(late) == ["25", "26", "27", "28", "29"]


def test_a_reader_begins_anew_in_a_folder_that_was_made_anew(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path)
    for number in range(5):
        writer.write(Died("one", str(number)))
    writer.close()
    reader = EventReader(tmp_path)
    reader.read()
    for file in tmp_path.iterdir():
        file.unlink()
    EventWriter(tmp_path).write(Died("one", "of another life"))
    assert details(reader) == ["of another life"]
    assert details(EventReader(tmp_path, after=5)) == ["of another life"]
