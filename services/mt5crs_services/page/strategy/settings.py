"""A strategy's settings, each with the line of the YAML file that it stands in."""

from pathlib import Path

import msgspec

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.parsing.yaml_nodes import Node, ProblemReport, read_yaml
from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.errors import ConfigError


class Setting(msgspec.Struct, frozen=True):
    """One field.

    Attributes:
        path: ``risk_config.max_position_size``.
        value: As JSON has it.
        line: Of the file, from 1; None: it is not written there, and has its default.
    """

    path: str
    value: str
    line: int | None


class Settings(msgspec.Struct, frozen=True):
    """What the file says of a strategy.

    Attributes:
        file: The file.
        entry: Its entry, as checked; None: it has none, or the file is refused.
        fields: Each of its fields.
        problem: Why they cannot be shown; empty: they are.
    """

    file: str
    entry: StrategyConfig | None
    fields: tuple[Setting, ...] = ()
    problem: str = ""


def read_settings(file: Path, folder: Path, name: str) -> Settings:
    """The settings of one strategy, as the file says them now.

    Args:
        file: The YAML file.
        folder: Where the system was started: what the file names is looked for there.
        name: The strategy.
    """
    try:
        config = loading.load_config(file, cwd=folder)
    except ConfigError as error:
        return Settings(str(file), None, problem=str(error))
    entry = next((s for s in config.strategies if s.name == name), None)
    if entry is None:
        return Settings(str(file), None, problem=f"{file} has no {name} any more")
    root = read_yaml(file, ProblemReport(str(file)))
    node = _entry(root, name)
    return Settings(str(file), entry, tuple(_fields("", entry, node)))


def _entry(root: Node | None, name: str) -> Node | None:
    listed = _inner(root, "strategies")
    if listed is None or not isinstance(listed.value, list):
        return None
    for item in listed.value:
        named = _inner(item, "name")
        if named is not None and named.value == name:
            return item
    return None


def _inner(node: Node | None, key: str) -> Node | None:
    if node is None or not isinstance(node.value, dict):
        return None
    return node.value.get(key)


def _fields(path: str, struct: msgspec.Struct, node: Node | None) -> list[Setting]:
    found: list[Setting] = []
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        written = _inner(node, name)
        if isinstance(value, msgspec.Struct):
            found += _fields(f"{path}{name}.", value, written)
        else:
            line = written.mark.line if written is not None else None
            found.append(Setting(f"{path}{name}", msgspec.json.encode(value).decode(), line))
    return found
