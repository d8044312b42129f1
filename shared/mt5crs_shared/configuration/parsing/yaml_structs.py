"""From a tree of YAML nodes to structs, with every bad field reported and none guessed at.

msgspec stops at the first error, so each field is converted by itself.
"""

import re
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, inspect
from msgspec.structs import FieldInfo

from mt5crs_shared.configuration import notify_structs, values
from mt5crs_shared.configuration.parsing.yaml_nodes import Node, ProblemReport, join, shorten
from mt5crs_shared.errors import Mark
from mt5crs_shared.wording import nearest

T = TypeVar("T", bound=msgspec.Struct)

_URL: Final = typing.get_args(values.Url)[1].pattern
_ADDRESS: Final = typing.get_args(values.Address)[1].pattern
_SECRET: Final = typing.get_args(notify_structs.Secret)[1].pattern
_HOST: Final = typing.get_args(notify_structs.HostName)[1].pattern
_TIME_OF_DAY: Final = typing.get_args(notify_structs.TimeOfDay)[1].pattern

# What the patterns of `config` mean to a person.
PATTERNS: Final = {
    r"^[a-z0-9][a-z0-9_-]{0,63}\Z": "a name of a-z, 0-9, _ and -, at most 64 long",
    r"^[A-Za-z0-9][A-Za-z0-9._#-]{0,31}\Z": "a symbol such as EURUSD",
    r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z": "package.module:Class",
    r"^[0-9]+(\.[0-9]+)?(KB|MB|GB)\Z": "a size such as 300MB",
    _URL: "tcp://host:port, or ipc://path of at most 100 characters",
    _ADDRESS: "host:port, such as 127.0.0.1:9464",
    _SECRET: "env:NAME of a variable, or file:PATH of a file of this user alone",
    _HOST: "a host's name such as desk.example.org, without a port",
    _TIME_OF_DAY: "a time of day such as 22:00, in quotes",
    r"^[A-Z]{3}\Z": "three capital letters such as USD",
}


class Parsed(Generic[T]):
    """What came of one mapping.

    Attributes:
        cls: The struct that it describes.
        node: The mapping.
        path: Where it stands in the document.
        fields: The good plain fields that the file sets.
        nested: What came of the struct fields that the file sets.
        good: False where anything in the mapping was refused.
    """

    def __init__(self, cls: type[T], node: Node, path: str) -> None:
        self.cls = cls
        self.node = node
        self.path = path
        self.fields: dict[str, Any] = {}
        self.nested: dict[str, Parsed[Any]] = {}
        self.good = False

    def get(self, key: str) -> Any:
        """The field as the file or its default has it; UNSET where the file's was refused."""
        if key in self.fields:
            return self.fields[key]
        if key in self.nested:
            nested = self.nested[key]
            return nested.build() if nested.good else UNSET
        if not isinstance(self.node.value, dict) or key in self.node.value:
            return UNSET
        field = next(f for f in msgspec.structs.fields(self.cls) if f.encode_name == key)
        if field.default_factory is not msgspec.NODEFAULT:
            return field.default_factory()
        return UNSET if field.required else field.default

    def build(self) -> T:
        """The struct; only for a mapping that is good."""
        nested = {key: parsed.build() for key, parsed in self.nested.items()}
        return self.cls(**self.fields, **nested)

    def mark(self, key: str) -> Mark:
        """Where a field's value stands, or the mapping where the file does not set it."""
        entries = self.node.value
        node = entries.get(key, self.node) if isinstance(entries, dict) else self.node
        return node.mark

    def marks(self, key: str) -> list[Mark]:
        """Where each entry of a field's list stands; nothing where the file does not set it."""
        entries = self.node.value
        node = entries.get(key) if isinstance(entries, dict) else None
        found = node.value if node is not None else None
        return [entry.mark for entry in found] if isinstance(found, list) else []

    def where(self, key: str) -> str:
        """The path of a field."""
        return join(self.path, key)


def one_of(names: Iterable[str]) -> str:
    """The names, for a message."""
    return f"one of {', '.join(names)}"


def unknown_key(
    key: str,
    node: Node,
    path: str,
    names: Iterable[str],
    inner: Mapping[str, type[msgspec.Struct]],
    report: ProblemReport,
) -> None:
    """Report a key that nobody reads, with the one that was probably meant.

    Args:
        key: The key.
        node: Its value.
        path: Where the mapping stands in the document.
        names: Keys that are read there.
        inner: Those of them that hold mappings: the key may not be indented far enough.
        report: Gets the problem.
    """
    names = list(names)
    deeper = (join(name, key) for name, cls in inner.items() if key in _names_of(cls))
    hint = next(deeper, "") or nearest(key, names)
    expected = "" if hint else one_of(names)
    report.add(node.key_mark, join(path, key), "unknown key", expected, hint)


def parse_struct(cls: type[T], node: Node, path: str, report: ProblemReport) -> Parsed[T]:
    """Turn a mapping into a struct.

    Args:
        cls: The struct, whose annotations say what is allowed.
        node: The mapping.
        path: Where it stands in the document.
        report: Gets every problem.
    """
    parsed = Parsed(cls, node, path)
    if not isinstance(node.value, dict):
        _refuse(node, path, "a mapping", report)
        return parsed
    problems = len(report.problems)
    fields = {field.encode_name: field for field in msgspec.structs.fields(cls)}
    for key, child in node.value.items():
        if key in fields:
            _field(fields[key], child, parsed, report)
        else:
            unknown_key(key, child, path, fields, _structs_in(fields.values()), report)
    _report_missing(fields.values(), node.value, parsed, report)
    parsed.good = len(report.problems) == problems and not _has_unset(node)
    return parsed


def _names_of(cls: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(cls)}


def _structs_in(fields: Iterable[FieldInfo]) -> dict[str, type[msgspec.Struct]]:
    """Those of the fields that hold structs."""
    kinds = {f.encode_name: _without_none(inspect.type_info(f.type)) for f in fields}
    return {name: k.cls for name, k in kinds.items() if isinstance(k, inspect.StructType)}


def _without_none(info: inspect.Type) -> inspect.Type:
    if not isinstance(info, inspect.UnionType):
        return info
    return next(kind for kind in info.types if not isinstance(kind, inspect.NoneType))


def _has_unset(node: Node) -> bool:
    """Whether the reader refused a scalar somewhere under this node."""
    if isinstance(node.value, dict):
        return any(_has_unset(child) for child in node.value.values())
    if isinstance(node.value, list):
        return any(_has_unset(child) for child in node.value)
    return node.value is UNSET


def _report_missing(
    fields: Iterable[FieldInfo], entries: dict[str, Node], parsed: Parsed[T], report: ProblemReport
) -> None:
    for field in fields:
        if field.required and field.encode_name not in entries:
            expected = describe(inspect.type_info(field.type))
            where = parsed.where(field.encode_name)
            report.add(parsed.node.mark, where, "missing", expected)


def _field(field: FieldInfo, node: Node, parsed: Parsed[T], report: ProblemReport) -> None:
    """Convert one field into `parsed`."""
    key = field.encode_name
    info = inspect.type_info(field.type)
    if node.value is not None:
        info = _without_none(info)
    if isinstance(info, inspect.StructType):
        parsed.nested[key] = parse_struct(info.cls, node, parsed.where(key), report)
        return
    value = _value(info, field.type, node, parsed.where(key), report)
    if value is not UNSET:
        parsed.fields[key] = value


def _value(info: inspect.Type, kind: Any, node: Node, path: str, report: ProblemReport) -> Any:
    if isinstance(info, inspect.ListType):
        return _list(info, typing.get_args(kind)[0], node, path, report)
    if isinstance(info, inspect.DictType) and isinstance(node.value, dict):
        return node.plain()
    return _scalar(info, kind, node, path, report)


def _list(info: inspect.ListType, item: Any, node: Node, path: str, report: ProblemReport) -> Any:
    if not isinstance(node.value, list):
        _refuse(node, path, f"a list, each of it {describe(info.item_type)}", report)
        return UNSET
    values = [
        _item(info.item_type, item, child, f"{path}[{index}]", report)
        for index, child in enumerate(node.value)
    ]
    return UNSET if any(value is UNSET for value in values) else values


def _item(info: inspect.Type, kind: Any, node: Node, path: str, report: ProblemReport) -> Any:
    if isinstance(info, inspect.StructType):
        parsed = parse_struct(info.cls, node, path, report)
        return parsed.build() if parsed.good else UNSET
    return _scalar(info, kind, node, path, report)


def _scalar(info: inspect.Type, kind: Any, node: Node, path: str, report: ProblemReport) -> Any:
    if isinstance(node.value, list | dict):
        _refuse(node, path, describe(info), report)
        return UNSET
    if node.value is UNSET:
        return UNSET
    try:
        return msgspec.convert(node.value, type=kind)
    except (msgspec.ValidationError, OverflowError):
        _refuse(node, path, describe(info), report, _hint(info, node))
        return UNSET


def _refuse(node: Node, path: str, expected: str, report: ProblemReport, hint: str = "") -> None:
    if node.value is not UNSET:
        secret = expected.startswith(PATTERNS[_SECRET])
        found = "something else, which is not shown here" if secret else _found(node)
        report.add(node.mark, path, found, expected, "" if secret else hint)


def _found(node: Node) -> str:
    """What a value is, in words."""
    match node.value:
        case None:
            return "empty"
        case bool():
            return f"{node.text} (yes or no)"
        case str():
            return f"{shorten(node.text)} (text)"
        case list():
            return "a list"
        case dict():
            return "a mapping"
    return node.text if len(node.text) <= 60 else f"{node.text[:57]}..."


def _hint(info: inspect.Type, node: Node) -> str:
    if isinstance(info, inspect.LiteralType):
        return nearest(node.text, map(str, info.values))
    if isinstance(info, inspect.StrType) and isinstance(node.value, bool | int | float):
        fits = re.compile(info.pattern or "").search
        if fits(node.text):
            return f'"{node.text}" in quotes'
        return f"{node.text}MB" if fits(f"{node.text}MB") else ""
    if isinstance(info, inspect.IntType | inspect.FloatType) and isinstance(node.value, str):
        return f"{node.text} without quotes" if _is_number(node.text) else ""
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return len(text) <= 30


def describe(info: inspect.Type) -> str:
    """What a field takes, in words."""
    match info:
        case inspect.UnionType():
            return " or ".join(describe(kind) for kind in info.types)
        case inspect.NoneType():
            return "nothing"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return f"a whole number{_range(info)}"
        case inspect.FloatType():
            return f"a number{_range(info)}"
        case inspect.StrType(pattern=str(pattern)):
            return PATTERNS.get(pattern, f"text that matches {pattern}")
        case inspect.LiteralType():
            return one_of(map(str, info.values))
        case inspect.StrType():
            return "text"
    return "a mapping"


def _range(info: inspect.IntType | inspect.FloatType) -> str:
    bounds = ((">", info.gt), (">=", info.ge), ("<", info.lt), ("<=", info.le))
    parts = [f"{sign} {bound:.10g}" for sign, bound in bounds if bound is not None]
    return f" {' and '.join(parts)}" if parts else ""
