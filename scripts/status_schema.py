"""Writes docs/status-schema.md from the docstrings of the structs that `status --json` is made of.

Run it after changing one of them; a test holds the page equal to the code.
"""

import enum
import inspect
import re
import types
import typing
from pathlib import Path

import msgspec

from mt5crs_shared.control.status_report import (
    SCHEMA_VERSION,
    ChildStatus,
    EventLine,
    StatusReport,
    StrategyStatus,
    Totals,
)
from mt5crs_shared.metrics import (
    AccountReport,
    Durations,
    StrategyMetrics,
    StrategyMoney,
    Timings,
)
from mt5crs_shared.trading.locks import TradingLock
from mt5crs_shared.trading.orders import Position

PAGE = Path(__file__).resolve().parents[1] / "docs" / "status-schema.md"
STRUCTS: tuple[type[msgspec.Struct], ...] = (
    StatusReport,
    StrategyStatus,
    ChildStatus,
    StrategyMetrics,
    Timings,
    Durations,
    AccountReport,
    StrategyMoney,
    TradingLock,
    Position,
    Totals,
    EventLine,
)
JSON_NAMES = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}
ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+(?:\n {8,}.+)*)", re.MULTILINE)


def page() -> str:
    """The whole page."""
    head = (
        "# What `status --json` prints\n\n"
        f"Schema {SCHEMA_VERSION}: the number rises when a field changes its meaning or goes; new\n"
        "fields may come without that. Times are in seconds and sizes in bytes where nothing else\n"
        "is said. Made from the code by `scripts/status_schema.py`.\n"
    )
    return "\n".join([head, *(section(struct) for struct in STRUCTS)])


def section(struct: type[msgspec.Struct]) -> str:
    """One struct: what it is, and a table of its fields."""
    text = inspect.cleandoc(struct.__doc__ or "")
    fields = {name: " ".join(said.split()) for name, said in ATTRIBUTE.findall(text)}
    hints = typing.get_type_hints(struct)
    lines = [f"## {struct.__name__}", "", sentence(text.split("\n\n")[0]), ""]
    lines += ["| field | type | meaning |", "|---|---|---|"]
    for name in struct.__struct_fields__:
        meaning = sentence(fields[name]) if name in fields else ""
        lines.append(f"| {name} | {json_type(hints[name])} | {meaning} |")
    return "\n".join(lines) + "\n"


def sentence(text: str) -> str:
    """Docstring markup as Markdown, on one line; a reference to a constant becomes its value."""
    plain = " ".join(text.split()).replace("``", "`")
    plain = plain.replace(":data:`SCHEMA_VERSION`", f"the schema's number, {SCHEMA_VERSION}")
    return re.sub(r":\w+:`(\w+)`", r"`\1`", plain)


def json_type(hint: object) -> str:
    """How a Python type looks in JSON."""
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return " or ".join(f'"{value}"' for value in arguments)
    if origin is tuple:
        return f"list of {json_type(arguments[0])}"
    if isinstance(hint, types.UnionType):
        return " or ".join(json_type(argument) for argument in arguments)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum):
        return " or ".join(f'"{value}"' for value in hint)
    return JSON_NAMES[typing.cast(type, hint)]


if __name__ == "__main__":
    PAGE.write_text(page())
