"""The tape on disk: what was written comes back under its own name, or not at all."""

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
