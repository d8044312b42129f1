"""After an error of its own the supervisor begins again in place; its children live on.

A kill -9 of the supervisor harms no strategy, so an error in it must not either. It lets go of
everything, and the same process begins anew and adopts the children, as after any death of it.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mt5crs_shared.storage import crash_report
from mt5crs_shared.storage.crash_report import CrashReport, CrashTimes
from mt5crs_shared.wording import describe_error, utc_now

VARIABLE = "MT5CRS_EARLIER_ERRORS"
"""Environment variable that carries the errors so far into the next life of the process."""

WITHIN = 60.0
MOST = 3
"""So many errors within so many seconds are too many: the supervisor stays down, and says so."""


class EarlierError(msgspec.Struct, frozen=True):
    """One error.

    Attributes:
        at: Monotonic time, seconds.
        what: For people.
        until: Monotonic time at which the supervisor was to end; None: when asked to.
    """

    at: float
    what: str
    until: float | None = None


def are_too_many(earlier_errors: Sequence[EarlierError], now: float) -> bool:
    """Whether to stay down after the last one."""
    return sum(now - error.at < WITHIN for error in earlier_errors) >= MOST


def earlier() -> list[EarlierError]:
    """What went wrong in this process before; taken out of the environment."""
    try:
        return msgspec.json.decode(os.environ.pop(VARIABLE, "[]"), type=list[EarlierError])
    except msgspec.MsgspecError:
        return []


def write_report(folder: Path, error: Exception, decision: str) -> None:
    """Keep a black box of an error of the supervisor, as of a child's death."""
    report = CrashReport(
        name="supervisor",
        time=utc_now("microseconds"),
        cause="error",
        detail=describe_error(error),
        pid=os.getpid(),
        epoch=0,
        exit="its children live on",
        trace="".join(traceback.format_exception(error)),
        stacks="",
        unfinished=None,
        ticks=(),
        beats=(),
        memory=(),
        config_hash="",
        model_hash="",
        decision=decision,
        times=CrashTimes(),
    )
    crash_report.write_box(folder, report)


def exec_again(earlier_errors: Sequence[EarlierError]) -> None:
    """Run this process's command again in its place; does not return."""
    os.environ[VARIABLE] = msgspec.json.encode(earlier_errors[-MOST:]).decode()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
