"""A terminal that gives single keys and takes whole screens, and is left as it was found."""

import errno
import os
import select
import signal
import socket
import termios
import tty
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any

from mt5crs_supervisor.display.top.keys import KeyReader

ESCAPE_WAIT = 0.05
"""Seconds after which an Escape that nothing follows is the key, and no sequence of another one."""

USUAL = (80, 24)
"""Columns and rows of a window that does not tell."""

READ = 4096
ENTER = b"\x1b[?1049h\x1b[?25l\x1b[2J"
LEAVE = b"\x1b[?25h\x1b[?1049l"
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


class Terminal:
    """A window with keys. As a context it takes the window over, and gives it back at the end.

    The signals that end a process raise SystemExit meanwhile, so that the window is given back.
    It belongs to the main thread; `wake` may be called from any.

    Args:
        keyboard: Descriptor that keys are read from.
        window: Descriptor that is written to.
    """

    def __init__(self, keyboard: int, window: int) -> None:
        self._keyboard = keyboard
        self._window = window
        self._reader = KeyReader()
        self._settings: list[Any] = []
        self._handlers: dict[int, Handler] = {}
        self._drawn: list[str] = []
        self._size = (0, 0)
        self._closed = False
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)

    def __enter__(self) -> "Terminal":
        self._settings = termios.tcgetattr(self._keyboard)
        try:
            signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
            self._handle(signal.SIGINT, signal.default_int_handler)
            self._handle(signal.SIGWINCH, lambda _number, _frame: None)
            self._handle(signal.SIGTSTP, self._stop)
            self._handle(signal.SIGCONT, self._go_on)
            for number in ENDING:
                self._handle(number, self._end)
            self._take()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    @property
    def closed(self) -> bool:
        """Nobody can type any more."""
        return self._closed

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of the window."""
        try:
            columns, rows = os.get_terminal_size(self._window)
        except OSError:  # the terminal is gone
            return USUAL
        return (columns, rows) if columns and rows else USUAL

    def wake(self) -> None:
        """End a wait of `keys`; from any thread."""
        try:
            self._waker.send(b"\0")
        except OSError:
            return  # it is full, and wakes all the same; or the view has ended

    def keys(self, timeout: float) -> list[str]:
        """Wait for keys, for a wake, for another size of the window, or for so many seconds."""
        ready = self._wait(timeout)
        if self._woken in ready:
            self._woken.recv(READ)
        if self._keyboard not in ready:
            return []
        found = self._reader.keys(self._read())
        while self._reader.waiting:
            more = self._keyboard in self._wait(ESCAPE_WAIT)
            found += self._reader.keys(self._read()) if more else self._reader.rest()
            if self._closed:
                break
        return found

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines, from the top of the window on; only what has changed is written."""
        if self.size != self._size:
            self._size, self._drawn = self.size, []
        written = [] if self._drawn else ["\x1b[0m\x1b[2J"]
        for index, line in enumerate(lines):
            if index >= len(self._drawn) or self._drawn[index] != line:
                # Cleared before it: behind a full line, the last character would be cleared.
                written.append(f"\x1b[{index + 1};1H\x1b[2K{line}")
        self._drawn = list(lines)
        self._write("".join(written).encode(errors="replace"))

    def _leave(self) -> None:
        try:
            # A second signal must not come between.
            for number in self._handlers:
                signal.signal(number, signal.SIG_IGN)
            signal.set_wakeup_fd(-1)
        finally:
            self._give_back()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._woken.close()
        self._waker.close()

    def _wait(self, timeout: float) -> list[Any]:
        watched: list[Any] = [self._woken] if self._closed else [self._woken, self._keyboard]
        return select.select(watched, [], [], timeout)[0]

    def _read(self) -> bytes:
        try:
            data = os.read(self._keyboard, READ)
        except OSError:  # the terminal is gone
            data = b""
        self._closed = not data
        return data

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._window, data) :]
        except OSError:
            self._closed = True

    def _take(self) -> None:
        self._set(tty.setcbreak)
        self._write(ENTER)
        self._drawn = []

    def _give_back(self) -> None:
        self._write(LEAVE)
        self._set(lambda keyboard: termios.tcsetattr(keyboard, termios.TCSADRAIN, self._settings))

    def _set(self, change: Callable[[int], Any]) -> None:
        """Change the terminal's settings; one that is gone has none."""
        while True:
            try:
                change(self._keyboard)
                return
            except termios.error as error:
                # In the background the kernel stops us here, until we are in front again.
                if error.args[0] != errno.EINTR:
                    self._closed = True
                    return

    def _handle(self, number: int, handler: Handler) -> None:
        self._handlers[number] = signal.signal(number, handler)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """Ctrl-Z: the shell gets its window back."""
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # Here it goes on; at once, where no shell is there that could bring it back.
        self._go_on(signal.SIGCONT, None)

    def _go_on(self, _number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTSTP, self._stop)
        self._take()
