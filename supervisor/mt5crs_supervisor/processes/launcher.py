"""Starting processes: a forkserver with everything imported, behind a small protocol.

Spawning runs in a thread of its own, because the forkserver answers synchronously and may be
stopped or stuck; the supervisor's loop never waits for it.
"""

import contextlib
import logging
import multiprocessing
import socket
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import msgspec
import psutil

from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process import entry, standby
from mt5crs_supervisor.processes import forkserver
from mt5crs_supervisor.processes.handle import Handle, ProcessHandle
from mt5crs_supervisor.processes.standbys import Standby, Standbys

logger = logging.getLogger(__name__)

SPAWN_WITHIN = 15.0
"""Seconds after which a forkserver that does not answer is killed; others that queue wait."""

LONGEST_TURN = 1.0
"""Seconds of one turn that count as waited."""


class Launcher(Protocol):
    """Starts children."""

    def spawn(self, spec: ChildSpec) -> "Future[Handle]":
        """Start a process, without waiting for it; what stands by for that child is taken."""

    @property
    def standbys(self) -> Standbys:
        """What stands by."""

    def unstick(self, now: float) -> None:
        """Called at each turn: break what a spawn waits for that takes too long."""

    def warm_up(self) -> None:
        """Get ready to spawn, without waiting for it."""

    def revive(self) -> bool:
        """Start the forkserver again where it has died; whether it had."""

    def close(self) -> None:
        """No more spawns."""


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
        models: See `forkserver.ensure`.
    """

    def __init__(self, on_done: Callable[[], None], models: Sequence[str]) -> None:
        self._models = models
        self._context = multiprocessing.get_context(forkserver.METHOD)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="launcher")
        self._on_done = on_done
        self._reviving: int | None = None
        self._begun = 0
        self._ended = 0
        self._patience = Patience(SPAWN_WITHIN)
        self.standbys = Standbys(lambda spec: self._thread.submit(self._stand_by, spec))

    def spawn(self, spec: ChildSpec) -> "Future[Handle]":
        """Start a process, without waiting for it; what stands by for that child is taken."""
        taken = self.standbys.take(spec.name)
        future: Future[Handle] = self._thread.submit(self._start, spec, taken)
        future.add_done_callback(lambda _future: self._on_done())
        return future

    def warm_up(self) -> None:
        """Start the forkserver before anybody needs it: a supervisor that adopts spawns nobody."""
        self._thread.submit(forkserver.ensure, self._models)

    def revive(self) -> bool:
        """Start the forkserver again where it has died; whether it had.

        Its children live on; the next respawn finds a server that has imported everything.
        """
        pid = forkserver.pid()
        if pid is None or pid == self._reviving or _runs(pid):
            return False
        self._reviving = pid
        self._thread.submit(forkserver.ensure, self._models)
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
        self.standbys.close()
        forkserver.kill_forkserver()
        forkserver.stop_forkserver()

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        """So that it can be told when the forkserver takes too long."""
        self._begun += 1
        try:
            yield
        finally:
            self._ended = self._begun

    def _start(self, spec: ChildSpec, stood_by: Standby | None) -> Handle:
        if stood_by is not None:
            if stood_by.begin(spec):
                return stood_by.handle
            stood_by.end()
        arguments = msgspec.msgpack.encode(spec), forkserver.PRELOAD.get(spec.kind, "")
        return self._forked(spec.name, entry.run_child, arguments)

    def _stand_by(self, spec: ChildSpec) -> Standby:
        kind = spec.kind
        # Whole messages: neither end ever waits for the rest of one.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        arguments = (
            msgspec.msgpack.encode(spec),
            forkserver.PRELOAD[kind],
            forkserver.WARM_UP[kind],
            theirs,
        )
        try:
            return Standby(self._forked(spec.name, standby.run_standby, arguments), ours)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    def _forked(self, *what: Any) -> Handle:
        try:
            return self._fork(*what)
        except (FileNotFoundError, ConnectionRefusedError):
            # Its socket is gone: temporary folders are cleared now and then. Nobody was asked.
            forkserver.discard()
            return self._fork(*what)

    def _fork(self, name: str, target: Callable[..., None], arguments: tuple[Any, ...]) -> Handle:
        process = self._context.Process(  # type: ignore[attr-defined]  # both contexts have it
            target=target, args=arguments, name=f"mt5crs {name}", daemon=True
        )
        with self._timed(), _bare_main(), forkserver.uninterrupted():
            process.start()
        forkserver.forget_child(process)
        return ProcessHandle(process)


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
