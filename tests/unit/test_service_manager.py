"""What systemd is told, on a real socket."""

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mt5crs_shared.process.environment import forget_service_manager
from mt5crs_supervisor.children.lifecycle import LifecycleEvent
from mt5crs_supervisor.children.sequence import StartStopOrder
from mt5crs_supervisor.processes.service_manager import ServiceManager
from tests.listening import Manager, listening
from tests.unit.child_cases import Bench

RUNNING = "1 of 1 strategies running"


class Told:
    """A service manager's ear, and whoever tells it."""

    def __init__(self, manager: Manager, **environment: str) -> None:
        self.now = 100.0
        self.manager = manager
        found = {"NOTIFY_SOCKET": manager.address, **environment}
        self.teller = ServiceManager(found, lambda: self.now)

    def turn(
        self, up: bool = True, reloading: str = "", stopping: bool = False, line: str = RUNNING
    ) -> list[str]:
        self.teller.on_turn(up, reloading, stopping, line)
        return self.manager.hear(0.0)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    abstract = f"@mt5crs-test-{secrets.token_hex(8)}"
    with listening(abstract if request.param == "abstract" else str(tmp_path / "s")) as found:
        yield found


def test_each_change_is_told_once(manager: Manager) -> None:
    told = Told(manager)
    assert told.turn(up=False, line="0 of 1 strategies running") == [
        "STATUS=0 of 1 strategies running"
    ]
    assert told.turn(up=False, line="0 of 1 strategies running") == []
    assert told.turn() == ["READY=1", f"STATUS={RUNNING}"]
    assert told.turn() == []
    assert told.turn(up=False) == [], "ready is ready: a death later is no new start"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    reloading, at, status = told.turn(reloading="euro to stop")
    assert (reloading, status) == ("RELOADING=1", "STATUS=euro to stop")
    name, _, moment = at.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(moment) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
    assert told.turn(reloading="euro to boot") == ["STATUS=euro to boot"]
    assert told.turn() == ["READY=1", f"STATUS={RUNNING}"]
    assert told.turn(stopping=True) == ["STOPPING=1"]
    assert told.turn(stopping=True) == []
    assert manager.heard[0][0] == os.getpid()


def test_the_watchdog_hears_the_loop_in_half_of_its_time(manager: Manager) -> None:
    told = Told(manager, WATCHDOG_USEC="4000000", WATCHDOG_PID=str(os.getpid()))
    assert "WATCHDOG=1" in told.turn()
    told.now += 1.9
    assert told.turn() == []
    told.now += 0.1
    assert told.turn() == ["WATCHDOG=1"]
    told.now += 2.0
    assert told.turn(stopping=True) == ["STOPPING=1", "WATCHDOG=1"]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "-5"},
        {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
    ],
)
def test_nobody_who_waits_for_no_sign_gets_one(
    manager: Manager, environment: dict[str, str]
) -> None:
    told = Told(manager, **environment)
    assert told.turn() == ["READY=1", f"STATUS={RUNNING}"]
    told.now += 3600.0
    assert told.turn() == []


def test_a_status_is_one_line(manager: Manager) -> None:
    lines = Told(manager).turn(line="a\nREADY=1\nb " + "x" * 500)
    assert lines[0] == "READY=1"
    assert lines[1].startswith("STATUS=a READY=1 b xxx")
    assert len(lines) == 2
    assert len(lines[1]) < 220


def test_one_who_does_not_read_is_not_waited_for(manager: Manager) -> None:
    told = Told(manager)
    begun = time.monotonic()
    for number in range(5_000):
        told.teller.on_turn(True, "", False, f"{number}")
    assert time.monotonic() - begun < 5.0
    while manager.hear(0.0):
        pass
    assert told.turn(line="at last") == ["STATUS=at last"]


def test_what_was_not_heard_is_told_when_somebody_is_there(tmp_path: Path) -> None:
    path = str(tmp_path / "later")
    teller = ServiceManager({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"})
    teller.on_turn(True, "", False, RUNNING)
    with listening(path) as manager:
        teller.on_turn(True, "", False, RUNNING)
        assert manager.hear(0.0) == ["READY=1", f"STATUS={RUNNING}", "WATCHDOG=1"]


def test_without_a_socket_nothing_is_sent() -> None:
    ServiceManager({}).on_turn(True, "", False, RUNNING)
    ServiceManager({"WATCHDOG_USEC": "1000000"}).on_turn(True, "", False, RUNNING)


def test_a_child_cannot_speak_for_the_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.setenv(name, "1")
    forget_service_manager()
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & os.environ.keys()


def test_a_start_is_over_when_the_first_strategy_runs_or_nobody_boots() -> None:
    benches = [Bench(), Bench()]
    order = StartStopOrder([bench.child for bench in benches], [], 0.0)
    for bench in benches:
        bench.start(0.0)
    assert not order.is_up
    benches[0].child.on_ready(0.1)
    assert not order.is_up
    benches[0].child._move(LifecycleEvent.RECOVERED)
    assert order.is_up
    assert StartStopOrder([], [], 0.0).is_up
