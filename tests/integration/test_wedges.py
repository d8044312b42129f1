"""What a strategy does to its files, its children and its supervisor's sockets wedges nobody."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
import zmq

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.messages import Beat
from mt5crs_shared.process import installation
from mt5crs_supervisor.operator.control import ControlClient
from mt5crs_supervisor.processes.instance_lock import holder
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.strategy import HOLD, Signal, Strategy
from tests.chaos.crosses import CROSS
from tests.system import System, running, wait_for

FEED = {"feed": {"kind": "synthetic", "speed": 20.0, "history_minutes": 10}}
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
ANSWERS_WITHIN = 30.0
"""Seconds, on a busy machine; a wedged supervisor never answers."""


class Parent(Strategy):
    """Has children of its own: one of a command, one of a fork; both hold what it had open."""

    warmup = 1

    def __init__(self, config: StrategyConfig, symbol: SymbolSpec) -> None:
        super().__init__(config, symbol)
        command = subprocess.Popen(SLEEP, close_fds=False)
        fork = os.fork()
        if fork == 0:
            if self.params.get("own_session"):
                os.setsid()
            time.sleep(600)  # until it is killed
            os._exit(0)
        Path(self.params["file"]).write_text(f"{command.pid} {fork}")

    def on_bar(self, bars: BarWindow) -> Signal:
        return HOLD


def entry(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "symbol": "EURUSD", "strategy": CROSS, "timeframe": "S5", **more}


def parent(file: Path, **params: object) -> dict[str, object]:
    strategy = f"{__name__}:Parent"
    return entry("parent", strategy=strategy, params={"file": str(file), **params})


def grandchildren(file: Path) -> list[psutil.Process]:
    return [psutil.Process(int(pid)) for pid in file.read_text().split()]


def all_gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with running(tmp_path, [entry("one"), entry("two")], FEED) as found:
        yield found


def assert_nobody_noticed(system: System, before: dict[str, int | None]) -> None:
    """The supervisor answers, and every process is the one it was."""
    begun = time.monotonic()
    assert system.pids() == before
    assert time.monotonic() - begun < ANSWERS_WITHIN


def test_what_a_strategy_has_started_ends_with_it(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    with running(tmp_path, [parent(file), entry("two")], FEED) as system:
        first = grandchildren(file)
        victim = system.pid("parent")
        os.kill(victim, signal.SIGKILL)
        system.wait_back("parent", victim)
        wait_for(lambda: all_gone(first), "the end of what the killed one had started")
        second = grandchildren(file)
        assert not all_gone(second)
        assert system.process is not None
        system.process.send_signal(signal.SIGTERM)
        assert system.process.wait(ANSWERS_WITHIN) == 0
        assert all_gone(second)


def test_who_leaves_its_session_does_not_keep_the_supervisor(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    with running(tmp_path, [parent(file, own_session=True)], FEED) as system:
        _, escaped = grandchildren(file)
        try:
            assert system.process is not None
            system.process.send_signal(signal.SIGTERM)
            assert system.process.wait(ANSWERS_WITHIN) == 0
        finally:
            escaped.kill()
            psutil.wait_procs([escaped], ANSWERS_WITHIN)


def test_a_forkserver_that_stands_still_keeps_nobody_from_stopping(system: System) -> None:
    forkserver = system.status().forkserver_pid
    assert forkserver is not None
    assert system.process is not None
    os.kill(forkserver, signal.SIGSTOP)
    system.process.send_signal(signal.SIGTERM)
    assert system.process.wait(ANSWERS_WITHIN) == 0


def test_a_cleared_temporary_folder_keeps_nobody_dead(system: System) -> None:
    """Systems clear what has lain there for some days."""
    found = holder(system.paths)
    assert found is not None
    shutil.rmtree(found.temporary)
    for name in ("one", "two"):
        victim = system.pid(name)
        os.kill(victim, signal.SIGKILL)
        system.wait_back(name, victim)
    assert not any(event.kind == "no_process" for event in system.status().events)


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3_000_000_000)


def make_folder(path: Path) -> None:
    path.mkdir()


def make_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [make_fifo, make_huge, make_folder, make_link])
def test_files_that_are_none_are_not_waited_for(
    system: System, make: Callable[[Path], None]
) -> None:
    before = system.pids()
    memory = psutil.Process(system.status().pid).memory_info().rss
    for suffix in ("stacks", "flight", "words"):
        path = system.var / "run" / f"one.{suffix}"
        path.unlink(missing_ok=True)
        make(path)
    victim = system.pid("one")
    os.kill(victim, signal.SIGKILL)
    if make is make_folder:
        # It cannot write there; nobody else cares.
        system.wait_state("one", "QUARANTINED")
    else:
        system.wait_back("one", victim)
    del before["one"]
    assert_nobody_noticed(system, {**before, "one": system.pids()["one"]})
    grown = psutil.Process(system.status().pid).memory_info().rss - memory
    assert grown < 100_000_000


def test_a_start_waits_for_no_file(system: System) -> None:
    """Whatever lies in the folder as a FIFO: who needs it says so, everybody else works."""
    assert system.process is not None
    system.process.send_signal(signal.SIGTERM)
    assert system.process.wait(ANSWERS_WITHIN) == 0
    files = [file for file in system.var.rglob("*") if file.is_file() and file.parent.name != "run"]
    for file in files:
        if file.name != "installation":
            file.unlink()
            os.mkfifo(file)
    system.start()
    for name, file in (("gateway", "ledger.db"), ("feed", "state/feed.position")):
        wait_for(lambda n=name: system.service(n).state == "QUARANTINED", f"{name}'s complaint")
        assert f"{file} is no regular file" in system.service(name).last_error
        (system.var / file).unlink()
        (system.var / "state/feed.json").unlink(missing_ok=True)
        restarted = subprocess.run(system.command("restart", name), capture_output=True)
        assert restarted.returncode == 0, restarted.stderr
    system.wait_running()


def test_a_huge_model_costs_the_supervisor_nothing(tmp_path: Path) -> None:
    model = tmp_path / "huge.json"
    with model.open("wb") as file:
        file.write(b"{")
        file.truncate(600_000_000)
    bad = {"name": "huge", "symbol": "EURUSD", "model_path": str(model)}
    with running(tmp_path, [bad, entry("two")], FEED, wait=False) as system:
        wait_for(lambda: system.strategy("two").process.state == "RUNNING", "two RUNNING")
        wait_for(lambda: system.strategy("huge").process.state == "QUARANTINED", "its end")
        # It waits for strategies that boot.
        wait_for(lambda: system.service("feed").state == "RUNNING", "the feed")
        assert psutil.Process(system.status().pid).memory_info().rss < 200_000_000
        assert_nobody_noticed(system, system.pids())


def test_requests_that_are_none_are_refused(system: System) -> None:
    before = system.pids()
    with zmq.Context() as context, context.socket(zmq.DEALER) as client:
        client.setsockopt(zmq.LINGER, 0)
        client.connect(system.paths.endpoint("control"))
        for body in (b"[" * 100_000, b'{"type":' * 50_000, b"\xff" * 1_000, b"", b"{}" * 10**6):
            client.send_multipart([b"", body])
            assert client.poll(ANSWERS_WITHIN * 1000)
            assert b"cannot be read" in client.recv_multipart()[-1]
        client.send_multipart([b""] * 500)
    assert_nobody_noticed(system, before)


def test_a_thousand_connections_are_carried(system: System) -> None:
    before = system.pids()
    path = str(system.paths.socket_file("control"))
    clients = []
    try:
        for _ in range(1_100):
            client = socket.socket(socket.AF_UNIX)
            client.connect(path)
            clients.append(client)
        assert_nobody_noticed(system, before)
    finally:
        for client in clients:
            client.close()
    assert_nobody_noticed(system, before)


def test_a_flood_of_valid_beats_keeps_nobody_waiting(system: System) -> None:
    """Two impostors, who know the installation's secret, beat for `two` as fast as they can."""
    own = installation.load_installation(system.paths.installation)
    two = system.strategy("two").process
    beat = msgspec.msgpack.encode(Beat("two", two.pid or 0, two.epoch, 1, "running"))
    stop = threading.Event()

    def flood() -> None:
        with zmq.Context() as context, context.socket(zmq.DEALER) as client:
            client.setsockopt(zmq.LINGER, 0)
            client.setsockopt(zmq.IDENTITY, own.identity("two", two.epoch))
            client.connect(system.paths.endpoint("supervisor"))
            while not stop.is_set():
                for _ in range(1_000):
                    try:
                        client.send(beat, zmq.DONTWAIT)
                    except zmq.Again:
                        break

    floods = [threading.Thread(target=flood) for _ in range(2)]
    for thread in floods:
        thread.start()
    try:
        victim = system.pid("one")
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: system.pids()["one"] not in (None, victim), "a new process of one")
        system.wait_state("one", "RUNNING")
        assert psutil.Process(system.status().pid).memory_info().rss < 300_000_000
    finally:
        stop.set()
        for thread in floods:
            thread.join()


def test_a_strategys_own_signal_handler_takes_nothing_from_the_loop(tmp_path: Path) -> None:
    strategy = f"{__name__}:Handler"
    with running(tmp_path, [entry("handler", strategy=strategy)], FEED) as system:
        pid = system.pid("handler")
        for _ in range(50):
            os.kill(pid, signal.SIGUSR2)
            time.sleep(0.01)  # between two signals
        processed = system.processed("handler")
        wait_for(lambda: system.processed("handler") > processed + 50, "more ticks")
        assert system.pid("handler") == pid


class Handler(Strategy):
    """Has a signal handler, as libraries do."""

    warmup = 1

    def __init__(self, config: StrategyConfig, symbol: SymbolSpec) -> None:
        super().__init__(config, symbol)
        signal.signal(signal.SIGUSR2, lambda _signum, _frame: None)

    def on_bar(self, bars: BarWindow) -> Signal:
        return HOLD


def test_a_client_that_leaves_is_no_matter(system: System) -> None:
    before = system.pids()
    for _ in range(20):
        with zmq.Context() as context, context.socket(zmq.DEALER) as client:
            client.setsockopt(zmq.LINGER, 0)
            client.connect(system.paths.endpoint("control"))
            client.send_multipart([b"", b'{"type":"status"}'])
    assert ControlClient(system.var).status().pid == system.status().pid
    assert_nobody_noticed(system, before)
