"""The text of symbols.yaml, changed in the places that differ and in no other."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_supervisor.commands.editing import text_edits, yaml_parts
from mt5crs_supervisor.commands.editing.text_edits import Edit
from mt5crs_supervisor.commands.editing.yaml_parts import Part
from mt5crs_supervisor.commands.failures import CommandError

KEYS: Final = (
    "base_currency",
    "quote_currency",
    "contract_size",
    "digits",
    "lot_min",
    "lot_step",
    "lot_max",
    "margin_rate",
    "spread_points",
)
HEADER: Final = """\
# What the broker says of each symbol, as `mt5crs-supervisor symbols pull` has found it.
# Volumes are in lots, spread_points is a typical spread in points (the last digit of the price).

symbols:
"""


class SpecChange(msgspec.Struct, frozen=True):
    """A field of a symbol that is to be written.

    Attributes:
        symbol: Exact symbol.
        key: The field.
        value: What it is to be.
        before: What it is; None: the symbol is new.
    """

    symbol: str
    key: str
    value: str | int | float
    before: str | int | float | None = None

    @property
    def text(self) -> str:
        """As it is written."""
        return _written(self.value)

    @property
    def shown_before(self) -> str:
        """What stands there now."""
        return "" if self.before is None else _written(self.before)


def symbol_changes(
    known: Mapping[str, SymbolSpec], specs: Sequence[SymbolSpec]
) -> list[SpecChange]:
    """What of a broker's symbols differs from those of the file.

    A spread is one of the moment: it is the typical one only until somebody has written a better
    one. A margin rate that is the usual one is left out.
    """
    found = []
    for spec in specs:
        before = known.get(spec.name)
        for key in KEYS:
            value = getattr(spec, key)
            if before is None:
                if key != "margin_rate" or value != 1.0:
                    found.append(SpecChange(spec.name, key, value))
            elif key != "spread_points" and getattr(before, key) != value:
                found.append(SpecChange(spec.name, key, value, getattr(before, key)))
    return found


def new_symbols_text(changes: Sequence[SpecChange]) -> str:
    """A file that begins now."""
    return HEADER + "\n".join(_entries(changes, "  "))


def changed_symbols(
    text: str, known: Mapping[str, SymbolSpec], changes: Sequence[SpecChange]
) -> str:
    """The text of a file with its changes.

    Raises:
        CommandError: It is written so that a symbol cannot be put in.
    """
    items = yaml_parts.read_parts(text).entries()["symbols"][1]
    places = {item.entries()["name"][1].text: item for item in items.inside}
    edits = [
        _edit(text, places[change.symbol], change) for change in changes if change.symbol in known
    ]
    fresh = [change for change in changes if change.symbol not in known]
    if fresh:
        if items.is_flow:
            raise CommandError("nothing was changed: write the list of symbols in lines, not in []")
        last = items.inside[-1]
        indent = " " * (_column(text, items.inside[0].start) - 2)
        edits.append(Edit(last.end, last.end, _rest_of_line(text, last.end, indent, fresh)))
    return text_edits.applied(text, text_edits.without_overlap(edits))


def _edit(text: str, item: Part, change: SpecChange) -> Edit:
    fields = item.entries()
    if change.key in fields:
        value = fields[change.key][1]
        return Edit(value.start, value.end, change.text)
    line = f"{change.key}: {change.text}"
    if item.is_flow:
        end = item.inside[-1].end
        return Edit(end, end, f", {line}")
    # In front of a key of its own, so that what stands behind the last value stays there.
    key = item.inside[2] if len(item.inside) > 2 else item.inside[0]
    indent = " " * _column(text, key.start)
    return Edit(key.start, key.start, f"{line}\n{indent}")


def _rest_of_line(text: str, end: int, indent: str, fresh: Sequence[SpecChange]) -> str:
    """New entries behind the last one; a comment that follows it on its line stays there."""
    comment = text[end:].partition("\n")[0]
    if comment.strip():
        raise CommandError(
            "nothing was changed: put the comment behind the last symbol on a line of its own"
        )
    return "\n\n" + "\n".join(_entries(fresh, indent)).rstrip("\n")


def _entries(changes: Sequence[SpecChange], indent: str) -> list[str]:
    """An entry for each new symbol, each of them ends with a line end."""
    names = dict.fromkeys(change.symbol for change in changes)
    entries = []
    for name in names:
        lines = [f"{indent}- name: {name}"]
        lines += [
            f"{indent}  {change.key}: {change.text}" for change in changes if change.symbol == name
        ]
        entries.append("\n".join(lines) + "\n")
    return entries


def _column(text: str, offset: int) -> int:
    return offset - (text.rfind("\n", 0, offset) + 1)


def _written(value: str | int | float) -> str:
    """A value in YAML; a whole number without a fraction."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
