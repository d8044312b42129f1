"""A YAML file as a tree whose every value knows its line and column.

Stricter than YAML 1.1 where a trader would be surprised: no duplicate keys, no infinite numbers,
no octal or base-60 numbers that look decimal. ``1e-3`` is a number here, as in YAML 1.2.
"""

import math
import re
import stat
from pathlib import Path
from typing import Final

import msgspec
import yaml

from mt5crs_shared.configuration.parsing import yaml_faults
from mt5crs_shared.errors import Mark, Problem

MAX_BYTES: Final = 1_000_000
# PyYAML reads about 20,000 values a second, and the supervisor that reloads waits for it.
MAX_NODES: Final = 20_000
MAX_DEPTH: Final = 40

Scalar = bool | int | float | str | None

_TAG: Final = "tag:yaml.org,2002:"
_EXPONENT: Final = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
_NOT_DECIMAL: Final = re.compile(r"[-+]?0[0-9_]+")
_NOT_A_NUMBER_TEXT: Final = "a finite decimal number"


class Node(msgspec.Struct, frozen=True):
    """One value of a document.

    Attributes:
        value: A scalar, the items of a list, or the entries of a mapping; unset where the
            scalar was refused, which is reported already.
        text: A scalar as it is written; empty for lists and mappings.
        mark: Where the value stands.
        key_mark: Where its key stands; `mark` where it has none.
    """

    value: "bool | int | float | str | list[Node] | dict[str, Node] | msgspec.UnsetType | None"
    text: str
    mark: Mark
    key_mark: Mark

    def plain(self) -> object:
        """The value without its marks, as builtin types all the way down."""
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        return self.value


class ProblemReport:
    """Collects what is wrong in one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(
        self,
        mark: Mark,
        path: str,
        found: str,
        expected: str = "",
        hint: str = "",
        excerpt: str = "",
    ) -> None:
        """Note one problem; see :class:`Problem` for the texts."""
        self.problems.append(
            Problem(self.file, mark.line, mark.column, path, found, expected, hint, excerpt)
        )


def join(path: str, key: str) -> str:
    """The path of `key` inside the mapping at `path`."""
    return f"{path}.{key}" if path else key


def shorten(text: str) -> str:
    """`text` as a quoted literal that fits into a message."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def read_yaml(file: Path, report: ProblemReport) -> Node | None:
    """Read a file as a tree.

    Args:
        file: Absolute path.
        report: Gets every problem; where it is given one, the tree lacks the bad parts.

    Returns:
        The document, or None where there is none to speak of.
    """
    raw = read_raw(file, report)
    return None if raw is None else parse(raw, report)


def read_raw(file: Path, report: ProblemReport) -> bytes | None:
    """Read a file as it is, up to one byte more than `parse` takes; None after reporting why not.

    Args:
        file: Absolute path.
        report: Gets the problem.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            report.add(Mark(), "", "not a regular file", "a YAML file")
            return None
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        report.add(Mark(), "", "no such file", f"a YAML file at {file}")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        report.add(Mark(), "", f"cannot be read: {reason}", "a YAML file")
    return None


def parse(raw: bytes, report: ProblemReport) -> Node | None:
    """Turn the bytes of a file into a tree.

    Args:
        raw: The whole file.
        report: Gets every problem; where it is given one, the tree lacks the bad parts.

    Returns:
        The document, or None where there is none to speak of.
    """
    text = _decode(raw, report)
    if text is None:
        return None
    try:
        root = _compose(text, report)
        return None if root is None else _Builder(report).build(root, "", None, 0)
    except _TooBigError as error:
        report.add(error.mark, "", str(error), "a plain list of settings")
        return None


class _TooBigError(Exception):
    """The document unfolds into more than any configuration needs."""

    def __init__(self, mark: Mark, message: str) -> None:
        super().__init__(message)
        self.mark = mark


class _Budget:
    """Bounds what a document may hold, as it is read and again as its aliases unfold."""

    def __init__(self) -> None:
        self._values = 0

    def spend(self, mark: Mark, depth: int) -> None:
        """Count one value.

        Raises:
            _TooBigError: It is one too many, or too deep.
        """
        self._values += 1
        if self._values > MAX_NODES:
            raise _TooBigError(mark, f"more than {MAX_NODES:,} values")
        if depth > MAX_DEPTH:
            raise _TooBigError(mark, f"more than {MAX_DEPTH} levels deep")


class _Loader(yaml.SafeLoader):
    """Stops at a document that is too big, instead of reading it to its end."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._budget = _Budget()
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        start = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        self._budget.spend(Mark(start.line + 1, start.column + 1), self._depth)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _decode(raw: bytes, report: ProblemReport) -> str | None:
    if len(raw) > MAX_BYTES:
        report.add(Mark(), "", f"over {MAX_BYTES:,} bytes", "a configuration file")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        report.add(Mark(line, column), "", "not UTF-8 text", "a YAML file saved as UTF-8")
        return None
    if "\0" in text:
        report.add(Mark(), "", "binary data", "a YAML file saved as UTF-8")
        return None
    return text


def _compose(text: str, report: ProblemReport) -> yaml.Node | None:
    """The document as PyYAML sees it; None after reporting why there is none."""
    try:
        root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        found = f"the character {text[error.position]!a}"
        report.add(Mark(line, column), "", found, "printable text")
    except yaml.MarkedYAMLError as error:
        fault = yaml_faults.explain(error, text)
        report.add(fault.mark, "", fault.found, fault.expected, excerpt=fault.excerpt)
    else:
        if root is None:
            report.add(Mark(), "", "the file is empty", "a mapping")
        return root
    return None


class _BadScalarError(Exception):
    """A scalar cannot be taken; args are the texts `expected` and `hint`."""


class _Builder:
    """Unfolds PyYAML's graph, in which aliases share nodes, into a tree of bounded size."""

    def __init__(self, report: ProblemReport) -> None:
        self._report = report
        self._budget = _Budget()

    def build(self, node: yaml.Node, path: str, key: Mark | None, depth: int) -> Node:
        """`node` with all that is under it.

        Raises:
            _TooBigError: Aliases make too much of a few lines.
        """
        mark = _mark(node)
        self._budget.spend(mark, depth)
        key = key or mark
        if isinstance(node, yaml.MappingNode):
            return Node(self._mapping(node, path, depth), "", mark, key)
        if isinstance(node, yaml.SequenceNode):
            items: list[Node] = [
                self.build(item, f"{path}[{index}]", None, depth + 1)
                for index, item in enumerate(node.value)
            ]
            return Node(items, "", mark, key)
        assert isinstance(node, yaml.ScalarNode)  # there is no fourth kind
        return Node(self._value(node, path), node.value, mark, key)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Node]:
        merged: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for key_node, value_node in node.value:
            mark = _mark(key_node)
            if key_node.tag == f"{_TAG}merge":
                for source in self._merge_sources(value_node, path, depth):
                    merged = source | merged
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in own:
                before = own[key].key_mark.line
                self._report.add(
                    mark, join(path, key), f"duplicate key, first set in line {before}"
                )
                continue
            own[key] = self.build(value_node, join(path, key), mark, depth + 1)
        return merged | own

    def _merge_sources(self, node: yaml.Node, path: str, depth: int) -> list[dict[str, Node]]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        built = [self.build(source, path, None, depth + 1).value for source in sources]
        if not all(isinstance(value, dict) for value in built):
            self._report.add(_mark(node), join(path, "<<"), "not a mapping", "a mapping to merge")
        return [value for value in built if isinstance(value, dict)]

    def _key(self, node: yaml.Node, path: str) -> str | None:
        if isinstance(node, yaml.ScalarNode) and _encodable(node.value):
            return str(node.value)
        self._report.add(_mark(node), path, "a key that is not plain text", "a name")
        return None

    def _value(self, node: yaml.ScalarNode, path: str) -> Scalar | msgspec.UnsetType:
        try:
            return _scalar(node)
        except _BadScalarError as error:
            expected, hint = error.args
            self._report.add(_mark(node), path, shorten(node.value), expected, hint)
            return msgspec.UNSET


def _mark(node: yaml.Node) -> Mark:
    start = node.start_mark
    return Mark(start.line + 1, start.column + 1)


def _encodable(text: str) -> bool:
    """Whether the text can be written as UTF-8; half a surrogate pair cannot."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _scalar(node: yaml.ScalarNode) -> Scalar:
    """The value of a scalar.

    Raises:
        _BadScalarError: It means nothing here, or not what it looks like.
    """
    text: str = node.value
    kind = node.tag.removeprefix(_TAG)
    if kind == "null":
        return None
    if kind == "bool":
        return _boolean(text)
    if kind in ("int", "float"):
        return _number(text, kind)
    if kind == "str" and node.style is None and _EXPONENT.fullmatch(text):
        return _finite(float(text))
    if kind not in ("str", "timestamp", "value", "merge"):
        raise _BadScalarError(f"a plain value, without the tag {node.tag}", "")
    if not _encodable(text):
        raise _BadScalarError("text without half a surrogate pair", "")
    return text


def _boolean(text: str) -> bool:
    value = yaml.SafeLoader.bool_values.get(text.lower())
    if value is None:
        raise _BadScalarError("true or false", "")
    return bool(value)


def _number(text: str, kind: str) -> int | float:
    if ":" in text:
        expected = "a decimal number, or a time in quotes; YAML reads this in base 60"
        raise _BadScalarError(expected, f'"{text}"')
    digits = text.replace("_", "")
    if kind == "int" and _NOT_DECIMAL.fullmatch(text):
        raise _BadScalarError(
            "a decimal number; YAML reads a leading zero as octal", digits.lstrip("+-0") or "0"
        )
    try:
        return int(digits, 0) if kind == "int" else _finite(float(digits))
    except ValueError:
        raise _BadScalarError(_NOT_A_NUMBER_TEXT, "") from None


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise _BadScalarError(_NOT_A_NUMBER_TEXT, "")
    return number
