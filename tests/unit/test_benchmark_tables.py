from pathlib import Path

import pytest

from benchmarks import tables

HEAD = ["contestant", "jobs", "ms"]


def rows_of(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line.startswith("| ")][2:]


def test_a_table_has_a_row_of_the_run_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "benchmarks.md"
    monkeypatch.setattr(tables, "FILE", file)
    tables.write("another", "stays")
    day = tables.machine().partition(",")[0]
    tables.report("speed", "3 kills.", HEAD, [["ours", "1", "30"], ["ours", "2", "31"]], keys=2)
    assert rows_of(file) == ["| ours | 1 | 30 |", "| ours | 2 | 31 |"]
    tables.report("speed", "3 kills.", HEAD, [["ours", "1", "20"], ["rival", "1", "99"]], keys=2)
    assert rows_of(file) == [
        "| ours | 1 | 20 |",
        f"| before, {day} | 1 | 30 |",
        "| rival | 1 | 99 |",
    ]
    tables.report("speed", "3 kills.", HEAD, [["ours", "1", "10"]], keys=2)
    assert rows_of(file) == ["| ours | 1 | 10 |", f"| before, {day} | 1 | 20 |"]
    tables.report("speed", "3 kills.", ["contestant", "jobs", "us"], [["ours", "1", "9"]], keys=2)
    assert rows_of(file) == ["| ours | 1 | 9 |"]
    assert file.read_text().count("stays") == file.read_text().count("## speed") == 1


def test_the_run_before_says_its_python_where_it_was_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "benchmarks.md"
    monkeypatch.setattr(tables, "FILE", file)
    day, _, rest = tables.machine().partition(",")
    python = rest.rpartition(", ")[2]
    tables.report("speed", "3 kills.", HEAD, [["ours", "1", "30"]])
    monkeypatch.setattr(tables.platform, "python_version", lambda: "3.99.1")
    tables.report("speed", "3 kills.", HEAD, [["ours", "1", "20"]])
    assert rows_of(file) == ["| ours | 1 | 20 |", f"| before, {day}, {python} | 1 | 30 |"]
