"""The tape on disk: what was written comes back under its own name, or not at all."""

import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mt5crs_services.tape import tape_file
from mt5crs_services.tape.tape_file import TapeFileError, TapeFiles, TapeRecord
from mt5crs_shared.market.ticks import Tick

EURO = Tick("EURUSD", 1_000_000, 1.1, 1.2)
CABLE = Tick("GBPUSD", 2_000_000, 1.3, 1.4)


def write(folder: Path) -> None:
    tape = TapeFiles(folder, ["EURUSD", "GBPUSD"], 1_000)
    for tick in (EURO, CABLE):
        tape.append(TapeRecord(tick, False, False))
    tape.close()


def load(folder: Path, *symbols: str) -> list[Tick]:
    return [each.tick for each in TapeFiles(folder, symbols, 1_000).load()]


def test_ticks_come_back_and_new_symbols_do_not_rename_old_ones(tmp_path: Path) -> None:
    write(tmp_path)
    assert load(tmp_path, "AUDUSD", "EURUSD", "GBPUSD") == [EURO, CABLE]
    assert (tmp_path / "symbols.txt").read_text().split() == ["EURUSD", "GBPUSD", "AUDUSD"]


def test_from_when_on_nothing_is_missing(tmp_path: Path) -> None:
    assert tape_file.unbroken_since(tmp_path) == {}
    write(tmp_path)
    assert tape_file.unbroken_since(tmp_path) == {"EURUSD": 1_000_000, "GBPUSD": 2_000_000}
    tape = TapeFiles(tmp_path, ["EURUSD", "GBPUSD"], 1_000)
    later = Tick("EURUSD", 5_000_000, 1.1, 1.2)
    tape.append(TapeRecord(later, False, broken=True))
    tape.append(TapeRecord(Tick("EURUSD", 6_000_000, 1.1, 1.2), False, False))
    tape.close()
    current = tmp_path / "current.tape"
    current.write_bytes(current.read_bytes() + b"torn")
    assert tape_file.unbroken_since(tmp_path)["EURUSD"] == 5_000_000
    current.write_bytes(b"something else")
    assert tape_file.unbroken_since(tmp_path) == {}


@pytest.mark.parametrize("left", [None, "", "EURUSD\n"])
def test_a_tape_whose_symbols_nobody_can_name_is_set_aside(
    tmp_path: Path, left: str | None
) -> None:
    write(tmp_path)
    names = tmp_path / "symbols.txt"
    names.unlink()
    if left is not None:
        names.write_text(left)
    assert load(tmp_path, "AUDUSD", "EURUSD", "GBPUSD") == []
    assert len(list(tmp_path.glob("current.damaged-*"))) == 1


def test_a_record_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    write(tmp_path)
    with (tmp_path / "current.tape").open("ab") as file:
        file.write(b"\x00" * 17)
    assert load(tmp_path, "EURUSD", "GBPUSD") == [EURO, CABLE]


def test_a_file_that_is_no_tape_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "current.tape").write_bytes(b"something else")
    assert load(tmp_path, "EURUSD") == []
    assert len(list(tmp_path.glob("current.damaged-*"))) == 1


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def an_endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_gigabyte(path: Path) -> None:
    path.write_bytes(b"")
    os.truncate(path, 1 << 30)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", [Path.mkdir, a_fifo, an_endless_device, a_gigabyte])
@pytest.mark.parametrize("name", ["current.tape", "previous.tape", "symbols.txt"])
def test_what_stands_where_a_file_belongs_is_set_aside_unread(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    write(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    make(tmp_path / name)
    kept = [EURO, CABLE] if name == "previous.tape" else []
    assert load(tmp_path, "AUDUSD", "EURUSD", "GBPUSD") == kept
    write(tmp_path)
    assert load(tmp_path, "EURUSD", "GBPUSD") == [*kept, EURO, CABLE]


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes: as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def many(first: int, count: int) -> list[TapeRecord]:
    return [
        TapeRecord(Tick("EURUSD", (first + n) * 1000, 1.1 + n / 1e5, 1.2), False, False)
        for n in range(count)
    ]


@pytest.mark.parametrize("room", [0, 1, 35, 36, 50, 36 * 7 + 11])
def test_a_full_disk_tears_no_record_and_loses_none(tmp_path: Path, room: int) -> None:
    files = TapeFiles(tmp_path, ["EURUSD"], 1000)
    early, middle, late = many(0, 5), many(5, 20), many(25, 5)
    for recorded in early:
        files.append(recorded)
    files.flush()
    size = (tmp_path / "current.tape").stat().st_size
    with file_size_limit(size + room):
        for recorded in middle:
            files.append(recorded)
            with contextlib.suppress(TapeFileError):
                files.flush()
        with pytest.raises(TapeFileError, match=r"current.tape: (File too large|No space left)"):
            files.flush()
        # Whoever dies now leaves whole records, and reads them back.
        assert list(TapeFiles(tmp_path, ["EURUSD"], 1000).load()) == early + middle[: room // 36]
    for recorded in late:
        files.append(recorded)
    files.close()
    assert list(TapeFiles(tmp_path, ["EURUSD"], 1000).load()) == early + middle + late


def test_what_was_dropped_at_last_leaves_a_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape_file, "WAITING", 10)
    files = TapeFiles(tmp_path, ["EURUSD"], 1000)
    with file_size_limit((tmp_path / "current.tape").stat().st_size):
        for recorded in many(0, 12):
            files.append(recorded)
            with contextlib.suppress(TapeFileError):
                files.flush()
    files.close()
    read = list(TapeFiles(tmp_path, ["EURUSD"], 1000).load())
    assert [r.tick for r in read] == [r.tick for r in many(0, 12)[10:]]
    assert [r.broken for r in read] == [True, False]


def test_where_there_is_no_room_for_a_new_file_the_old_one_goes_on(tmp_path: Path) -> None:
    files = TapeFiles(tmp_path, ["EURUSD"], 3)
    ticks = many(0, 9)
    for recorded in ticks[:2]:
        files.append(recorded)
    files.flush()
    (tmp_path / "next.tape").mkdir()
    for recorded in ticks[2:6]:
        files.append(recorded)
        with contextlib.suppress(TapeFileError):
            files.flush()
    (tmp_path / "next.tape").rmdir()
    for recorded in ticks[6:]:
        files.append(recorded)
        files.flush()
    files.close()
    assert list(TapeFiles(tmp_path, ["EURUSD"], 1000).load()) == ticks
