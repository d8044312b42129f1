"""`logs`: a process's JSON lines for people; also while they are written and rotated."""

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.wording import plain, safe
from mt5crs_supervisor.commands.failures import CommandError, unknown_name

BLOCK = 65_536
LOOK_EVERY = 0.2
HIDDEN = frozenset({"time", "level", "logger", "pid", "message", "exception"})
COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red", "DEBUG": "bright_black"}

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def show_log(paths: VarPaths, name: str, lines: int, follow: bool) -> None:
    """Print the last lines of a log, and with `follow` those that come, until Ctrl-C."""
    path = paths.log_file(known(paths, name))
    with path.open("rb") as file, contextlib.suppress(KeyboardInterrupt):
        for line in last_lines(file, lines):
            click.echo(formatted(line))
        if follow:
            for line in followed(path, file, lambda: time.sleep(LOOK_EVERY)):
                click.echo(formatted(line))


def tail(paths: VarPaths, name: str, count: int) -> list[str]:
    """The last lines of a log, for people.

    Raises:
        CommandError: Nobody of that name has one.
    """
    with paths.log_file(known(paths, name)).open("rb") as file:
        return [formatted(line) for line in last_lines(file, count)]


def known(paths: VarPaths, name: str) -> str:
    """The name of somebody who has a log.

    Raises:
        CommandError: Nobody of that name has one.
    """
    if not paths.log_file(name).is_file():
        names = paths.logged()
        if not names:
            raise CommandError(f"there are no logs in {paths.log} yet")
        raise unknown_name(name, names, "log")
    return name


def formatted(line: bytes) -> str:
    """``time level message extras``; a line that is no JSON object as it stands."""
    try:
        record = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return plain(line.decode(errors="replace"))
    level = str(record.get("level", "-"))
    extras = " ".join(f"{k}={_value(v)}" for k, v in record.items() if k not in HIDDEN)
    head = click.style(f"{level:<7}", fg=COLOURS.get(level))
    # A printed traceback is one record a line: what is indented stays so.
    message, *more = str(record.get("message", "")).expandtabs(4).splitlines() or [""]
    text = f"{record.get('time', '-')} {head} {safe(message)} {extras}".rstrip()
    more += str(record.get("exception", "")).expandtabs(4).splitlines()
    return "\n".join([text, *(f"    {safe(line)}" for line in more)])


def last_lines(file: BinaryIO, count: int) -> list[bytes]:
    """The last complete lines of a file, read from its end; it is left right behind them."""
    end = file.seek(0, os.SEEK_END)
    unfinished, *lines = itertools.islice(backwards(file), count + 1)
    file.seek(end - len(unfinished))
    return lines[::-1]


def backwards(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file from its end; the first is what stands behind the last line end."""
    at = file.seek(0, os.SEEK_END)
    head = b""
    while at > 0:
        step = min(BLOCK, at)
        at = file.seek(at - step)
        head, *lines = (file.read(step) + head).split(b"\n")
        yield from reversed(lines)
    yield head


def followed(path: Path, file: BinaryIO, pause: Callable[[], None]) -> Iterator[bytes]:
    """Lines that are written from now on, over rotation and truncation.

    Args:
        path: The log.
        file: That log, opened, where to go on; closed at the end.
        pause: Waits for the next look.
    """
    rest = b""
    try:
        while True:
            # Looked at first: what was written before the rotation is read after this.
            rotated = _rotated(path, file)
            *lines, rest = (rest + file.read()).split(b"\n")
            yield from lines
            if rotated:
                with contextlib.suppress(FileNotFoundError):
                    fresh = path.open("rb")
                    file.close()
                    file, rest = fresh, b""
            else:
                pause()
    finally:
        file.close()


def _rotated(path: Path, file: BinaryIO) -> bool:
    try:
        now = path.stat()
    except FileNotFoundError:
        return False
    return now.st_ino != os.fstat(file.fileno()).st_ino or now.st_size < file.tell()


def _value(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return plain(text) if isinstance(value, str) and " " not in text else repr(value)
