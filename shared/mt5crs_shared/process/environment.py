"""Variables of the environment that one process of ours hands to another."""

from typing import Final

SAFE_PATH: Final = ("PYTHONSAFEPATH", "MT5CRS_SAFEPATH")
"""What the forkserver is started with, so that it does not look into the current folder first; the
second says that the first is ours. A strategy's own processes do not get them."""
