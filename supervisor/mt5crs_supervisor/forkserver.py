"""The server that children are forked from: multiprocessing's, with everything imported.

Light enough to be imported first: the server's imports take longer than all else at a start, and
run beside the supervisor's own.
"""

import contextlib
import multiprocessing
import multiprocessing.forkserver
import os
import signal
from collections.abc import Iterator
from multiprocessing import resource_tracker
from typing import Final

from mt5crs_shared.messages import Kind

PRELOAD: Final[dict[Kind, str]] = {
    "strategy": "mt5crs_worker.preload",
    "gateway": "mt5crs_services.preload",
    "tape": "mt5crs_services.preload",
    "feed": "mt5crs_services.preload",
}
"""Modules that the forkserver imports, by what a child is. Names only: see the arrows."""

ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Environment of the whole tree: more threads hang or starve a machine full of processes."""

METHOD: Final = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
"""How children are started; spawned where a system cannot fork."""


def ensure() -> None:
    """Start it where none runs; it imports in the background. Nothing happens without fork."""
    os.environ.update(ONE_THREAD)
    if METHOD == "forkserver":
        multiprocessing.forkserver.set_forkserver_preload(list(dict.fromkeys(PRELOAD.values())))
        with uninterrupted():
            multiprocessing.forkserver.ensure_running()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C from processes that are started inside: a terminal sends it to all of them.

    It is the supervisor's business; a process in the middle of its imports would only print where
    it was. Signals that come meanwhile are not lost.
    """
    if METHOD != "forkserver":
        yield
        return
    # Where it has to start this helper, multiprocessing lets Ctrl-C through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def pid() -> int | None:
    """Its process; None where there is none."""
    # There is no public name for it.
    found: int | None = getattr(multiprocessing.forkserver._forkserver, "_forkserver_pid", None)
    return found


def stop() -> None:
    """End it."""
    end = getattr(multiprocessing.forkserver._forkserver, "_stop", None)
    if METHOD == "forkserver" and end is not None:
        end()
