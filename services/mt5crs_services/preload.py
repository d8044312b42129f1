"""What the forkserver imports for gateway, tape and feed; see `mt5crs_worker.process.preload`."""

import gc

import mt5crs_services.feed.server
import mt5crs_services.gateway.server
import mt5crs_services.tape.server

gc.collect()
gc.freeze()

__all__ = ["mt5crs_services"]
