"""Changes of a text: where, what comes there instead, and where its lines were written."""

from collections.abc import Iterable, Sequence

import msgspec

from mt5crs_shared.errors import Mark


class WrittenLine(msgspec.Struct, frozen=True):
    """A line that is put in.

    Attributes:
        text: It, without its end.
        mark: Where its first character stands in the file that it comes from.
    """

    text: str
    mark: Mark


class Edit(msgspec.Struct, frozen=True):
    """One change.

    Attributes:
        start: Offset of the first character that goes.
        end: Offset of the first one that stays.
        text: What comes in between.
        lines: The same, where it comes from another file.
    """

    start: int
    end: int
    text: str = ""
    lines: tuple[WrittenLine, ...] = ()


def without_overlap(edits: Iterable[Edit]) -> list[Edit]:
    """In the order of the text; what is to go twice goes once."""
    found: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if found and edit.start < found[-1].end:
            before = found.pop()
            edit = msgspec.structs.replace(
                edit,
                start=before.start,
                end=max(before.end, edit.end),
                text=before.text + edit.text,
            )
        found.append(edit)
    return found


def applied(text: str, edits: Sequence[Edit]) -> str:
    """The text with all of them, which are in its order."""
    parts, here = [], 0
    for edit in edits:
        parts += [text[here : edit.start], edit.text]
        here = edit.end
    return "".join([*parts, text[here:]])


def place_written(text: str, edits: Sequence[Edit], mark: Mark) -> tuple[Mark, bool]:
    """Where that was written which stands at a place of the changed text.

    Args:
        text: The text before.
        edits: Its changes, in its order.
        mark: A place after them.

    Returns:
        The place, and whether it is one of the other file's.
    """
    after = applied(text, edits)
    place = _offset(after, mark)
    moved = 0
    for edit in edits:
        begins = edit.start + moved
        if place < begins:
            break
        if place < begins + len(edit.text):
            if not edit.lines:
                return mark_at(text, edit.start), False
            number = after.count("\n", begins, place)
            line = edit.lines[min(number, len(edit.lines) - 1)]
            into = place - (after.rfind("\n", 0, place) + 1)
            indent = len(line.text) - len(line.text.lstrip())
            return Mark(line.mark.line, line.mark.column + max(into - indent, 0)), True
        moved += len(edit.text) - (edit.end - edit.start)
    return mark_at(text, place - moved), False


def mark_at(text: str, offset: int) -> Mark:
    """WrittenLine and column of an offset."""
    return Mark(text.count("\n", 0, offset) + 1, offset - line_start(text, offset) + 1)


def line_start(text: str, offset: int) -> int:
    """Where the line of an offset begins."""
    return text.rfind("\n", 0, offset) + 1


def line_end(text: str, offset: int) -> int:
    """Where the next line begins."""
    found = text.find("\n", offset)
    return len(text) if found < 0 else found + 1


def _offset(text: str, mark: Mark) -> int:
    start = 0
    for _ in range(mark.line - 1):
        start = line_end(text, start)
    return start + mark.column - 1
