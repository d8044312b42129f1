"""Writes the table of modules in docs/architecture.md from the first line of each docstring.

Run it after adding a module or changing such a line; a test holds the page equal to the code.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- modules -->\n", "<!-- end of modules -->\n"
PACKAGES = ("supervisor", "worker", "services", "shared")


def table() -> str:
    """One section for each package: what it is, and a line for each of its modules."""
    return "\n".join(section(ROOT / folder / f"mt5crs_{folder}") for folder in PACKAGES)


def section(package: Path) -> str:
    """One package."""
    lines = [f"### {package.name}", "", first_line(package / "__init__.py"), ""]
    lines += ["| module | what it is |", "|---|---|"]
    for path in sorted(package.rglob("*.py"), key=lambda p: module(p, package).split(".")):
        if path != package / "__init__.py":
            lines.append(f"| `{module(path, package)}` | {first_line(path)} |")
    return "\n".join(lines) + "\n"


def module(path: Path, package: Path) -> str:
    """The name below its package: ``feed.files``; a package goes by its folder's."""
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def first_line(path: Path) -> str:
    """The first line of a module's docstring, as Markdown."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    line = text.partition("\n")[0].replace("``", "`").replace("|", "\\|")
    return line.replace(":class:`", "`")


def renew(page: str) -> str:
    """A page with its table made anew."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{table()}{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(renew(PAGE.read_text()))
