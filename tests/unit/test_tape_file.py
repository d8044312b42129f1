"""The tape on disk: what was written comes back under its own name, or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mt5crs_services.tape_file import Recorded, TapeFiles
from mt5crs_shared.ticks import Tick

EURO = Tick("EURUSD", 1_000_000, 1.1, 1.2)
CABLE = Tick("GBPUSD", 2_000_000, 1.3, 1.4)


def write(folder: Path) -> None:
    tape = TapeFiles(folder, ["EURUSD", "GBPUSD"], 1_000)
    for tick in (EURO, CABLE):
        tape.append(Recorded(tick, False, False))
    tape.close()


def load(folder: Path, *symbols: str) -> list[Tick]:
    return [each.tick for each in TapeFiles(folder, symbols, 1_000).load()]


def test_ticks_come_back_and_new_symbols_do_not_rename_old_ones(tmp_path: Path) -> None:
    write(tmp_path)
    assert load(tmp_path, "AUDUSD", "EURUSD", "GBPUSD") == [EURO, CABLE]
    assert (tmp_path / "symbols.txt").read_text().split() == ["EURUSD", "GBPUSD", "AUDUSD"]


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
