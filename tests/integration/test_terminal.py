"""Closing the terminal: everything stops in order, or goes on where it was told to."""

import os
import re
import signal
import sys
from pathlib import Path

from tests.chaos.crosses import CROSS
from tests.system import PATIENCE, System, running, wait_for

FEED = {"feed": {"kind": "synthetic", "speed": 20.0, "history_minutes": 10}}
STRATEGIES = [
    {"name": name, "symbol": "EURUSD", "strategy": CROSS, "timeframe": "S5"}
    for name in ("one", "two")
]


DEFAULT = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


class InTerminal(System):
    """An installation that ends with its terminal, also where these tests do not."""

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", DEFAULT, *super().command(*arguments)]


def test_the_end_of_the_terminal_stops_strategies_first(tmp_path: Path) -> None:
    system = InTerminal(tmp_path, STRATEGIES, FEED)
    system.start()
    try:
        system.wait_running()
        assert system.process is not None
        # As the kernel does it: to the whole group.
        os.killpg(system.process.pid, signal.SIGHUP)
        assert system.process.wait(PATIENCE) == 0
    finally:
        system.stop()
    printed = (tmp_path / "supervisor.out").read_text()
    assert "SIGHUP; stopping" in printed
    stopped = re.findall(r"  (\w+) +stopped +(.+)", printed)
    assert {name for name, _ in stopped[:2]} == {"one", "two"}
    assert {name for name, _ in stopped[2:5]} == {"gateway", "tape", "feed"}
    assert {how for _, how in stopped[:5]} == {"exit code 0"}


class Nohup(System):
    """An installation that is to outlive its terminal."""

    def command(self, *arguments: str) -> list[str]:
        return ["nohup", *super().command(*arguments)]


def test_nohup_is_respected(tmp_path: Path) -> None:
    system = Nohup(tmp_path, STRATEGIES, FEED)
    system.start()
    try:
        system.wait_running()
        before, processed = system.pids(), system.processed("one")
        assert system.process is not None
        os.killpg(system.process.pid, signal.SIGHUP)
        wait_for(lambda: system.processed("one") > processed + 100, "more ticks")
        assert system.pids() == before
        # Also who is forked later, and the server that forks them.
        os.kill(system.pid("one"), signal.SIGKILL)
        system.wait_back("one", before["one"] or 0)
        os.killpg(system.process.pid, signal.SIGHUP)
        wait_for(lambda: system.processed("one") > processed + 200, "more ticks")
        assert all(event.kind != "forkserver_died" for event in system.status().events)
    finally:
        system.stop()


def test_a_childs_own_subprocess_gets_signals_as_usual(tmp_path: Path) -> None:
    """What is blocked around the forkserver is not passed on to what strategies start."""
    with running(tmp_path, STRATEGIES, FEED) as system:
        status = Path(f"/proc/{system.pid('one')}/status").read_text()
    blocked = int(re.findall(r"SigBlk:\s+(\w+)", status)[0], 16)
    assert not blocked & (1 << signal.SIGHUP - 1 | 1 << signal.SIGINT - 1)
