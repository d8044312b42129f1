"""A supervisor as a service of systemd, by what it says on a real socket."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_cli_process import STRATEGIES, CommandLine
from tests.integration.test_supervisor_errors import Faulty
from tests.listening import Manager, listening
from tests.system import PATIENCE, Pulse, wait_for

WATCHDOG = 2.0
"""Seconds after which systemd would kill it."""

CURIOUS = """
import json
import os
from pathlib import Path
from mt5crs_worker.strategy import HOLD, Strategy

Path(__file__).with_name("environment.json").write_text(json.dumps(dict(os.environ)))


class Curious(Strategy):
    warmup = 1

    def on_bar(self, bars):
        return HOLD
"""
"""A strategy that looks at its environment as soon as anything of it runs."""


class Service(Faulty):
    """An installation that systemd has started."""

    def begin(self, manager: Manager) -> int:
        """Start it as a service; the supervisor's process."""
        with environment(manager.address):
            self.process = self.popen("start")  # type: ignore[assignment]
        assert self.process is not None
        return self.process.pid


@contextlib.contextmanager
def environment(address: str) -> Iterator[None]:
    """What systemd puts there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOTIFY_SOCKET", address)
        patch.setenv("WATCHDOG_USEC", f"{WATCHDOG * 1e6:.0f}")
        yield


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with listening(str(tmp_path / "notify")) as found:
        yield found


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    curious = {"name": "curious", "symbol": "EURUSD", "strategy": "curious:Curious"}
    system = Service(tmp_path, [*STRATEGIES, {**curious, "standby": True}])
    (tmp_path / "curious.py").write_text(CURIOUS)
    pulse = Pulse(system.port, ["EURUSD", "GBPUSD"])
    pulse.start()
    yield system
    pulse.stop()
    system.call("stop")
    system.stop()


def test_a_life_as_systemd_hears_it(service: Service, manager: Manager) -> None:
    pid = service.begin(manager)
    manager.wait_for("READY=1")
    assert "RUNNING" in {s.process.state for s in service.status().strategies}
    manager.wait_for_status("3 of 3 strategies running")
    for _ in range(3):
        assert "WATCHDOG=1" in manager.hear(WATCHDOG)

    os.kill(pid, signal.SIGSTOP)
    try:
        while manager.hear(0.0):
            pass
        assert manager.hear(WATCHDOG) == [], "a loop that stands still is silent"
    finally:
        os.kill(pid, signal.SIGCONT)
    manager.wait_for("WATCHDOG=1")

    service.write_config(STRATEGIES, {})
    # One that does not end at once: a reload may be over within one turn of the loop.
    os.kill(service.pid("curious"), signal.SIGSTOP)
    reload = service.popen("reload")
    reloading = manager.wait_for("RELOADING=1")
    assert any(line.startswith("MONOTONIC_USEC=") for line in reloading)
    manager.wait_for("READY=1")
    assert reload.wait(PATIENCE) == 0

    service.fail()
    manager.wait_for("READY=1")
    manager.wait_for("WATCHDOG=1")
    assert service.status().pid == pid, "it began again in place"

    service.kill_until_given_up("euro")
    manager.wait_for_status("1 of 2 strategies running, 1 QUARANTINED")
    os.kill(pid, signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    assert service.process is not None
    service.process.wait(PATIENCE)
    assert {speaker for speaker, _ in manager.heard} == {pid}


def test_no_child_can_speak_for_it(service: Service, manager: Manager) -> None:
    service.begin(manager)
    seen = service.folder / "environment.json"
    service.wait_running()
    wait_for(lambda: service.strategy("curious").process.standby, "a process that stands by")
    assert "PATH" in seen.read_text()
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC"):
        assert name not in seen.read_text()


def test_one_in_the_background_says_nothing(tmp_path: Path, manager: Manager) -> None:
    system = CommandLine(tmp_path, STRATEGIES, {"feed": {"speed": 10.0}})
    try:
        with environment(manager.address):
            system.said("start", "--detach")
        system.said("stop")
        assert manager.hear(0.0) == []
    finally:
        system.call("stop")
        system.end_leftovers()
