"""The text of a strategies file: entries switched on and off, taken out, put in."""

import re
from collections.abc import Iterator

from mt5crs_shared.errors import Mark, Mt5crsError
from mt5crs_supervisor.commands.editing.text_edits import (
    Edit,
    WrittenLine,
    line_end,
    line_start,
    mark_at,
)
from mt5crs_supervisor.commands.editing.yaml_parts import read_parts

_DASH = re.compile(r"^ *-(?=\s)", re.MULTILINE)


class NotEditableError(Mt5crsError):
    """A file is written in a way that no command can change. It stays as it is."""


class StrategiesText:
    """A text that holds strategies.

    Args:
        text: A mapping with a list `strategies`, such a list alone, or one entry.

    Attributes:
        text: The same.
        newline: How its lines end.
        entries: Each strategy, in its order.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        root = read_parts(text)
        key, self._list = root.entries().get("strategies", (None, root))
        self.entries = self._list.inside if self._list.is_list else (root,)
        self._least = line_end(text, key.end) if key is not None else 0
        self._dashes, self._keys = self._columns()

    def switched(self, number: int, enabled: bool) -> Edit:
        """Write down whether a strategy is enabled.

        Raises:
            NotEditableError: The entry has no name of its own, beside which it could stand.
        """
        entry, value = self.entries[number], str(enabled).lower()
        own = entry.entries()
        if "enabled" in own:
            written = own["enabled"][1]
            space = " " if written.start == written.end else ""
            return Edit(written.start, written.end, space + value)
        if "name" not in own:
            raise NotEditableError("its entry takes its name from elsewhere")
        key, name = own["name"]
        if entry.is_flow:
            return Edit(name.end, name.end, f", enabled: {value}")
        place = line_end(self.text, name.end)
        line = f"{' ' * self._column(key.start)}enabled: {value}"
        ended = self.text[place - 1] == "\n"
        return Edit(place, place, line + self.newline if ended else self.newline + line)

    def without(self, number: int, leads: bool) -> Edit:
        """Take a strategy out, with the comment right above it and the empty lines of one side.

        Args:
            number: Which.
            leads: Nobody stays above it.
        """
        if self._list.is_flow:
            return self._without_in_brackets(number)
        start, end = self._begin_of(number), self._end_of(number)
        if leads:
            while end < len(self.text) and not self._line_at(end):
                end = line_end(self.text, end)
        else:
            while not self._line_at(above := line_start(self.text, start - 1)):
                start = above
        return Edit(start, end)

    def with_more(self, source: "StrategiesText") -> Edit:
        """Put the strategies of another text behind the last one, as they are written there.

        Raises:
            NotEditableError: The list is written in brackets.
        """
        if self._list.is_flow:
            raise NotEditableError("its list of strategies is written in brackets")
        last = len(self.entries) - 1
        place = self._end_of(last)
        apart = last == 0 or not self._line_at(line_start(self.text, self._begin_of(last) - 1))
        lines: list[WrittenLine] = []
        if self.text[place - 1] != "\n":
            lines.append(WrittenLine("", mark_at(source.text, 0)))
        for number, entry in enumerate(source.entries):
            if apart:
                lines.append(WrittenLine("", mark_at(source.text, entry.start)))
            lines += source.lines_of(number, self._dashes, self._keys)
        text = self.newline.join([*(line.text for line in lines), ""])
        return Edit(place, place, text, tuple(lines))

    def lines_of(self, number: int, dash: int, column: int) -> Iterator[WrittenLine]:
        """An entry as it is written, moved to where others begin.

        Args:
            number: Which.
            dash: Spaces before the dash.
            column: Spaces before its keys.
        """
        text, entry = self.text, self.entries[number]
        here, keys = self._begin_of(number), line_start(text, entry.start)
        end = entry.end if self._list.is_list and self._list.is_flow else self._end_of(number)
        while here < keys:
            said = self._line_at(here)
            if said[:1] == "#":
                yield WrittenLine(" " * dash + said, mark_at(text, here + self._indent(here)))
            here = line_end(text, here)
        lead, begin = "-".ljust(column - dash), mark_at(text, entry.start)
        first = text[entry.start : min(line_end(text, entry.start), end)].rstrip()
        yield WrittenLine(" " * dash + lead + first, Mark(begin.line, begin.column - len(lead)))
        further = column - (entry.start - keys)
        here = line_end(text, entry.start)
        while here < end:
            indent = self._indent(here)
            bare = text[here + indent : min(line_end(text, here), end)].rstrip("\r\n")
            moved = max(indent + further, dash + 1) if bare else 0
            yield WrittenLine(" " * moved + bare, mark_at(text, here + indent))
            here = line_end(text, here)

    def _without_in_brackets(self, number: int) -> Edit:
        start, end = self.entries[number].start, self.entries[number].end
        if number + 1 < len(self.entries):
            return Edit(start, self.entries[number + 1].start)
        before = self.entries[number - 1].end if number else start
        # What is said there of the one before stays, and a comma at the end means nothing.
        return Edit(start if "#" in self.text[before:start] else before, end)

    def _begin_of(self, number: int) -> int:
        """Where the lines of a strategy begin, with the comment right above it."""
        least = self._end_of(number - 1) if number else self._least
        start = line_start(
            self.text, self._dash(number) if self._dashes >= 0 else self.entries[number].start
        )
        while start > least and self._line_at(above := line_start(self.text, start - 1))[:1] == "#":
            start = above
        return start

    def _end_of(self, number: int) -> int:
        """Where the lines of a strategy end, with comments below it that are of its own depth."""
        end = line_end(self.text, self.entries[number].end)
        while self._line_at(end)[:1] == "#" and self._indent(end) > self._dashes:
            end = line_end(self.text, end)
        return end

    def _dash(self, number: int) -> int:
        """Where the dash of a strategy is."""
        begin = self.entries[number - 1].end if number else self._least
        found = _DASH.search(self.text, begin, self.entries[number].start)
        return found.end() - 1 if found is not None else self.entries[number].start

    def _columns(self) -> tuple[int, int]:
        """Spaces before the last strategy's dash, and before its keys; -1: there is no dash."""
        if not self._list.is_list or self._list.is_flow:
            return -1, 0
        last = self.entries[-1]
        dash = self._column(self._dash(len(self.entries) - 1))
        return dash, self._column(last.start) if last.is_mapping and not last.is_flow else dash + 2

    def _column(self, offset: int) -> int:
        return offset - line_start(self.text, offset)

    def _indent(self, offset: int) -> int:
        """Spaces that the line that begins there begins with."""
        line = self.text[offset : line_end(self.text, offset)]
        return len(line) - len(line.lstrip(" "))

    def _line_at(self, offset: int) -> str:
        """The line that begins there, without spaces around it."""
        return self.text[offset : line_end(self.text, offset)].strip()
