"""A system that has no process and no thread left for a while: everybody waits, and comes back."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.crosses import CROSS
from tests.system import System, wait_for

FEED = {"feed": {"kind": "synthetic", "speed": 20.0, "history_minutes": 10}}
GROUPS = Path("/sys/fs/cgroup/pids")
STRATEGIES = [
    {"name": name, "symbol": "EURUSD", "strategy": CROSS, "timeframe": "S5"}
    for name in ("one", "two")
]
TRIES = 5
"""More than the budget of failed boots, which is three."""


class Limited(System):
    """An installation in a control group of its own."""

    group = Path()

    def command(self, *arguments: str) -> list[str]:
        script = f'echo $$ > {self.group}/cgroup.procs; exec "$@"'
        return ["bash", "-c", script, "-", *super().command(*arguments)]

    def limit(self, processes: int | None) -> None:
        """So many processes and threads, as the kernel counts them; None: any number."""
        (self.group / "pids.max").write_text("max" if processes is None else str(processes))

    def used(self) -> int:
        return int((self.group / "pids.current").read_text())


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Limited]:
    group = GROUPS / f"mt5crs_test_{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("only root may limit processes, where there is such a group")
    found = Limited(tmp_path, STRATEGIES, FEED)
    found.group = group
    try:
        found.start()
        found.wait_running()
        yield found
    finally:
        found.limit(None)
        found.stop()
        wait_for(lambda: subprocess.run(["rmdir", str(group)]).returncode == 0, "the group's end")


@pytest.mark.parametrize("room", [-3, 2], ids=["no_process", "no_thread"])
def test_nobody_is_given_up_for_want_of_processes(system: Limited, room: int) -> None:
    before = system.pids()
    used = system.used()
    # What the two that are about to die hold is free then.
    held = sum(len(list(Path(f"/proc/{system.pid(n)}/task").iterdir())) for n in ("one", "gateway"))
    system.limit(used - held + room)
    for name in ("one", "gateway"):
        os.kill(before[name] or 0, signal.SIGKILL)
    wait_for(lambda: system.strategy("one").process.restarts >= TRIES, "several tries")
    states = {child.name: child.state for child in system.status().children}
    assert "QUARANTINED" not in states.values(), states
    assert "not its own fault" in system.strategy("one").process.last_error
    assert system.pid("two") == before["two"]
    system.limit(None)
    system.wait_running()
    assert system.pid("two") == before["two"]
