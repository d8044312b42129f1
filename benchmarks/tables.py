"""Tables in docs/benchmarks.md: each benchmark owns a section and replaces it whole."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

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


def write(title: str, text: str) -> None:
    """Replace the section called `title`, or add it at the end."""
    begin, end = f"## {title}\n", "\n<!-- end -->\n"
    document = FILE.read_text() if FILE.exists() else "# Benchmarks\n\n"
    section = f"{begin}\n{text}\n{end}"
    if begin in document:
        before, _, rest = document.partition(begin)
        document = before + section + rest.partition(end)[2]
    else:
        document += f"{section}\n"
    FILE.write_text(document)
