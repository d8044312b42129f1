"""The errors that cross a boundary between two packages."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

_ENTRY: Final = re.compile(r"^strategies\[(\d+)\]")


class Mt5crsError(Exception):
    """Base of every error that the system raises on purpose.

    Whoever catches it knows what failed and carries on or ends in good order, with the message
    as the reason. Any other exception is a bug: it ends its process, and the supervisor brings
    that process back.
    """


class Mark(msgspec.Struct, frozen=True):
    """A place in a file; line and column count from 1, 0 means the file as a whole."""

    line: int = 0
    column: int = 0


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong in a file.

    Attributes:
        file: The file, as its path was given.
        line: Line, from 1; 0 where the file as a whole is meant.
        column: Column, from 1; 0 where the file as a whole is meant.
        path: Where in the document, e.g. ``strategies[1].risk_config``; empty: the document.
        found: What stands there.
        expected: What should; empty where `found` says it all.
        hint: The nearest right name or spelling; empty where there is none.
        excerpt: The lines around the place, where they say more than words; empty: none.
        strategy: Whose entry it is in: its name; empty: in none, or that has no name of its own.
    """

    file: str
    line: int
    column: int
    path: str
    found: str
    expected: str = ""
    hint: str = ""
    excerpt: str = ""
    strategy: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        parts = [self.found]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.hint:
            parts.append(f"did you mean {self.hint}?")
        # People know a strategy by its name, not by its place in the file.
        path = _ENTRY.sub(f"strategies[{self.strategy}]", self.path) if self.strategy else self.path
        said = f"{where}{' ' if path else ''}{path}: {'; '.join(parts)}"
        return f"{said}\n{self.excerpt}" if self.excerpt else said

    def of_strategy(self, names: Sequence[str]) -> "Problem":
        """The same, with the name of the strategy whose entry it is in.

        Args:
            names: Of the document's strategies, in its order; empty where one has none. One that
                several have says less than a place, and one of digits looks like one.
        """
        found = _ENTRY.match(self.path)
        # A list that was merged in may be longer than the document's own.
        at = int(found[1]) if found is not None else len(names)
        name = names[at] if at < len(names) else ""
        clear = names.count(name) == 1 and not name.isdecimal()
        return msgspec.structs.replace(self, strategy=name if clear else "")


class Unusable(msgspec.Struct, frozen=True):
    """Something that a good configuration names and that cannot be used, as a trial found it.

    Attributes:
        field: The field that names it, e.g. ``model_path``.
        reason: Why it cannot be used.
    """

    field: str
    reason: str


class ConfigError(Mt5crsError):
    """A configuration was refused, with everything that is wrong in it.

    At the start the supervisor prints the problems and ends without starting a process. While
    it runs, what runs goes on.

    Attributes:
        problems: At least one, in the order of the file.
        besides: What else is to be known, for people; empty: nothing.
    """

    def __init__(self, problems: tuple[Problem, ...], besides: str = "") -> None:
        super().__init__(problems, besides)
        self.problems = problems
        self.besides = besides

    def __str__(self) -> str:
        lines = [*map(str, self.problems), *([self.besides] if self.besides else [])]
        return "\n".join(lines)
