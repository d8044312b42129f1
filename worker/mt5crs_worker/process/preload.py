"""What the forkserver imports, so that a strategy's process begins with everything in place.

The one module whose import has an effect on purpose: it freezes what was imported out of the
garbage collector's sight, so that forked processes go on sharing those pages. Nothing here may
open a ZMQ context, start a thread or load a model; a child that inherits one hangs.
"""

import gc
import logging
import pkgutil

import mt5crs_shared.process.entry
import mt5crs_worker.process.main

# As `entry.run_child` will; the first call compiles a pattern.
pkgutil.resolve_name("mt5crs_worker.process.main:run_strategy")
# As `logs.configure` will, which then has nothing to do.
logging.getLogger().setLevel(logging.INFO)
gc.collect()
gc.freeze()

__all__ = ["mt5crs_shared", "mt5crs_worker"]
