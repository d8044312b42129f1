"""A process that ends with another one: that one holds the other end of its standard input."""

import os
import signal
import threading


def stop_with_parent() -> None:
    """From now on, end as if asked to (SIGTERM) once standard input is closed."""
    threading.Thread(target=_wait_for_the_end, name="lifeline", daemon=True).start()


def _wait_for_the_end() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
