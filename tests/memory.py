"""Where files lie that are written a thousand times, and that nobody needs after a power cut."""

import os

IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""The `dir` of a temporary folder: one that waits for no disk, where the system has one."""
