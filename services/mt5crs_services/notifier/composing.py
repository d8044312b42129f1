"""From what has happened to a message that is read in a few seconds; pure."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from mt5crs_shared.storage.story import StoryLine
from mt5crs_shared.wording import one_line

OF_A_KIND = 3
"""Lines of one kind that are told each by itself; the rest is counted."""

DETAIL = 200
"""Characters of a line's detail."""

_NAMED = 8
"""Names of the rest that are told."""

_KINDS = 4
"""Kinds that stand in a title."""


class Composed(msgspec.Struct, frozen=True):
    """What is sent: a title, and a few lines."""

    title: str
    body: str


def compose(lines: Sequence[StoryLine], installation: str) -> Composed:
    """One message of all these lines, in the order of the clock.

    Args:
        lines: What happened; at least one.
        installation: `VarPaths.title`.
    """
    counts = Counter(line.kind for line in lines)
    told = [f"{count} {kind}" if count > 1 else kind for kind, count in counts.most_common(_KINDS)]
    more = ["and more"] if len(counts) > _KINDS else []
    return Composed(
        title=f"mt5crs {installation}: {', '.join([*told, *more])}",
        body="\n".join(_body(lines)),
    )


def _body(lines: Sequence[StoryLine]) -> Iterable[str]:
    seen: Counter[str] = Counter()
    rest: dict[str, list[StoryLine]] = {}
    for line, times in _repeated(lines):
        seen[line.kind] += 1
        if seen[line.kind] <= OF_A_KIND:
            again = f" ({times} times)" if times > 1 else ""
            detail = one_line(line.detail, DETAIL)
            yield f"{line.moment.astimezone():%H:%M:%S} {line.name} {line.kind}{again}: {detail}"
        else:
            rest.setdefault(line.kind, []).extend([line] * times)
    for kind, others in rest.items():
        names = list(dict.fromkeys(line.name for line in others))
        dots = ", …" if len(names) > _NAMED else ""
        yield f"and {len(others)} more {kind}: {', '.join(names[:_NAMED])}{dots}"


def _repeated(lines: Iterable[StoryLine]) -> Iterable[tuple[StoryLine, int]]:
    """Lines that say the same one after the other are one, with the last's time."""
    for _, group in itertools.groupby(lines, lambda line: (line.name, line.kind, line.detail)):
        same = list(group)
        yield same[-1], len(same)
