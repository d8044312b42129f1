"""Notes that do not fit: what helps is the last to be left out."""

import pytest

from mt5crs_shared.control.notes import Note
from mt5crs_supervisor.display.notes import note_lines

LONG = "yen: QUARANTINED after ValueError: a very long story of what went wrong in it, " * 2
REMEDY = "mend it, then `restart yen`"


@pytest.mark.parametrize(("width", "most"), [(80, 1), (40, 1), (40, 2), (200, 1), (80, 3)])
def test_the_command_stays(width: int, most: int) -> None:
    lines = note_lines([Note(f"{LONG}; {REMEDY}")], width, most)
    assert len(lines) <= most and max(map(len, lines)) <= width
    assert lines[0].startswith("yen: ") and lines[-1].endswith("`restart yen`")


def test_when_a_command_helps_stays_with_it_where_there_is_room() -> None:
    when = "see `logs yen`, mend it, then `reload` where it is the YAML's, else `restart yen`"
    told = " ".join(note_lines([Note(f"{LONG}; {when}")], 80, 3))
    assert f"… {when}" in " ".join(told.split())
    (line,) = note_lines([Note(f"{LONG}; {when}")], 80, 1)
    assert line.endswith("… `restart yen`")
    (line,) = note_lines([Note(f"yen: {'x' * 60} and more; {when}")], 80, 1)
    assert line == "yen: … `restart yen`"


def test_what_fits_is_left_as_it_is() -> None:
    assert note_lines([Note("short; `stop`")], 80, 1) == ["short; `stop`"]


def test_without_a_command_the_end_is_left_out() -> None:
    (line,) = note_lines([Note(LONG)], 60, 1)
    assert line.endswith(" …") and len(line) <= 60
    (line,) = note_lines([Note(f"a lone ` in {LONG}")], 60, 1)
    assert line.endswith(" …")


def test_where_not_even_the_command_fits_the_beginning_is_shown() -> None:
    (line,) = note_lines([Note(f"yen: {'`' + 'x' * 50 + '`'}")], 20, 1)
    assert line == "yen: …"
