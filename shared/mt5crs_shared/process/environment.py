"""Variables of the environment that one process of ours hands to another, or must not."""

import os
from typing import Final

SAFE_PATH: Final = ("PYTHONSAFEPATH", "MT5CRS_SAFEPATH")
"""What the forkserver is started with, so that it does not look into the current folder first; the
second says that the first is ours. A strategy's own processes do not get them."""

NOTIFY_SOCKET: Final = "NOTIFY_SOCKET"
WATCHDOG_USEC: Final = "WATCHDOG_USEC"
WATCHDOG_PID: Final = "WATCHDOG_PID"
SERVICE_MANAGER: Final = (NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID)
"""Where systemd hears the supervisor, and when it wants to; nobody else may speak for it."""

MODELS: Final = "MT5CRS_MODELS"
"""What the forkserver is told of the strategies' models: JSON, the folder where they are kept
prepared, then their files. Its children do not get it."""

ASKED_FOR: Final = "MT5CRS_ASKED_FOR"
"""For whom a command of ours is run by another process of ours: ``page, 127.0.0.1``."""


def forget_service_manager() -> None:
    """Whatever this process runs, and those that it starts, cannot speak for the supervisor."""
    for name in SERVICE_MANAGER:
        os.environ.pop(name, None)


def asked_for() -> str:
    """For whom this process runs a command; empty: for whoever has started it."""
    return os.environ.get(ASKED_FOR, "")[:100]
