"""A child's process, from outside: how it ends, what it does, and the signals that it gets."""

import contextlib
import os
import signal
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Protocol

import msgspec
import psutil

from mt5crs_supervisor.processes.identity import birth, is_alive

EXIT_CODE_WITHIN = 0.25
"""Seconds that a child's exit code may come after its death was seen.

The forkserver tells it, and may wait for a core; of one that is gone nothing is waited for.
"""


_STOPPED = frozenset({psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP})
"""By a signal, or by a debugger."""


class ExitStatus(msgspec.Struct, frozen=True):
    """How a process ended.

    Attributes:
        code: Exit code, or minus the signal; None: nobody can say any more.
    """

    code: int | None

    def __str__(self) -> str:
        if self.code is None:
            return "ended, exit code unknown"
        if self.code >= 0:
            return f"exit code {self.code}"
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-self.code).name}"
        return f"killed by signal {-self.code}"


class Load(msgspec.Struct, frozen=True):
    """What a process does with the processor.

    Attributes:
        runnable: It runs, or would if it were let; False: it sleeps, is stopped, or is gone.
        cpu: Seconds of processor time that it has used.
        stopped: It was stopped by a signal, or a debugger.
    """

    runnable: bool
    cpu: float
    stopped: bool = False


class Handle(Protocol):
    """A running child process.

    Attributes:
        pid: Its number.
        born: Its birth; see `identity.birth`.
        exit_fd: A descriptor that can be read when it has ended, or may have.
        warm_cpu: Seconds of processor time that it had used, standing by, when it was told what to
            run; None: it did not stand by.
    """

    pid: int
    born: str
    exit_fd: int
    warm_cpu: float | None

    def exit_status(self) -> ExitStatus | None:
        """How it ended; None while it lives."""

    def load(self) -> Load:
        """What it does with the processor just now."""

    def kill(self, signum: int) -> None:
        """Send a signal; nothing happens where it is gone already."""

    def close(self) -> None:
        """Its process is gone: end what that has started, and give back what the handle holds."""


class ProcessHandle:
    """A child of ours, watched by pidfd where there is one.

    The pipe that multiprocessing calls the sentinel is no proof of death: when the forkserver is
    killed, every sentinel fires while every child lives.
    """

    def __init__(self, process: BaseProcess) -> None:
        assert process.pid is not None, "the process has been started"
        self._process = process
        self.pid = process.pid
        self.born = birth(self.pid)
        self._pidfd = _pidfd(self.pid)
        self.exit_fd = self._pidfd if self._pidfd is not None else process.sentinel
        self.warm_cpu: float | None = None
        self._status: ExitStatus | None = None

    def exit_status(self) -> ExitStatus | None:
        """How it ended; None while it lives."""
        if self._status is None and not is_alive(self.pid, self.born):
            wait([self._process.sentinel], EXIT_CODE_WITHIN)
            code = self._process.exitcode
            # 255 is what multiprocessing says when the forkserver took the code to its grave.
            self._status = ExitStatus(None if code == 255 else code)
        return self._status

    def load(self) -> Load:
        """What it does with the processor just now."""
        return _load(self.pid)

    def kill(self, signum: int) -> None:
        """Send a signal; nothing happens where it is gone already."""
        with contextlib.suppress(ProcessLookupError):
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, signum)
            elif is_alive(self.pid, self.born):
                os.kill(self.pid, signum)

    def close(self) -> None:
        """Its process is gone: end what that has started, and give back what the handle holds."""
        _end_group(self.pid, self.born)
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        with contextlib.suppress(ValueError):
            self._process.close()


class AdoptedHandle:
    """A child that an earlier supervisor started; watched by pidfd, which any process may hold.

    Args:
        pid: Its process, known to be alive.
        born: Its birth; see `identity.birth`.

    Raises:
        OSError: This system has no pidfd; the child cannot be adopted.
    """

    def __init__(self, pid: int, born: str) -> None:
        self.pid = pid
        self.born = born
        self.exit_fd = os.pidfd_open(pid)
        self.warm_cpu: float | None = None

    def exit_status(self) -> ExitStatus | None:
        """That it ended, not how: only a parent is told; None while it lives."""
        return None if is_alive(self.pid, self.born) else ExitStatus(None)

    def load(self) -> Load:
        """What it does with the processor just now."""
        return _load(self.pid)

    def kill(self, signum: int) -> None:
        """Send a signal; nothing happens where it is gone already."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.exit_fd, signum)

    def close(self) -> None:
        """Its process is gone: end what that has started, and give back what the handle holds."""
        _end_group(self.pid, self.born)
        os.close(self.exit_fd)


def _end_group(pid: int, born: str) -> None:
    """Kill what is left of the session that a child began; nothing where it began none."""
    # As long as anybody is in it, no other process gets its number.
    if birth(pid) in ("", born):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _load(pid: int) -> Load:
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        status = process.status()
    except psutil.NoSuchProcess:
        return Load(False, 0.0)
    return Load(status == psutil.STATUS_RUNNING, times.user + times.system, status in _STOPPED)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
