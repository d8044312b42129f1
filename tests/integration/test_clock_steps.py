"""A step of the wall clock changes nobody's identity.

What the system takes for the moment of its boot moves with the clock, and with it every start time
that is told in seconds since the epoch. Here only the command that looks sees another boot.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.crosses import CROSS
from tests.integration.test_cli_process import CommandLine
from tests.system import wait_for

STRATEGIES = [{"name": "one", "symbol": "EURUSD", "strategy": CROSS, "timeframe": "S5"}]
FEED = {"feed": {"kind": "synthetic", "speed": 20.0, "history_minutes": 10}}
STEP = 60
"""Seconds."""


class Stepped(CommandLine):
    """An installation whose commands run after a step of the clock."""

    stepped = False

    def command(self, *arguments: str) -> list[str]:
        plain = super().command(*arguments)
        if not self.stepped:
            return plain
        script = f'mount --bind {self.folder}/stat /proc/stat && exec "$@"'
        return ["unshare", "--mount", "bash", "-c", script, "-", *plain]


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Stepped]:
    lines = Path("/proc/stat").read_text().splitlines()
    moved = [
        f"btime {int(line.split()[1]) + STEP}" if line.startswith("btime") else line
        for line in lines
    ]
    (tmp_path / "stat").write_text("\n".join(moved) + "\n")
    found = Stepped(tmp_path, STRATEGIES, FEED)
    found.stepped = True
    if subprocess.run([*found.command()[:6], "true"], capture_output=True).returncode != 0:
        pytest.skip("only root may show a process another clock")
    found.stepped = False
    found.start()
    try:
        found.wait_running()
        yield found
    finally:
        found.call("stop")
        found.stop()


def test_stop_finds_its_supervisor_after_a_step(system: Stepped) -> None:
    system.stepped = True
    result = system.call("stop")
    assert (result.returncode, result.stderr) == (0, "")
    assert not system.processes()


def test_everybody_is_adopted_after_a_step(system: Stepped) -> None:
    assert system.process is not None
    before = system.pids()
    # A process that its supervisor has not answered yet ends with it, as it should.
    begun = published(system)
    wait_for(lambda: published(system) > begun, "the feed's next beat")
    system.process.kill()
    system.process.wait()
    system.stepped = True
    system.start()
    wait_for(lambda: system.process and system.status().pid, "another supervisor")
    system.wait_running()
    assert system.pids() == before


def published(system: Stepped) -> int:
    """Ticks of the feed, which begins last, by its last beat."""
    return next(s.progress for s in system.status().services if s.kind == "feed")
