"""What the forkserver imports, so that a strategy's process begins with everything in place.

The one module whose import has an effect on purpose: it rehearses, and freezes what is there then
out of the garbage collector's sight, so that forked processes go on sharing those pages. No ZMQ
context, thread or model may be left; a child that inherits one hangs.
"""

import contextlib
import gc
import logging
import os
import pkgutil

import mt5crs_shared.process.entry
import mt5crs_worker.process.main
import mt5crs_worker.process.rehearsal
from mt5crs_shared.process import environment
from mt5crs_worker import prepared_models

# As `entry.run_child` will; the first call compiles a pattern.
pkgutil.resolve_name("mt5crs_worker.process.main:run_strategy")
# As `logs.configure` will, which then has nothing to do.
logging.getLogger().setLevel(logging.INFO)
# Without it a process starts later, and that is all.
with contextlib.suppress(Exception):
    mt5crs_worker.process.rehearsal.rehearse()
# What `forkserver.ensure` was told. XGBoost takes longer than all else, and 18 MB of each process.
named = os.environ.pop(environment.MODELS, None)
if named is not None and not prepared_models.are_prepared(named):
    with contextlib.suppress(Exception):
        import xgboost  # noqa: F401 - for the processes to come
gc.collect()
gc.freeze()

__all__ = ["mt5crs_shared", "mt5crs_worker"]
