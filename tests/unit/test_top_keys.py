"""What a terminal sends, as keys."""

import pytest

from mt5crs_supervisor.display.top.keys import KeyReader


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"jkq", ["j", "k", "q"]),
        (b"\x1b[A\x1b[B\x1bOA\x1bOB", ["up", "down", "up", "down"]),
        (b"\x1b[5~\x1b[6~", ["page up", "page down"]),
        (b"\x1b[H\x1b[F\x1bOH\x1bOF", ["home", "end", "home", "end"]),
        (b"\x1b[1~\x1b[4~\x1b[7~\x1b[8~", ["home", "end", "home", "end"]),
        (b"\r\n\x7f\x08", ["enter", "enter", "backspace", "backspace"]),
        (b"\x1b[1;5A\x1b[200~y", ["unknown", "unknown", "y"]),
        ("é東".encode(), ["é", "東"]),
        (b"\xff\x00", ["\N{REPLACEMENT CHARACTER}", "unknown"]),
        (b"\x1b\x1b[A", ["escape", "up"]),
        (b"\x1bq", ["escape", "q"]),
    ],
)
def test_bytes_are_keys(data: bytes, found: list[str]) -> None:
    whole = KeyReader()
    assert whole.keys(data) == found
    assert not whole.waiting
    piecewise = KeyReader()
    assert [key for n in range(len(data)) for key in piecewise.keys(data[n : n + 1])] == found


def test_an_escape_that_nothing_follows_is_the_key() -> None:
    reader = KeyReader()
    assert reader.keys(b"\x1b") == []
    assert reader.waiting
    assert reader.rest() == ["escape"]
    assert not reader.waiting and reader.rest() == []
    assert reader.keys(b"\x1b[1") == []
    assert reader.rest() == ["unknown"]
