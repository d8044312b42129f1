"""A pause (docker pause, a laptop's lid, a machine under load) is nobody's fault."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.chaos.crosses import CROSS
from tests.system import System, running, wait_for

PAUSE = 5.0
"""Seconds, longer than the default `hang_after`."""


def pauses_told(system: System) -> int:
    return sum(event.kind == "paused" for event in system.status().events)


@pytest.mark.parametrize("whole", [False, True], ids=["supervisor", "whole_tree"])
def test_a_pause_kills_nobody(tmp_path: Path, whole: bool) -> None:
    entries = [
        {"name": name, "symbol": "EURUSD", "strategy": CROSS, "timeframe": "S5"}
        for name in ("one", "two", "three")
    ]
    with running(tmp_path, entries) as system:
        assert system.process is not None
        before = system.pids()
        children = [pid for pid in before.values() if pid] if whole else []
        for number in (1, 2):
            for pid in (system.process.pid, *children):
                os.kill(pid, signal.SIGSTOP)
            time.sleep(PAUSE)  # what is tested
            for pid in (system.process.pid, *children):
                os.kill(pid, signal.SIGCONT)
            wait_for(lambda n=number: pauses_told(system) >= n, "the word of the pause")
        # Long enough for whoever was taken for dead.
        begun = time.monotonic()
        wait_for(lambda: time.monotonic() - begun > PAUSE, "time to be killed")
        assert system.pids() == before
        assert not [e for e in system.status().events if e.kind in ("died", "quarantined")]
