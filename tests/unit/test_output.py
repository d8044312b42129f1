"""What a strategy prints, or writes past `print`: in its log, bounded, and soon done with."""

import logging
import os
import time
from pathlib import Path

import pytest

from mt5crs_shared.process import entry
from mt5crs_shared.process.entry import LINE


def printed(caplog: pytest.LogCaptureFixture, *texts: str) -> list[str]:
    writer = entry._LogWriter(logging.INFO)
    with caplog.at_level(logging.INFO, "printed"):
        for text in texts:
            writer.write(text)
    return [record.getMessage() for record in caplog.records]


def test_what_is_printed_comes_line_by_line(caplog: pytest.LogCaptureFixture) -> None:
    assert printed(caplog, "a", "b\nc", "\n\n", "d\ne\n", "f") == ["ab", "c", "d", "e"]


def test_a_line_without_an_end_comes_in_parts(caplog: pytest.LogCaptureFixture) -> None:
    lines = printed(caplog, *["x" * 7] * 10_000)
    assert [len(line) for line in lines] == [10_003] * 6


def test_a_long_line_is_cut_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = printed(caplog, "x" * 5_000_000 + "\n")
    assert line == "x" * LINE + " ... (4,990,000 characters more)"


def test_a_line_without_an_end_costs_no_more_for_being_long() -> None:
    def seconds(count: int) -> float:
        writer = entry._LogWriter(logging.DEBUG)
        begun = time.process_time()
        for _ in range(count):
            writer.write(".")
        return time.process_time() - begun

    few = min(seconds(50_000) for _ in range(3))
    # Ten times as much; quadratic time was a hundred times as long.
    assert seconds(500_000) < 30 * few


def test_output_past_print_is_appended_so_that_it_can_be_emptied(tmp_path: Path) -> None:
    path = tmp_path / "one.stderr"
    pid = os.fork()
    if pid == 0:
        entry._own_output(path)
        os.write(1, b"a" * 5_000)
        os.truncate(path, 0)
        os.write(2, b"b" * 10)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert path.read_bytes() == b"b" * 10
