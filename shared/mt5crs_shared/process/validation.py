"""The other side of `validate`: a process that tries what configurations name, each in a fork.

A class or a model may do anything while it is loaded. Here everything it needs has been imported
once, and each configuration is tried in a process of its own.
"""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Final

import msgspec

from mt5crs_shared.configuration.structs import Config, decode_config
from mt5crs_shared.errors import Unusable

WITHIN: Final = 60.0
"""Seconds that one trial may take."""

SAID: Final = 8_192
"""Bytes of a trial's last words that are told."""

LENGTH: Final = 8
"""Bytes before each message, which say how long it is."""

Find = Callable[[Config], list[Unusable]]


class TrialAnswer(msgspec.Struct, frozen=True):
    """What came of one configuration.

    Attributes:
        exit: Exit code of its process, negative: killed by that signal; None: it was not ready
            within :data:`WITHIN`, and was killed.
        found: What cannot be used; None: the process did not come to say it.
        words: The end of what it printed.
    """

    exit: int | None
    found: list[Unusable] | None
    words: str


_decode = msgspec.json.Decoder(list[Unusable]).decode


def packed_messages(messages: Iterable[bytes]) -> bytes:
    """Messages as they go through a pipe."""
    return b"".join(len(each).to_bytes(LENGTH) + each for each in messages)


def unpacked_messages(stream: IO[bytes]) -> Iterator[bytes]:
    """Messages out of a pipe, as far as they are whole."""
    while len(head := stream.read(LENGTH)) == LENGTH:
        length = int.from_bytes(head)
        body = stream.read(length)
        if len(body) < length:
            return
        yield body


def answer(find: Find, prepare: Callable[[Config], None] = lambda _config: None) -> None:
    """Read configurations from stdin, and write what was found in each to stdout, in order.

    Args:
        find: Tries one.
        prepare: Imports what such a one needs, for those that follow too; nothing of a trader's.
    """
    # As at a start: where Python would, and then in the folder that the trader works in.
    sys.path.append(os.getcwd())  # noqa: PTH109 - a string is wanted
    # What a trader's code prints is not the answer.
    stdout = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for payload in unpacked_messages(sys.stdin.buffer):
        config = decode_config(payload)
        prepare(config)
        stdout.write(packed_messages([msgspec.msgpack.encode(_tried(find, config))]))
        stdout.flush()


def _tried(find: Find, config: Config) -> TrialAnswer:
    with tempfile.TemporaryFile() as answered, tempfile.TemporaryFile() as printed:
        process = multiprocessing.get_context("fork").Process(
            target=_try, args=(find, config, answered, printed)
        )
        process.start()
        process.join(WITHIN)
        code = process.exitcode
        if code is None:
            process.kill()
            process.join()
        answered.seek(0)
        # However much it has printed.
        printed.seek(max(printed.seek(0, os.SEEK_END) - SAID, 0))
        return TrialAnswer(code, _found(answered.read()), printed.read().decode(errors="replace"))


def _try(find: Find, config: Config, answered: IO[bytes], printed: IO[bytes]) -> None:
    os.dup2(printed.fileno(), 1)
    os.dup2(printed.fileno(), 2)
    # Whole or not at all: what ends its process has said nothing.
    answered.write(msgspec.json.encode(find(config)))
    answered.flush()


def _found(body: bytes) -> list[Unusable] | None:
    try:
        return _decode(body)
    except msgspec.DecodeError:
        return None
