"""What the forkserver imports, so that a strategy's process begins with everything in place.

The one module whose import has an effect on purpose: it rehearses, and freezes what is there then,
so that forked processes go on sharing those pages. No ZMQ context, thread or model may be left; a
child that inherits one hangs.
"""

import contextlib
import ctypes
import faulthandler
import json
import logging
import os
import pkgutil
import signal
import sys
import warnings
from pathlib import Path

from setproctitle import setproctitle

import mt5crs_shared.process.entry
import mt5crs_worker.process.main
import mt5crs_worker.process.rehearsal
from mt5crs_shared.configuration.structs import RiskConfig
from mt5crs_shared.process import environment, immortal
from mt5crs_shared.process.paths import VarPaths
from mt5crs_worker import prepared_models
from mt5crs_worker.adapter import LiveStrategyAdapter

_PR_SET_PDEATHSIG = 1
_PREPARED_WITHIN = 60.0
"""Seconds after which the process that prepares models ends, wherever it hangs."""


def _prepare_beside(folder: Path, missing: dict[str, str]) -> None:
    """Have a process of its own prepare models, while this one goes on; the others wait for it.

    XGBoost's import takes longer than all else, and would lie in every process.
    """
    parent = os.getpid()
    kept = prepared_models.PreparedModels(folder)
    with contextlib.ExitStack() as stack:
        claimed = {}
        # Before anybody else is forked, who would be first.
        for blake2 in missing:
            lock = kept.claim(blake2)
            if lock is not None:
                claimed[blake2] = lock
                stack.callback(os.close, lock)  # the other process keeps its own
        if os.fork():
            # The forkserver takes its end for that of a child, and does not know it.
            ignored = "forkserver: waitpid returned unexpected pid"
            warnings.filterwarnings("ignore", message=ignored)
            return
        try:
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:
                _prepare(folder, missing, claimed)
        finally:
            os._exit(0)


def _prepare(folder: Path, missing: dict[str, str], claimed: dict[str, int]) -> None:
    # Who trades with a model says what is wrong with it.
    silent = mt5crs_shared.process.entry.print_nowhere()
    faulthandler.dump_traceback_later(_PREPARED_WITHIN, exit=True, file=silent)
    setproctitle(VarPaths(folder.parent).process_title("models"))
    prepared_models.use(folder)
    kept = prepared_models.in_use()
    for blake2, lock in claimed.items():
        with kept.preparing(blake2, lock), contextlib.suppress(Exception):
            LiveStrategyAdapter(missing[blake2], 0.5, RiskConfig())


# What `forkserver.ensure` was told.
_named = os.environ.pop(environment.MODELS, None)
_missing = prepared_models.unprepared(_named) if _named is not None else {}
if _named is not None and _missing:
    with contextlib.suppress(OSError):  # each process makes what it needs
        _prepare_beside(Path(json.loads(_named)[0]), _missing)

# As `entry.run_child` will; the first call compiles a pattern.
pkgutil.resolve_name("mt5crs_worker.process.main:run_strategy")
# As `logs.configure` will, which then has nothing to do.
logging.getLogger().setLevel(logging.INFO)
# Without it a process starts later, and that is all.
with contextlib.suppress(Exception):
    mt5crs_worker.process.rehearsal.rehearse()
# It takes longer than all else, and 18 MB of each process.
if _missing is None:
    with contextlib.suppress(Exception):
        import xgboost  # noqa: F401 - for the processes to come
immortal.freeze()

__all__ = ["mt5crs_shared", "mt5crs_worker"]
