"""The demo keeps to itself: whose folder a verb looks at, and who may hear of its market."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mt5crs_shared.process.paths import VarPaths
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
    # By default orphans live for half a minute: little for so many verbs on a busy machine.
    made = Desk(tmp_path, STRATEGIES, {"supervisor": {"orphan_grace": 300.0}})
    yield made
    made.plain("stop")
    made.plain("stop", "--var-dir", "var/demo")
    made.end_leftovers()


def test_a_demo_is_looked_at_while_it_alone_runs_and_where_no_folder_is_named(desk: Desk) -> None:
    front = desk.begin_demo()
    assert f"no supervisor is running on {desk.var}; " in desk.plain("status", "--var-dir", "var")
    assert "a demo runs on var/demo, and publishes a made-up" in desk.plain("start", "--detach")
    assert "`--var-dir var/demo stop` ends it" in desk.plain("start")
    said = desk.kill_demo(front)
    assert "the supervisor did not end well (killed by SIGKILL); its log: var/demo/log/" in said
    assert "processes live on without one: " in said
    # They trade on as long as their leases last, and nobody else may trade with them.
    assert "`stop` ends them" in (told := desk.plain("status"))
    assert "takes them over" not in told
    desk.paths.demo.running.unlink()
    assert "a demo runs on var/demo" in desk.plain("start", "--detach"), "whatever it publishes"
    for pid in desk.children_of_demo():
        psutil.Process(pid).kill()
    wait_for(lambda: not desk.children_of_demo(), "a demo that is gone")
    assert (desk.var / "demo" / "supervisor.pid").exists(), "what a kill leaves"
    assert f"no supervisor is running on {desk.var}; " in desk.plain("status")
    assert "started" in desk.plain("start", "--detach")


def test_no_demo_publishes_where_a_desk_listens(desk: Desk) -> None:
    desk.plain("start", "--detach")
    said = desk.plain("demo")
    assert "a desk runs on var, and listens where the demo would publish a made-up market" in said
    assert "name a file with another zmq_market_url by --config" in said
    assert not (desk.var / "demo" / "supervisor.pid").exists()


def test_the_same_port_by_another_name_is_the_same_market(desk: Desk) -> None:
    desk.plain("start", "--detach")
    text = desk.config.read_text()
    desk.config.write_text(text.replace("tcp://localhost:", "tcp://127.0.0.1:"))
    assert desk.config.read_text() != text
    assert "a desk runs on var" in desk.plain("demo")


def test_a_desk_in_a_folder_of_that_name_is_none(desk: Desk) -> None:
    (desk.folder / "demo").mkdir()
    desk.plain("--var-dir", "demo", "start", "--detach")
    held = holder(VarPaths(desk.folder / "demo"))
    assert held is not None
    os.kill(held.pid, signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(held.pid), "its end")
    try:
        assert "`start` takes them over, `stop` ends them" in desk.plain(
            "--var-dir", "demo", "status"
        )
    finally:
        desk.plain("--var-dir", "demo", "stop")
