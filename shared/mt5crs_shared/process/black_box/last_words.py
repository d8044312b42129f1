"""The last words of a process that fails, in a file: they outlive it, whatever its sockets do.

The file has its size from the beginning, so that also a process that fails for want of space can
still write into it.
"""

import contextlib
import os
import struct
from pathlib import Path

import msgspec

from mt5crs_shared.messages import Failed
from mt5crs_shared.process.files import create, open_regular, read_regular

ROOM = 32_768
"""Bytes of the file."""

REASON = 1_000
TRACE = 8_000
"""Characters that are kept: of a reason the first, of a traceback the last."""

_LENGTH = struct.Struct("<I")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Failed).decode


def prepare(path: Path) -> None:
    """Make room for the words of a process that begins; those of an earlier one are gone."""
    with contextlib.suppress(OSError), os.fdopen(create(path), "wb") as file:
        file.write(bytes(ROOM))


def write_last_words(path: Path, words: Failed) -> None:
    """Keep the words; the first ones of a process are its own account, later ones are left out."""
    body = _encode(
        msgspec.structs.replace(
            words, reason=_sound(words.reason[:REASON]), trace=_sound(words.trace[-TRACE:])
        )
    )
    with contextlib.suppress(OSError), open_regular(path, os.O_RDWR, "r+b") as file:
        if file.read(_LENGTH.size).strip(b"\0") or _LENGTH.size + len(body) > ROOM:
            return
        file.seek(0)
        file.write(_LENGTH.pack(len(body)) + body)


def read_last_words(path: Path, epoch: int) -> Failed | None:
    """What a spawn that has ended said; None: nothing, or nothing that can be read.

    The file was in the hands of a process that failed: it may be anything by now.
    """
    try:
        data = read_regular(path, ROOM)
        (length,) = _LENGTH.unpack_from(data)
        words = _decode(data[_LENGTH.size : _LENGTH.size + length])
    except (OSError, struct.error, msgspec.MsgspecError, RecursionError, ValueError):
        return None
    return words if words.epoch == epoch else None


def _sound(text: str) -> str:
    """The text without half characters, which no message can carry."""
    return text.encode(errors="replace").decode()
