"""`top` in a real pseudo-terminal, against a system that runs."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_cli_process import CommandLine
from tests.integration.test_former_strategies import entry
from tests.system import PATIENCE, Pulse, wait_for

# The terminal is its own: Ctrl-C comes by it, and another size is told.
OWN_TERMINAL = """
import os, sys
os.close(os.open(os.ttyname(0), os.O_RDWR))
os.execv(sys.argv[1], sys.argv[1:])
"""
DRAWN = re.compile(r"\x1b\[2J|\x1b\[(\d+);1H\x1b\[2K((?:[^\x1b]|\x1b\[[\d;]*m)*)")


class Top:
    """The view in a window, and what stands in it."""

    def __init__(self, system: CommandLine) -> None:
        self._far, self._near = pty.openpty()
        self.resize(80, 24)
        self.before = self.settings()
        self._said = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWN_TERMINAL, *system.command("top")],
            stdin=self._near,
            stdout=self._near,
            stderr=self._near,
            cwd=system.folder,
            env={**os.environ, "TERM": "xterm"},
            start_new_session=True,
        )

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._far, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def settings(self) -> list[object]:
        return termios.tcgetattr(self._near)

    def type(self, keys: str) -> None:
        os.write(self._far, keys.encode())

    def lines(self) -> list[str]:
        """The window as it is now."""
        while select.select([self._far], [], [], 0.0)[0]:
            self._said += os.read(self._far, 65_536)
        shown: dict[int, str] = {}
        for found in DRAWN.finditer(self._said.decode(errors="replace")):
            if found[1] is None:
                shown.clear()
            else:
                shown[int(found[1])] = re.sub(r"\x1b\[[\d;]*m", "", found[2])
        return [shown.get(row, "") for row in range(1, max(shown, default=0) + 1)]

    def wait_shown(self, pattern: str) -> None:
        def there() -> bool:
            assert self.process.poll() is None, self._said[-2000:].decode()
            return re.search(pattern, "\n".join(self.lines()), re.MULTILINE) is not None

        try:
            wait_for(there, pattern)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.lines()])) from None

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        for end in (self._far, self._near):
            os.close(end)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[CommandLine]:
    """Two that are long as soon as they may."""
    made = CommandLine(tmp_path, [entry("one", "EURUSD"), entry("two", "EURUSD")])
    pulse = Pulse(made.port, ["EURUSD"], rate=20.0)
    pulse.start()
    made.start()
    try:
        for name in ("one", "two"):
            wait_for(lambda name=name: made.strategy(name).position_lots, f"{name} to be long")
        yield made
    finally:
        pulse.stop()
        made.stop()


def test_an_evening_with_keys_alone(system: CommandLine, tmp_path: Path) -> None:
    top = Top(system)
    try:
        top.wait_shown(r"^>  one +EURUSD +RUNNING .*\+0\.\d+")
        top.type("j")
        top.wait_shown(r"^>  two +EURUSD +RUNNING .*\+0\.\d+")
        top.type("p")
        top.wait_shown(r"^pause two\? y/n")
        assert system.strategy("two").trading == "ACTIVE"
        top.type("y")
        top.wait_shown(r"^two: opens no position any more; REDUCING by ")
        top.wait_shown(r"^>  two +EURUSD +REDUCING ")
        assert system.strategy("one").trading == "ACTIVE"
        top.type("f")
        top.wait_shown(r"^flatten two\? y/n")
        top.type("y")
        top.wait_shown(r"^two: BUY \S+ EURUSD is closed at ")
        top.wait_shown(r"^>  two +EURUSD +REDUCING .* flat ")
        assert [held["strategy"] for held in system.json("positions")] == ["one"]

        top.type("e")
        top.wait_shown(r"held back +REDUCING by ")
        top.type("\x1b")
        top.wait_shown(r"^>  two ")
        top.resize(120, 30)
        top.wait_shown(r"^ +NAME .* SIG ")
        top.resize(80, 24)

        top.type("K")
        top.wait_shown(r"^kill-switch on\? y/n")
        top.type("y")
        top.wait_shown(r"^kill switch ON: HALTED by ")
        top.wait_shown(r"^   one +EURUSD +HALTED ")
        top.type("Kvar\r")
        top.wait_shown(rf"^kill-switch off: that was not {tmp_path.name}: ")
        assert system.said("kill-switch").startswith("kill switch ON")
        top.type(f"K{tmp_path.name}\r")
        top.wait_shown(r"^kill switch OFF")
        assert system.said("kill-switch").startswith("kill switch OFF")

        pid = system.pid("one")
        top.type("\x1b[Hr")
        top.wait_shown(r"^restart (one|two)\? y/n")
        top.type("n")
        top.type("q")
        assert top.process.wait(PATIENCE) == 0
        assert system.pid("one") == pid, "nobody said yes"
        assert top.settings() == top.before
    finally:
        top.close()


def test_it_outlives_the_supervisor_and_leaves_the_terminal_as_it_was(system: CommandLine) -> None:
    top = Top(system)
    try:
        top.wait_shown(r"^>  one +EURUSD +RUNNING ")
        assert top.settings() != top.before
        assert system.process is not None
        system.process.kill()
        system.process.wait()
        top.wait_shown(r"^no word for .*no supervisor is running on")
        top.type("fy")
        top.wait_shown(r"^one: BUY \S+ EURUSD is closed at ")  # the gateway lives
        system.start()
        system.wait_running()
        wait_for(lambda: "no word" not in "\n".join(top.lines()), "word of the new supervisor")
        top.process.send_signal(signal.SIGTERM)
        assert top.process.wait(PATIENCE) == 128 + signal.SIGTERM
        assert top.settings() == top.before
    finally:
        top.close()
    again = Top(system)
    try:
        again.wait_shown(r"^>  (one|two) ")  # the first row: whether one has a position by now
        again.type("\x03")
        assert again.process.wait(PATIENCE) == 0
        assert again.settings() == again.before
    finally:
        again.close()


def test_without_a_terminal_or_a_system_it_says_so(tmp_path: Path) -> None:
    system = CommandLine(tmp_path, [entry("one", "EURUSD")])
    assert "`status --watch`" in system.said("top", code=2)
    top = Top(system)
    try:
        assert top.process.wait(PATIENCE) == 3
        assert top.settings() == top.before
    finally:
        top.close()
