"""The supervisor's side of `start --watch-config`: the process that watches is there, and ends."""

import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

MODULE: Final = "mt5crs_supervisor.commands.running.watch"

AGAIN: Final = 1.0
"""Seconds until another one takes the place of one that ended."""

END_WITHIN: Final = 5.0


class WatchProcess:
    """Keeps one process that watches, from a thread that only waits for it.

    This process holds its standard input: killed, or begun again in place, it lets go of that, and
    the one that watches ends.

    Args:
        var_dir: The ``var`` folder.
    """

    def __init__(self, var_dir: Path) -> None:
        self._command = [sys.executable, "-P", "-m", MODULE, str(var_dir)]
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="config watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, and wait for its end."""
        self._over.set()
        with self._lock:
            if self._process is not None:
                self._process.terminate()
        self._thread.join(END_WITHIN)

    def _keep(self) -> None:
        while not self._over.is_set():
            try:
                self._run()
            except OSError as error:
                logger.error("the configuration cannot be watched: %s", error)
            self._over.wait(AGAIN)

    def _run(self) -> None:
        with self._lock:
            if self._over.is_set():
                return
            # Of a session of its own: Ctrl-C is for the supervisor, with which it ends.
            process = self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        with process:
            process.wait()
        if not self._over.is_set():
            logger.warning("what watches the configuration ended (%s)", process.returncode)
