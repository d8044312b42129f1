"""What is wrong with a text that is no YAML, in words for people who only wanted to trade."""

import re
from typing import Final

import msgspec
import yaml

from mt5crs_shared.errors import Mark

WIDTH: Final = 100
"""Columns of a line that are shown."""

_OPENED: Final = re.compile(r"parsing a flow (sequence|mapping)")


class YamlFault(msgspec.Struct, frozen=True):
    """The first thing that is wrong in a text.

    Attributes:
        mark: Where.
        found: What stands there.
        expected: What should; empty where `found` says it all.
        excerpt: The line, the one above it, and a caret below the place.
    """

    mark: Mark
    found: str
    expected: str
    excerpt: str


def explain(error: yaml.MarkedYAMLError, text: str) -> YamlFault:
    """Say what is wrong.

    Args:
        error: What PyYAML says.
        text: The whole text.
    """
    lines = text.splitlines()
    place, begun = _mark(error.problem_mark or error.context_mark), _mark(error.context_mark)
    problem, context = error.problem or "bad syntax", error.context or ""
    if r"'\t'" in problem:
        words = (place, "a tab", "spaces: YAML is never indented by tabs")
    elif "quoted scalar" in context:
        words = (begun, "a quote that is never closed", "a second one, on the same line")
    elif "expected <block end>" in problem or "mapping values" in problem:
        words = _of_block(lines, place, problem)
    elif "could not find expected ':'" in problem:
        words = (begun, "a line without ': '", "key: value")
    elif opened := _OPENED.search(context):
        bracket = "[" if opened[1] == "sequence" else "{"
        words = (begun, f"a {bracket} that is never closed", f"{']' if bracket == '[' else '}'}")
    elif "cannot start any token" in problem:
        words = (place, f"text that begins with {_character(lines, place)}", "it in quotes")
    else:
        words = (place, f"not valid YAML: {problem}{f' ({context})' if context else ''}", "")
    return YamlFault(*words, excerpt(lines, words[0]))


def excerpt(lines: list[str], mark: Mark) -> str:
    """A place in a text for people: its line, the one above, and a caret."""
    if not 1 <= mark.line <= len(lines):
        return ""
    gutter = len(str(mark.line))
    shown = [
        f"{number:>{gutter}} | {_visible(lines[number - 1])}"
        for number in (mark.line - 1, mark.line)
        if number >= 1
    ]
    if mark.column <= WIDTH:
        shown.append(f"{'':>{gutter}} | {'':>{mark.column - 1}}^")
    return "\n".join(f"    {line}".rstrip() for line in shown)


def _of_block(lines: list[str], place: Mark, problem: str) -> tuple[Mark, str, str]:
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    above = next((n for n in range(place.line - 1, 0, -1) if _has_content(lines[n - 1])), 0)
    own, neighbour = _column(line), _column(lines[above - 1]) if above else 0
    if "'<scalar>'" in problem:
        return place, "text after the end of a quoted one", "one pair of quotes around all of it"
    if above and own != neighbour and (_begins(line, place) or own > neighbour):
        if own > neighbour and ":" not in lines[above - 1]:
            return Mark(above, neighbour), "a line without ':'", "key: or key: value"
        found = f"a line that begins in column {own}; line {above} begins in column {neighbour}"
        return Mark(place.line, own), found, "the column of its neighbours"
    return place, "a second ': ' in one line", "text that holds ': ' in quotes"


def _begins(line: str, place: Mark) -> bool:
    """Whether a place is the first thing on its line."""
    return not line[: place.column - 1].strip(" -")


def _column(line: str) -> int:
    """Where a line's content begins, counted from 1; the dash of a list is no content."""
    return len(line) - len(line.lstrip(" -")) + 1


def _has_content(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _character(lines: list[str], place: Mark) -> str:
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    return repr(line[place.column - 1 : place.column])


def _visible(line: str) -> str:
    return "".join(c if c.isprintable() else " " for c in line[:WIDTH])


def _mark(mark: yaml.Mark | None) -> Mark:
    return Mark(mark.line + 1, mark.column + 1) if mark is not None else Mark()
