"""The demo keeps to itself: whose folder a verb looks at, and who may hear of its market."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mt5crs_supervisor.operator.orphans import living_orphans
from mt5crs_supervisor.processes.instance_lock import holder
from tests.integration.test_cli_process import STRATEGIES, CommandLine
from tests.system import wait_for


class Desk(CommandLine):
    """A desk whose user names no folder."""

    def plain(self, *arguments: str) -> str:
        """What a verb prints that names no folder, errors too."""
        done = subprocess.run(
            [sys.executable, "-m", "mt5crs_supervisor", "--config", str(self.config), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            timeout=60.0,
        )
        return done.stdout

    def begin_demo(self) -> "subprocess.Popen[str]":
        front = self.popen("demo")
        wait_for(lambda: "pid" in self.plain("status"), "a demo's supervisor")
        wait_for(lambda: "2 of 2" in self.plain("status"), "a demo that runs")
        return front

    def kill_demo(self, front: "subprocess.Popen[str]") -> str:
        """Kill its supervisor; what its front says."""
        held = holder(self.paths.demo)
        assert held is not None
        os.kill(held.pid, signal.SIGKILL)
        return front.communicate(timeout=60.0)[0]

    def children_of_demo(self) -> list[int]:
        return [entry.pid for entry in living_orphans(self.paths.demo).values()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, STRATEGIES)
    yield made
    made.plain("stop")
    made.plain("stop", "--var-dir", "var/demo")
    made.end_leftovers()


def test_a_demo_is_looked_at_while_it_alone_runs_and_where_no_folder_is_named(desk: Desk) -> None:
    front = desk.begin_demo()
    assert f"no supervisor is running on {desk.var}\n" in desk.plain("status", "--var-dir", "var")
    assert "a demo publishes on tcp://" in desk.plain("start", "--detach")
    assert "`--var-dir var/demo stop` ends it" in desk.plain("start")
    said = desk.kill_demo(front)
    assert "the supervisor did not end well (killed by SIGKILL); its log: var/demo/log/" in said
    assert "processes live on without one: " in said
    # They trade on as long as their leases last, and nobody else may trade with them.
    assert "`stop` ends them" in (told := desk.plain("status"))
    assert "takes them over" not in told
    assert "a demo publishes on tcp://" in desk.plain("start", "--detach")
    for pid in desk.children_of_demo():
        psutil.Process(pid).kill()
    wait_for(lambda: not desk.children_of_demo(), "a demo that is gone")
    assert (desk.var / "demo" / "supervisor.pid").exists(), "what a kill leaves"
    assert f"no supervisor is running on {desk.var}\n" in desk.plain("status")
    assert "started" in desk.plain("start", "--detach")


def test_no_demo_publishes_where_a_desk_listens(desk: Desk) -> None:
    desk.plain("start", "--detach")
    said = desk.plain("demo")
    assert "a desk listens on tcp://" in said
    assert "a desk must not hear of a made-up market; `--var-dir var stop` ends it" in said
    assert not (desk.var / "demo" / "supervisor.pid").exists()
