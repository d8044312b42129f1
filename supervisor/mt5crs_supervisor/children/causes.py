"""Why a process ended, from all that is known of it; pure."""

import signal

from mt5crs_shared.process.machine_trouble import EXIT_CODE
from mt5crs_supervisor.children.restart_policy import Cause
from mt5crs_supervisor.children.spawn import Death, Spawn
from mt5crs_supervisor.processes.handle import ExitStatus

MACHINE = "not its own fault, tried again until it has passed"
"""What is said of trouble of the machine: no space, no descriptors, no process, no memory."""


def of_death(spawn: Spawn, status: ExitStatus, oom: bool) -> Cause:
    """What a death is put down to; `oom`: the kernel has killed for want of memory just now."""
    if spawn.sentence is not None:
        return spawn.sentence.cause
    if spawn.failed is not None and spawn.failed.permanent:
        return Cause.PERMANENT
    if status.code == EXIT_CODE or (spawn.failed is not None and spawn.failed.passing):
        return Cause.MACHINE
    if oom and status.code in (-signal.SIGKILL, None):
        return Cause.OOM
    if spawn.times.ready is None:
        return Cause.BOOT
    return Cause.SIGNAL if status.code is not None and status.code < 0 else Cause.EXIT


def explain_death(spawn: Spawn, status: ExitStatus, cause: Cause) -> str:
    """Why it died, in one sentence."""
    told = spawn.stuck_at and has_written_stacks(spawn, status)
    # First of all: a table may have room for no more.
    where = f"{spawn.stuck_at}: " if told else ""
    if spawn.sentence is not None:
        return where + spawn.sentence.why
    why = f"{spawn.failed.reason} ({status})" if spawn.failed is not None else f"{where}{status}"
    return f"{why}; {MACHINE}" if cause is Cause.MACHINE else why


def has_written_stacks(spawn: Spawn, status: ExitStatus) -> bool:
    """Whether it was told to write its stacks, or has crashed.

    What somebody's kill -9 ends has written none; what is there is of an earlier moment.
    """
    crashed = status.code is not None and status.code < 0 and status.code != -signal.SIGKILL
    return spawn.sentence is not None or crashed


def given_up(cause: Cause, reason: str, last: str) -> str:
    """Why there is no further try: the last death alone does not tell that, unless it was final."""
    return last if cause is Cause.PERMANENT else f"{last} (the last of {reason})"


def is_own_doing(cause: Cause, status: ExitStatus) -> bool:
    """Whether a process came to its end by what it did itself, and not by somebody's kill -9."""
    if cause in (Cause.HANG, Cause.MEMORY, Cause.OOM):
        return True
    return cause is not Cause.MACHINE and status.code not in (None, -signal.SIGKILL)


def death(
    spawn: Spawn, status: ExitStatus, cause: Cause, detail: str, pid: int, now: float
) -> Death:
    """What is known of a death, before anybody has decided what follows."""
    return Death(
        cause=cause,
        detail=detail,
        exit=str(status),
        pid=pid,
        epoch=spawn.epoch,
        at=now,
        killed_at=spawn.killed_at,
        times=spawn.times,
        beats=tuple(spawn.beats),
        trace=spawn.failed.trace if spawn.failed is not None else "",
        model_hash=spawn.model_hash,
        decision="",
    )


def survived(pid: int) -> str:
    """What is said of a process that SIGKILL has not ended."""
    return (
        f"process {pid} is still there, though it was killed (SIGKILL): it waits inside the kernel,"
        " for a disk or a network folder. Nothing ends it before that answers, and no other process"
        " takes its place meanwhile"
    )
