"""The server that children are forked from: multiprocessing's, with everything imported.

Light enough to be imported first: the server's imports take longer than all else at a start, and
run beside the supervisor's own.
"""

import contextlib
import json
import multiprocessing
import multiprocessing.forkserver
import multiprocessing.process
import multiprocessing.util
import os
import signal
from collections.abc import Iterator, Sequence
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Final

from mt5crs_shared.messages import Kind
from mt5crs_shared.process.environment import MODELS, SAFE_PATH
from mt5crs_supervisor.processes import descriptors

PRELOAD: Final[dict[Kind, str]] = {
    "strategy": "mt5crs_worker.process.preload",
    "gateway": "mt5crs_services.preload",
    "tape": "mt5crs_services.preload",
    "feed": "mt5crs_services.preload",
}
"""Modules that the forkserver imports, by what a child is. Names only: see the arrows.

Those of notifier, metrics and page are not among them: they may take their time, and their modules
would lie in every process.
"""

MOST_NAMED: Final = 100_000
"""Bytes of models' names that a variable of the environment has room for."""

WARM_UP: Final[dict[Kind, str]] = {"strategy": "mt5crs_worker.process.warm_up:warm_up"}
"""What a process that stands by does beforehand, by what it stands by for."""

ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Environment of the whole tree: more threads hang or starve a machine full of processes."""

METHOD: Final = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
"""How children are started; spawned where a system cannot fork."""


def ensure(models: Sequence[str]) -> None:
    """Start it where none runs; it imports in the background. Nothing happens without fork.

    Args:
        models: The folder where models are kept prepared, then the files of the strategies' models;
            empty: they have none. Where one is not prepared, it imports XGBoost, too. A process
            that has to ask XGBoost and does not find it there imports it for itself.
    """
    os.environ.update(ONE_THREAD)
    # Before it is there: its children have the limit that it has.
    descriptors.raise_limit()
    if METHOD == "forkserver":
        preload = list(dict.fromkeys(PRELOAD.values()))
        multiprocessing.forkserver.set_forkserver_preload(preload)
        if models:
            named = json.dumps(models)
            os.environ[MODELS] = named if len(named) <= MOST_NAMED else ""
        with uninterrupted():
            multiprocessing.forkserver.ensure_running()
        os.environ.pop(MODELS, None)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C, and the terminal's end, from processes that are started inside.

    A terminal tells all of them, and it is the supervisor's business: a process in the middle of
    its imports would only print where it was, and strategies would end beside the gateway instead
    of before it. Signals that come meanwhile are not lost.
    """
    if METHOD != "forkserver":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    # The server is started as `python -c`, which looks into the current folder first: a trader's
    # signal.py would be taken for the standard library's.
    own = "PYTHONSAFEPATH" not in os.environ
    if own:
        os.environ.update(dict.fromkeys(SAFE_PATH, "1"))
    try:
        # Where it has to start this helper, multiprocessing lets Ctrl-C through again.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        if own:
            for name in SAFE_PATH:
                os.environ.pop(name, None)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def pid() -> int | None:
    """Its process; None where there is none."""
    # There is no public name for it.
    found: int | None = getattr(multiprocessing.forkserver._forkserver, "_forkserver_pid", None)
    return found


def folder() -> str:
    """Where its socket is: a temporary folder of multiprocessing's; empty: it has none."""
    return multiprocessing.util.get_temp_dir() if METHOD == "forkserver" else ""


def remove_folder(path: str) -> None:
    """Remove what a killed process could not: its forkserver's socket, and the folder of that."""
    left = Path(path)
    if not left.name.startswith("pymp-"):
        return
    with contextlib.suppress(OSError):
        for listener in left.glob("listener-*"):
            listener.unlink()
        left.rmdir()


def kill_forkserver() -> None:
    """End it at once, whatever it is doing; its children live on."""
    found = pid()
    if found is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(found, signal.SIGKILL)


def discard() -> None:
    """End it, so that the next use starts another one, with a folder for its socket."""
    kill_forkserver()
    with contextlib.suppress(OSError):
        stop_forkserver()
    where = folder()
    if where:
        Path(where).mkdir(mode=0o700, exist_ok=True)


def forget_child(process: multiprocessing.process.BaseProcess) -> None:
    """Have multiprocessing not list a child that has been started: its handle watches it.

    It would be asked at every start of another one whether it lives, and be waited for at this
    process's end, which may not be seen: what a strategy has started may outlive it and hold the
    pipe.
    """
    getattr(multiprocessing.process, "_children", set()).discard(process)


def stop_forkserver() -> None:
    """End it."""
    end = getattr(multiprocessing.forkserver._forkserver, "_stop", None)
    if METHOD == "forkserver" and end is not None:
        end()
