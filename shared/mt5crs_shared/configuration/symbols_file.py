"""``symbols.yaml``: what the broker says of each symbol."""

from pathlib import Path

import msgspec

from mt5crs_shared.configuration.parsing.yaml_nodes import Node, ProblemReport, read_yaml
from mt5crs_shared.configuration.parsing.yaml_structs import Parsed, parse_struct, unknown_key
from mt5crs_shared.errors import ConfigError, Mark
from mt5crs_shared.market.symbol_spec import SymbolSpec

FILE_NAME = "symbols.yaml"


class Symbols(msgspec.Struct, frozen=True):
    """What a symbols file holds.

    Attributes:
        names: Every symbol it names, also those whose entry is refused.
        specs: The good entries.
    """

    names: frozenset[str]
    specs: dict[str, SymbolSpec]


def possible_places(config_file: Path, cwd: Path) -> tuple[Path, ...]:
    """Where the symbols file may be, the best place first.

    Args:
        config_file: Absolute path of the strategies file.
        cwd: Absolute path of the working folder.
    """
    folder = config_file.parent
    folders = (folder, folder / "config", folder.parent / "config", cwd / "config")
    return tuple(dict.fromkeys(place / FILE_NAME for place in folders))


def find_symbols(config_file: Path, cwd: Path) -> Path:
    """The symbols file, or where it would be best.

    Args:
        config_file: Absolute path of the strategies file.
        cwd: Absolute path of the working folder.
    """
    tried = possible_places(config_file, cwd)
    return next((place for place in tried if place.exists()), tried[0])


def read_symbols(file: Path, shown: str) -> dict[str, SymbolSpec]:
    """The symbols of a file without a mistake.

    Args:
        file: Absolute path.
        shown: What people call it.

    Raises:
        ConfigError: It has a mistake, or cannot be read.
    """
    report = ProblemReport(shown)
    symbols = load_symbols(file, report)
    if report.problems or symbols is None:
        raise ConfigError(tuple(report.problems))
    return symbols.specs


def load_symbols(file: Path, report: ProblemReport) -> Symbols | None:
    """Read a symbols file.

    Args:
        file: Absolute path.
        report: Gets every problem.

    Returns:
        What it holds, or None where it cannot be read as a list of symbols.
    """
    root = read_yaml(file, report)
    if root is None:
        return None
    if not isinstance(root.value, dict):
        report.add(root.mark, "", "not a mapping", "a mapping with the key symbols")
        return None
    for key, node in root.value.items():
        if key != "symbols":
            unknown_key(key, node, "", ["symbols"], {}, report)
    node = root.value.get("symbols", Node(None, "", root.mark, root.mark))
    if not isinstance(node.value, list) or not node.value:
        report.add(node.mark, "symbols", "no symbols", "a list of symbols")
        return None
    parsed = [
        parse_struct(SymbolSpec, item, f"symbols[{index}]", report)
        for index, item in enumerate(node.value)
    ]
    return _collect(parsed, report)


def _collect(parsed: list[Parsed[SymbolSpec]], report: ProblemReport) -> Symbols:
    seen: dict[str, Mark] = {}
    specs: dict[str, SymbolSpec] = {}
    for entry in parsed:
        name = entry.fields.get("name")
        if name in seen:
            found = f"{name} is already in line {seen[name].line}"
            report.add(entry.mark("name"), entry.where("name"), found, "each symbol once")
        elif name is not None:
            seen[name] = entry.mark("name")
        if entry.good:
            spec = entry.build()
            _check_lots(entry, spec, report)
            specs.setdefault(spec.name, spec)
    return Symbols(frozenset(seen), specs)


def _check_lots(entry: Parsed[SymbolSpec], spec: SymbolSpec, report: ProblemReport) -> None:
    for key, lots in (("lot_min", spec.lot_min), ("lot_step", spec.lot_step)):
        if lots > spec.lot_max:
            found = f"{lots:g} lots, over lot_max {spec.lot_max:g}"
            report.add(entry.mark(key), entry.where(key), found, f"at most {spec.lot_max:g}")
