"""A pseudo-terminal is taken over, drawn on, and given back however it ends."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import threading
from collections.abc import Iterator

import pytest

from mt5crs_supervisor.display.top.terminal import Terminal

HANDLED = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH),
)
TAKEN = "\x1b[?1049h\x1b[?25l\x1b[2J"
GIVEN_BACK = "\x1b[?25h\x1b[?1049l"


class Window:
    """Both ends of a pseudo-terminal."""

    def __init__(self) -> None:
        self.far, self.near = pty.openpty()
        self.resize(80, 24)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.far, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, data: bytes) -> None:
        os.write(self.far, data)

    def written(self, end: str) -> str:
        """What has been written up to this, which has to be the last of it."""
        text = ""
        while not text.endswith(end):
            assert select.select([self.far], [], [], 10.0)[0], repr(text)
            text += os.read(self.far, 100_000).decode()
        return text

    def settings(self) -> list[object]:
        return termios.tcgetattr(self.near)


@pytest.fixture
def window() -> Iterator[Window]:
    made = Window()
    handlers = [signal.getsignal(number) for number in HANDLED]
    before = made.settings()
    yield made
    assert made.settings() == before
    assert [signal.getsignal(number) for number in HANDLED] == handlers
    for end in (made.far, made.near):
        os.close(end)


def test_keys_come_one_by_one_and_are_not_echoed(window: Window) -> None:
    with Terminal(window.near, window.near) as terminal:
        window.type(b"j\x1b[A")
        assert terminal.keys(5.0) == ["j", "up"]
        window.type(b"\x1b")
        assert terminal.keys(5.0) == ["escape"]
        assert terminal.keys(0.0) == []
        assert "j" not in window.written(TAKEN)
    assert window.written(GIVEN_BACK)


def test_only_what_has_changed_is_written_and_all_of_it_in_another_size(window: Window) -> None:
    with Terminal(window.near, window.near) as terminal:
        terminal.draw(["one", "two"])
        window.written("two")
        terminal.draw(["one", "three"])
        assert window.written("three") == "\x1b[2;1H\x1b[2Kthree"
        window.resize(60, 12)
        assert terminal.size == (60, 12)
        terminal.draw(["one", "three"])
        assert "one" in window.written("three")


def test_a_wait_ends_by_a_wake_and_by_another_size(window: Window) -> None:
    with Terminal(window.near, window.near) as terminal:
        threading.Timer(0.01, terminal.wake).start()
        assert terminal.keys(30.0) == []
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGWINCH)).start()
        assert terminal.keys(30.0) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_that_ends_gives_the_window_back(window: Window, number: int) -> None:
    with pytest.raises(SystemExit) as ended, Terminal(window.near, window.near) as terminal:
        threading.Timer(0.01, os.kill, (os.getpid(), number)).start()
        terminal.keys(30.0)
    assert ended.value.code == 128 + number


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_an_error_gives_the_window_back(window: Window, error: BaseException) -> None:
    with pytest.raises(type(error)), Terminal(window.near, window.near):
        raise error
    assert window.written(GIVEN_BACK)


def test_who_was_stopped_takes_the_window_over_again(window: Window) -> None:
    outside = window.settings()
    with Terminal(window.near, window.near) as terminal:
        inside = window.settings()
        assert inside != outside
        terminal.draw(["one"])
        window.written("one")
        # What a shell does with the window of whom it stops.
        termios.tcsetattr(window.near, termios.TCSANOW, outside)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGCONT)
        terminal.keys(0.0)
        assert window.settings() == inside
        terminal.draw(["one"])
        assert TAKEN in window.written("one")


def test_a_terminal_that_is_gone_ends_the_view() -> None:
    far, near = pty.openpty()
    with Terminal(near, near) as terminal:
        os.close(far)
        assert terminal.keys(5.0) == []
        assert terminal.closed
        assert terminal.size == (80, 24)
        terminal.draw(["nobody sees it"])
    os.close(near)
