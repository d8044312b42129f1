"""What the forkserver imports for gateway, tape and feed; see `mt5crs_worker.process.preload`."""

import mt5crs_services.feed.server
import mt5crs_services.gateway.server
import mt5crs_services.tape.server
from mt5crs_shared.process import immortal

immortal.freeze()

__all__ = ["mt5crs_services"]
