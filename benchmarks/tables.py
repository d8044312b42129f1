"""Tables in docs/benchmarks.md: each benchmark owns a section and replaces it whole."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_END: Final = "\n<!-- end -->\n"
FILE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


def machine() -> str:
    """Date and machine, for the line above a table."""
    day = datetime.now(UTC).date().isoformat()
    python = platform.python_version()
    return (
        f"{day}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {python}"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


BEFORE: Final = "before, "
"""First cell of a row of the run before, with its day, and its Python where it was another one."""


def report(
    title: str, note: str, head: Sequence[str], rows: Sequence[Sequence[str]], keys: int = 1
) -> None:
    """Replace a section by a table with a row of the run before below each row.

    Args:
        title: Of the section.
        note: How it was measured; date and machine stand before it.
        head: Names of the columns.
        rows: What was measured.
        keys: So many columns, the first ones, say what a row is about.
    """
    _, old, _ = _parts(_document(), title)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in old.splitlines()]
    known = {tuple(cells[:keys]): cells for cells in lines if len(cells) == len(head)}
    if known.get(tuple(head[:keys])) != list(head):
        known = {}  # Other columns say something else.
    when = _when(old.strip())
    shown: list[Sequence[str]] = []
    for row in rows:
        shown.append(row)
        earlier = known.get(tuple(row[:keys]))
        if earlier is not None:
            shown.append([BEFORE + when, *earlier[1:]])
    write(title, f"{machine()}; {note}\n\n{table(head, shown)}")


def _when(section: str) -> str:
    """The day of a section's table, and its Python where that is another one than this."""
    day = section.partition(",")[0]
    python = re.search(r", Python ([\w.]+)", section)
    if python is None or python[1] == platform.python_version():
        return day
    return f"{day}{python[0]}"


def write(title: str, text: str) -> None:
    """Replace the section called `title`, or add it at the end."""
    before, _, after = _parts(_document(), title)
    FILE.write_text(f"{before}## {title}\n\n{text}\n{_END}{after}")


def _document() -> str:
    return FILE.read_text() if FILE.exists() else "# Benchmarks\n\n"


def _parts(document: str, title: str) -> tuple[str, str, str]:
    """What stands before a section, in it, and after it."""
    before, found, rest = document.partition(f"## {title}\n")
    if not found:
        return document, "", "\n"
    section, _, after = rest.partition(_END)
    return before, section, after
