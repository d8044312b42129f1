"""Sentences on the lines of a terminal; pure."""

import re
import textwrap

_GLUE = "\u00a0"
"""Stands for a blank within a command while lines are made: nothing is broken there."""


def folded_words(text: str, width: int, indent: str = "", most: int | None = None) -> list[str]:
    """A sentence on lines, broken between words.

    A command in backquotes stays whole where it fits on a line: half of one cannot be copied.

    Args:
        text: One line.
        width: Of the window.
        indent: Before each line but the first.
        most: Lines that it takes at most; what is left out ends with "…". None: as many as needed.
    """
    whole = re.sub(r"`[^`]*`", lambda found: found[0].replace(" ", _GLUE), text)
    lines = textwrap.wrap(
        whole,
        width,
        subsequent_indent=indent,
        break_on_hyphens=False,
        max_lines=most,
        placeholder=" …",
    )
    return [line.replace(_GLUE, " ") for line in lines]
