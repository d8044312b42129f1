"""Starting processes: a forkserver with everything imported, behind a small protocol.

Spawning runs in a thread of its own, because the forkserver answers synchronously and may be
stopped or stuck; the supervisor's loop never waits for it.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import wait
from typing import Protocol

import msgspec
import psutil

from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process import entry
from mt5crs_supervisor.processes import forkserver
from mt5crs_supervisor.processes.identity import birth, is_alive

logger = logging.getLogger(__name__)

SPAWN_WITHIN = 15.0
"""Seconds after which a forkserver that does not answer is killed; others that queue wait."""

LONGEST_TURN = 1.0
"""Seconds of one turn that count as waited."""

EXIT_CODE_WITHIN = 0.05
"""Seconds that a child's exit code may come after its death was seen."""


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
    """

    runnable: bool
    cpu: float


class Handle(Protocol):
    """A running child process."""

    pid: int
    born: str
    exit_fd: int

    def exit_status(self) -> ExitStatus | None:
        """How it ended; None while it lives."""

    def load(self) -> Load:
        """What it does with the processor just now."""

    def kill(self, signum: int) -> None:
        """Send a signal; nothing happens where it is gone already."""

    def close(self) -> None:
        """Its process is gone: end what that has started, and give back what the handle holds."""


class Launcher(Protocol):
    """Starts children."""

    def spawn(self, spec: ChildSpec) -> "Future[Handle]":
        """Start a process, without waiting for it."""

    def unstick(self, now: float) -> None:
        """Called at each turn: break what a spawn waits for that takes too long."""

    def warm_up(self) -> None:
        """Get ready to spawn, without waiting for it."""

    def revive(self) -> bool:
        """Start the forkserver again where it has died; whether it had."""

    def close(self) -> None:
        """No more spawns."""


class ProcessHandle:
    """A child of ours, watched by pidfd where there is one.

    The pipe that multiprocessing calls the sentinel is no proof of death: when the forkserver is
    killed, every sentinel fires while every child lives.
    """

    def __init__(self, process: "multiprocessing.process.BaseProcess") -> None:
        assert process.pid is not None, "the process has been started"
        self._process = process
        self.pid = process.pid
        self.born = birth(self.pid)
        self._pidfd = _pidfd(self.pid)
        self.exit_fd = self._pidfd if self._pidfd is not None else process.sentinel
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


class Patience:
    """How long one thing has taken, by the turns of a loop; pure.

    Turns that lie far apart count little: then this process itself stood still.

    Args:
        limit: Seconds.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._what: int | None = None
        self._waited = 0.0
        self._looked_at = 0.0

    def is_over(self, what: int | None, now: float) -> bool:
        """Whether that thing has taken too long, told once; None: nothing is being waited for."""
        since, self._looked_at = now - self._looked_at, now
        if what is None or what != self._what:
            self._what, self._waited = what, 0.0
            return False
        before = self._waited
        self._waited += min(since, LONGEST_TURN)
        return before <= self._limit < self._waited


class ForkserverLauncher:
    """Children forked from a server that has imported everything; spawned where fork is missing.

    Args:
        on_done: Called in the launcher's thread after each spawn, to wake the supervisor's loop.
    """

    def __init__(self, on_done: Callable[[], None]) -> None:
        self._context = multiprocessing.get_context(forkserver.METHOD)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="launcher")
        self._on_done = on_done
        self._reviving: int | None = None
        self._begun = 0
        self._ended = 0
        self._patience = Patience(SPAWN_WITHIN)

    def spawn(self, spec: ChildSpec) -> "Future[Handle]":
        """Start a process, without waiting for it."""
        future: Future[Handle] = self._thread.submit(self._start, spec)
        future.add_done_callback(lambda _future: self._on_done())
        return future

    def warm_up(self) -> None:
        """Start the forkserver before anybody needs it: a supervisor that adopts spawns nobody."""
        self._thread.submit(forkserver.ensure)

    def revive(self) -> bool:
        """Start the forkserver again where it has died; whether it had.

        Its children live on; the next respawn finds a server that has imported everything.
        """
        pid = forkserver.pid()
        if pid is None or pid == self._reviving or _runs(pid):
            return False
        self._reviving = pid
        self._thread.submit(forkserver.ensure)
        return True

    def unstick(self, now: float) -> None:
        """Kill a forkserver that does not answer; the next spawn starts a new one."""
        busy_with = self._begun if self._begun != self._ended else None
        if self._patience.is_over(busy_with, now):
            logger.error("the forkserver does not answer; it is killed")
            forkserver.kill_forkserver()

    def close(self) -> None:
        """No more spawns, and no forkserver left behind."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        # One that is stopped would answer neither a spawn under way nor the request to end.
        forkserver.kill_forkserver()
        self._thread.shutdown(wait=True)
        forkserver.kill_forkserver()
        forkserver.stop_forkserver()
        forkserver.forget_children()

    def _start(self, spec: ChildSpec) -> Handle:
        self._begun += 1
        try:
            return ProcessHandle(self._forked(spec))
        finally:
            self._ended = self._begun

    def _forked(self, spec: ChildSpec) -> "multiprocessing.process.BaseProcess":
        try:
            return self._fork(spec)
        except (FileNotFoundError, ConnectionRefusedError):
            # Its socket is gone: temporary folders are cleared now and then. Nobody was asked.
            forkserver.discard()
            return self._fork(spec)

    def _fork(self, spec: ChildSpec) -> "multiprocessing.process.BaseProcess":
        process = self._context.Process(  # type: ignore[attr-defined]  # both contexts have it
            target=entry.run_child,
            args=(msgspec.msgpack.encode(spec), forkserver.PRELOAD[spec.kind]),
            name=f"mt5crs {spec.name}",
            daemon=True,
        )
        with _bare_main(), forkserver.uninterrupted():
            process.start()
        found: multiprocessing.process.BaseProcess = process
        return found


@contextlib.contextmanager
def _bare_main() -> Iterator[None]:
    """Hide the main module: children would import it again, and need nothing of it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _runs(pid: int) -> bool:
    """Whether a child of this process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


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
        runnable = process.status() == psutil.STATUS_RUNNING
    except psutil.NoSuchProcess:
        return Load(False, 0.0)
    return Load(runnable, times.user + times.system)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
