"""Writes the tables of docs/risk.md from the rules and their docstrings.

Run it after changing one of them; a test holds the page equal to the code.
"""

import inspect
import typing
from pathlib import Path
from typing import Any

import msgspec

from mt5crs_services.gateway.risk import Rule
from mt5crs_services.gateway.risk.loading import BY_NAME
from scripts.config_table import ATTRIBUTE, default_of, kind, markdown

PAGE = Path(__file__).resolve().parents[1] / "docs" / "risk.md"
BEGIN, END = "<!-- rules -->\n", "<!-- end of rules -->\n"


def sections() -> str:
    """A section for each rule."""
    return "\n".join(described(name, rule) for name, rule in BY_NAME.items())


def described(name: str, rule: type[Rule[Any]]) -> str:
    """One rule: what it does, and a line for each of its parameters."""
    text = inspect.cleandoc(rule.__doc__ or "")
    about, _, _ = text.partition("Attributes:")
    said = {name: " ".join(words.split()) for name, words in ATTRIBUTE.findall(text)}
    hints = typing.get_type_hints(rule, include_extras=True)
    lines = [f"### {name}", "", markdown(about.strip()), ""]
    lines += ["| parameter | value | default | meaning |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(rule):
        value, default = kind(hints[field.name]), default_of(field)
        if isinstance(field.default, tuple):
            default = ", ".join(f"`{entry}`" for entry in field.default) or "none"
        lines.append(f"| `{field.name}` | {value} | {default} | {markdown(said[field.name])} |")
    return "\n".join(lines) + "\n"


def renew(page: str) -> str:
    """A page with its sections made anew."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{sections()}{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(renew(PAGE.read_text()))
