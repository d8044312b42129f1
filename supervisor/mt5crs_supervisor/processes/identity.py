"""Which process a pid means: numbers are given out again, the moment of a birth is not."""

import functools
import os
import sys
from pathlib import Path
from typing import NamedTuple

import psutil

_STATE, _START = 0, 19
"""Places in ``/proc/PID/stat``, counted behind the command's name; see proc(5)."""


class _Stat(NamedTuple):
    state: str
    start: str


def birth(pid: int) -> str:
    """What tells a process from any other that has, or had, the same pid; empty: there is none.

    The clock ticks from the machine's boot to the process's start, and that boot: a step of the
    wall clock, from which psutil computes ``create_time``, changes neither.
    """
    found = _stat(pid)
    return found.start if found is not None else ""


def is_alive(pid: int, born: str) -> bool:
    """Whether that very process lives: its pid, and its birth; a zombie does not."""
    found = _stat(pid)
    return found is not None and found.start == born and found.state not in ("Z", "X")


def _stat(pid: int) -> _Stat | None:
    if not sys.platform.startswith("linux"):
        return _elsewhere(pid)
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name may hold anything, parentheses too.
    fields = text.rpartition(")")[2].split()
    return _Stat(fields[_STATE], f"{fields[_START]}@{_boot()}")


def _elsewhere(pid: int) -> _Stat | None:
    try:
        process = psutil.Process(pid)
        zombie = process.status() == psutil.STATUS_ZOMBIE
        return _Stat("Z" if zombie else "R", f"{process.create_time():.2f}")
    except psutil.NoSuchProcess:
        return None


@functools.cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return os.uname().nodename
