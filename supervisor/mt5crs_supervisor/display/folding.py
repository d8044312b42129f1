"""Sentences on the lines of a terminal."""

import os
import re
import sys
import textwrap

import click

_GLUE = "\u00a0"
"""Stands for a blank within a command while lines are made: nothing is broken there."""

UNKNOWN_WIDTH = 80
"""Of a window that does not say how wide it is."""


def folded_words(
    text: str,
    width: int,
    indent: str = "",
    most: int | None = None,
    break_words: bool = True,
) -> list[str]:
    """A sentence on lines, broken between words.

    A command in backquotes stays whole where it fits on a line: half of one cannot be copied.

    Args:
        text: One line.
        width: Of the window.
        indent: Before each line but the first.
        most: Lines that it takes at most; what is left out ends with "…". None: as many as needed.
        break_words: Words that are wider than the window, such as paths, are broken.
    """
    whole = re.sub(r"`[^`]*`", lambda found: found[0].replace(" ", _GLUE), text)
    lines = textwrap.wrap(
        whole,
        width,
        subsequent_indent=indent,
        break_long_words=break_words,
        break_on_hyphens=False,
        max_lines=most,
        placeholder=" …",
    )
    return [line.replace(_GLUE, " ") for line in lines]


def say(text: str, err: bool = False) -> None:
    """Print lines; in a window, those that are too wide for it are broken between words.

    Where nobody looks they stay whole: a program may read them.

    Args:
        text: The lines, with or without styles.
        err: To stderr.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is not None and stream.isatty():  # it was closed before the start: nobody is told
        width = os.get_terminal_size(stream.fileno()).columns or UNKNOWN_WIDTH
        text = "\n".join(part for line in text.split("\n") for part in within(line, width))
    click.echo(text, err=err)


def say_aside(text: str) -> None:
    """Print lines to stderr: what is no answer to the command; see `say`."""
    say(text, err=True)


def within(line: str, width: int) -> list[str]:
    """A line in parts that fit; behind columns, the parts stand below the last one.

    Args:
        line: With or without styles; what is broken loses them.
        width: Of the window.
    """
    plain = click.unstyle(line)
    if len(plain.rstrip()) <= width:
        return [line]
    gaps = [gap.end() for gap in re.finditer(r"\S  +", plain) if gap.end() <= width // 2]
    if not gaps:
        blank = len(plain) - len(plain.lstrip())
        return folded_words(plain, width, " " * (blank + 2), break_words=False)
    columns = plain[: gaps[-1]]
    styled = line[: len(line) - len(plain) + len(columns)]
    text = plain.removeprefix(columns)
    first, *rest = folded_words(text, width - len(columns), break_words=False)
    head = styled if click.unstyle(styled) == columns else columns
    return [f"{head}{first}", *(f"{' ' * len(columns)}{part}" for part in rest)]
