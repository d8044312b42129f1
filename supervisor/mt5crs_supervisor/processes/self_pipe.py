"""What wakes the supervisor's loop beside its sockets: signals, and other threads."""

import contextlib
import signal
import socket
import threading
from collections import deque
from collections.abc import Iterator

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SelfPipe:
    """A socket pair for the poller, and a queue of signals. Handlers only enqueue."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._signals: deque[int] = deque()

    def fileno(self) -> int:
        """What the poller registers."""
        return self._read.fileno()

    def wake(self) -> None:
        """Wake the loop; from any thread."""
        with contextlib.suppress(BlockingIOError):
            self._write.send(b"\0")

    def drain(self) -> None:
        """Forget the wake-ups that were read."""
        with contextlib.suppress(BlockingIOError):
            self._read.recv(4096)

    def received(self) -> Iterator[signal.Signals]:
        """The signals that came since the last call."""
        while self._signals:
            yield signal.Signals(self._signals.popleft())

    @contextlib.contextmanager
    def catching(self) -> Iterator[None]:
        """Queue the signals that ask for the end; outside the main thread there are none."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {signum: signal.getsignal(signum) for signum in STOP_SIGNALS}
        if before[signal.SIGHUP] is signal.SIG_IGN:
            # Started by nohup: it is to outlive its terminal.
            del before[signal.SIGHUP]
        for signum in before:
            signal.signal(signum, lambda number, _frame: self._signals.append(number))
        descriptor = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(descriptor)
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def close(self) -> None:
        """Give the sockets back."""
        self._read.close()
        self._write.close()
