"""A process that stands by: made before it is needed, warm, and told later what it is to do."""

import faulthandler
import os
import pkgutil
import random
import sys
import sysconfig
import time
from collections.abc import Iterable
from pathlib import Path
from socket import socket
from typing import Final

import msgspec
from setproctitle import setproctitle

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process import entry
from mt5crs_shared.process.environment import forget_service_manager
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.wording import describe_error

WARM_WITHIN: Final = 60.0
"""Seconds after which a process that is not warm ends itself, whatever it is doing."""

LONGEST: Final = 65_536
"""Bytes of the longest message on the line."""

FileStamp = tuple[int, int, int]
"""Inode, size, and time of the last change in nanoseconds; zeros: there is no such file.

The change of the inode (``st_ctime``): what is copied over a file may bring its own ``st_mtime``.
"""


class Warm(msgspec.Struct, frozen=True):
    """What such a process says when it is warm, or cannot be.

    Attributes:
        files: What it has read, and what that was: where one is another by now, it is of no use.
        fault: Why it cannot stand by; empty: it does.
    """

    files: dict[str, FileStamp]
    fault: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode_spec = msgspec.msgpack.Decoder(ChildSpec).decode
decode_warm = msgspec.msgpack.Decoder(Warm).decode
"""The word of a process that is warm."""


def stamps(paths: Iterable[str]) -> dict[str, FileStamp]:
    """What these files are just now."""
    return {path: _stamp(path) for path in paths}


def run_standby(encoded_spec: bytes, preload_module: str, warm_up: str, line: socket) -> None:
    """Get warm, wait to be told what to run, and run it; the target of a process that stands by.

    It ends with the supervisor, whose end of the line is closed by that.

    Args:
        encoded_spec: The :class:`ChildSpec` of the child that it stands by for, of no epoch.
        preload_module: See `entry.run_child`.
        warm_up: ``package.module:function``, which gets that spec, makes warm what it can, and
            returns the files that it has read besides modules.
        line: Says :class:`Warm`, and waits for the spec that it is to run.
    """
    begun_ns = time.time_ns()
    spec = _decode_spec(encoded_spec)
    before = set(sys.modules)
    entry.leave_terminal()
    forget_service_manager()
    setproctitle(VarPaths.of(spec).process_title(f"{spec.name} standby"))
    silent = entry.print_nowhere()  # the process that it stands by for prints the same
    random.seed(os.urandom(16))
    # What a strategy's module does while it is imported may never end; the file is told nothing.
    faulthandler.dump_traceback_later(WARM_WITHIN, exit=True, file=silent)
    files: list[str] = []
    fault = ""
    try:
        files = pkgutil.resolve_name(warm_up)(spec)
    except (Exception, SystemExit) as error:
        fault = str(error) if isinstance(error, Mt5crsError) else describe_error(error)
    faulthandler.cancel_dump_traceback_later()
    read = stamps([*files, *_imported_since(before)])
    if newer := [path for path, (_, _, changed_ns) in read.items() if changed_ns >= begun_ns]:
        fault = f"{newer[0]} was saved while it was read"
    word = _encode(Warm(read, fault))
    if len(word) > LONGEST:
        word = _encode(Warm({}, f"its strategy imports {len(read)} files of its own, too many"))
    try:
        line.send(word)
        told = line.recv(LONGEST)
    except OSError:
        return
    line.close()
    if told:  # Otherwise the supervisor is gone, or needs it no more.
        entry.run_child(told, preload_module)


def _stamp(path: str) -> FileStamp:
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_ctime_ns


def _imported_since(before: set[str]) -> list[str]:
    """Files of the modules that were imported since, but for those of packages and of Python."""
    new = [module for name, module in list(sys.modules.items()) if name not in before]
    found = [getattr(module, "__file__", None) for module in new]
    files = [str(Path(file).absolute()) for file in found if isinstance(file, str)]
    installed = tuple({sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib")})
    return [file for file in files if not file.startswith(installed)]
