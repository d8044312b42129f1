"""The errors that cross a boundary between two packages."""

import msgspec


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
    """

    file: str
    line: int
    column: int
    path: str
    found: str
    expected: str = ""
    hint: str = ""
    excerpt: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        parts = [self.found]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.hint:
            parts.append(f"did you mean {self.hint}?")
        said = f"{where}{' ' if self.path else ''}{self.path}: {'; '.join(parts)}"
        return f"{said}\n{self.excerpt}" if self.excerpt else said


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
