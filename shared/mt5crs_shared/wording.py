"""What is said to people: short lines, whatever they are made of.

A text, a value or an error that comes from a trader's code or a publisher is input. It may be
endless, of many lines, or raise when it is asked for its words; what is made of it here is neither.
"""

import difflib
import os
import reprlib
import traceback
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

ERROR_LENGTH: Final = 500
"""Characters of an error that travel; the log has all of it."""

VALUE_LENGTH: Final = 120
"""Characters of a value that is shown."""

TOLD: Final = frozenset(10**n for n in range(12))
"""Of what happens again and again the log tells the first, the tenth, the hundredth ..."""

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 100


def one_line(text: str, length: int) -> str:
    """A text that any file and terminal takes: one line of whole characters, not too long."""
    begun = str.__str__(text)[: 2 * length]
    plain = begun if begun.isprintable() else "".join(c if c.isprintable() else " " for c in begun)
    words = " ".join(plain.split())
    return words if len(words) <= length else words[: length - 1] + "…"


def shown(value: object) -> str:
    """A value, whatever it is: short, on one line, and never an exception."""
    try:
        return one_line(_REPR.repr(value), VALUE_LENGTH)
    except BaseException:
        return one_line(f"<{_name_of(type(value))}>", VALUE_LENGTH)


def describe_error(error: BaseException, is_ours: Callable[[str], bool] | None = None) -> str:
    """``ZeroDivisionError: by zero (my_strategies.py:12)``; never an exception.

    Args:
        error: What was caught.
        is_ours: Whether a file is one that the reader has not written, and is not named; without
            it every file may be.
    """
    name = _name_of(type(error))
    try:
        # Where that is, a syntax error says itself; it is told in the same way as of others.
        said = (isinstance(error, SyntaxError) and error.msg) or error
        text = one_line(str(said), ERROR_LENGTH)
    except BaseException:
        text = "its text cannot be had"
    place = f" ({where})" if (where := place_of(error, is_ours)) else ""
    return one_line(f"{name}: {text}" if text else name, ERROR_LENGTH) + place


def place_of(error: BaseException, is_ours: Callable[[str], bool] | None = None) -> str:
    """``my_strategies.py:12``: the reader's line that an error came from; empty: none."""
    if isinstance(error, SyntaxError) and isinstance(error.filename, str):
        return one_line(f"{Path(error.filename).name}:{error.lineno}", VALUE_LENGTH)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen ")
        and (is_ours is None or not is_ours(frame.filename))
    ]
    # Rather the line that called a library than one of the library.
    frames = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _name_of(kind: type) -> str:
    """The name of a class, whatever its metaclass says."""
    return str(type.__dict__["__name__"].__get__(kind))


def nearest(word: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """The name that was probably meant, or nothing; case does not matter.

    Args:
        word: What was written.
        names: The right ones.
        cutoff: How alike they have to be, as `difflib.get_close_matches` takes it.
    """
    by_lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else ""


def utc_now(timespec: str = "milliseconds") -> str:
    """This moment as records carry it: ISO 8601, ``2026-11-23T07:11:27.000Z``.

    Args:
        timespec: How fine, as `datetime.isoformat` takes it.
    """
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def duration(seconds: float) -> str:
    """A time span for people: 0.4s, 42s, 3m05s, 2h07m, 4d03h."""
    if seconds < 10.0:
        return f"{max(seconds, 0.0):.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"


def remedy(name: str) -> str:
    """What to do once a strategy's or a service's fault is known."""
    return f"mend it, then `reload` where it is the YAML file's, else `restart {name}`"


def way_back(name: str) -> str:
    """What to do about one in quarantine."""
    return f"see `crashes {name}`, {remedy(name)}"


def counted(count: int, what: str) -> str:
    """1 deal, 2 deals."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def nearby(path: str) -> str:
    """A path as seen from the working folder, where it lies below it."""
    here = Path.cwd()
    return os.path.relpath(path, here) if Path(path).is_relative_to(here) else path


def local_time(iso: str) -> str:
    """HH:MM:SS of this place."""
    return datetime.fromisoformat(iso).astimezone().strftime("%H:%M:%S")


def plain(text: str) -> str:
    """The text on one line, and safe to print."""
    return safe(" ".join(text.split()))


def safe(text: str) -> str:
    """The text with a mark for each character that a terminal would obey instead of showing it."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
