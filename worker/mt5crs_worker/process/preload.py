"""What the forkserver imports, so that a strategy's process begins with everything in place.

The one module whose import has an effect on purpose: it rehearses, and freezes what is there then,
so that forked processes go on sharing those pages. No ZMQ context, thread or model may be left; a
child that inherits one hangs.
"""

import contextlib
import ctypes
import json
import logging
import os
import pkgutil
import signal
import sys
import warnings
from pathlib import Path

import mt5crs_shared.process.entry
import mt5crs_worker.process.main
import mt5crs_worker.process.rehearsal
from mt5crs_shared.configuration.structs import RiskConfig
from mt5crs_shared.process import environment, immortal
from mt5crs_worker import prepared_models
from mt5crs_worker.adapter import LiveStrategyAdapter

_PR_SET_PDEATHSIG = 1


def _prepare_beside(named: str, missing: dict[str, str]) -> None:
    """Have a process of its own prepare models, while this one goes on; the others wait for it.

    XGBoost's import takes longer than all else, and would lie in every process.
    """
    parent = os.getpid()
    if os.fork():
        # The forkserver takes its end for that of a child, and does not know it.
        warnings.filterwarnings("ignore", message="forkserver: waitpid returned unexpected pid")
        return
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            _prepare(named, missing)
    finally:
        os._exit(0)


def _prepare(named: str, missing: dict[str, str]) -> None:
    # Who trades with a model says what is wrong with it.
    mt5crs_shared.process.entry.print_nowhere()
    prepared_models.use(Path(json.loads(named)[0]))
    kept = prepared_models.in_use()
    with contextlib.ExitStack() as stack:
        for blake2 in sorted(missing):
            stack.enter_context(kept.preparing(blake2))
        for model in missing.values():
            with contextlib.suppress(Exception):
                LiveStrategyAdapter(model, 0.5, RiskConfig())


# What `forkserver.ensure` was told.
named = os.environ.pop(environment.MODELS, None)
missing = prepared_models.unprepared(named) if named is not None else {}
if named is not None and missing:
    with contextlib.suppress(OSError):  # each process makes what it needs
        _prepare_beside(named, missing)

# As `entry.run_child` will; the first call compiles a pattern.
pkgutil.resolve_name("mt5crs_worker.process.main:run_strategy")
# As `logs.configure` will, which then has nothing to do.
logging.getLogger().setLevel(logging.INFO)
# Without it a process starts later, and that is all.
with contextlib.suppress(Exception):
    mt5crs_worker.process.rehearsal.rehearse()
# It takes longer than all else, and 18 MB of each process.
if missing is None:
    with contextlib.suppress(Exception):
        import xgboost  # noqa: F401 - for the processes to come
immortal.freeze()

__all__ = ["mt5crs_shared", "mt5crs_worker"]
