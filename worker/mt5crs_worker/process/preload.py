"""What the forkserver imports, so that a strategy's process begins with everything in place.

The one module whose import has an effect on purpose: it rehearses, and freezes what is there then
out of the garbage collector's sight, so that forked processes go on sharing those pages. No ZMQ
context, thread or model may be left; a child that inherits one hangs.
"""

import contextlib
import gc
import logging
import pkgutil

import mt5crs_shared.process.entry
import mt5crs_worker.process.main
import mt5crs_worker.process.rehearsal

# As `entry.run_child` will; the first call compiles a pattern.
pkgutil.resolve_name("mt5crs_worker.process.main:run_strategy")
# As `logs.configure` will, which then has nothing to do.
logging.getLogger().setLevel(logging.INFO)
# Without it a process starts later, and that is all.
with contextlib.suppress(Exception):
    mt5crs_worker.process.rehearsal.rehearse()
gc.collect()
gc.freeze()

__all__ = ["mt5crs_shared", "mt5crs_worker"]
