"""A whole system in a temporary folder: the real supervisor, real processes, a feed by the test."""

import contextlib
import itertools
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
import yaml
import zmq
from msgspec.structs import replace

from mt5crs_shared.control.status_report import ChildStatus, StatusReport, StrategyStatus
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market import wire
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.operator.control import ControlClient

ROOT = Path(__file__).resolve().parents[1]
BARS = str(ROOT / "tests" / "seconds.csv")
"""Bars of a second at the prices of a `Pulse`: with this `history` nobody waits for 15 of them."""

PATIENCE = 60.0
"""Seconds that a condition may take on a busy machine before the test fails."""


T = TypeVar("T")


def wait_for(condition: Callable[[], T | None], what: str, within: float = PATIENCE) -> T:
    """The first true answer of a condition.

    A look costs what those need who are waited for: after half a second looks become rarer.
    """
    begun = time.monotonic()
    while (waited := time.monotonic() - begun) < within:
        with contextlib.suppress(Mt5crsError):
            found = condition()
            if found:
                return found
        time.sleep(min(max(waited / 50.0, 0.01), 0.05))  # between two looks
    raise AssertionError(f"not within {within:g} s: {what}")


def shipped_symbols(names: Container[str]) -> list[dict[str, Any]]:
    """Entries of config/symbols.yaml."""
    listed = yaml.safe_load((ROOT / "config" / "symbols.yaml").read_text())["symbols"]
    return [entry for entry in listed if entry["name"] in names]


def _ports() -> Iterator[int]:
    """Ports below those that the system gives to whoever connects, from a random one on.

    Each process of a run has a share of its own: what one has been given, and has not bound yet,
    another one would find free. Who runs alone has the last one, beside a whole run.
    """
    first, count, shares = 10_000, 1_400, 16
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw15")[2:])
    share = range(first, first + count * shares)[worker % shares :: shares]
    begin = secrets.randbelow(count)
    return itertools.cycle((*share[begin:], *share[:begin]))


_PORTS = _ports()


def free_port() -> int:
    """A port that nobody listens on just now, and that was given to nobody else lately."""
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("unreachable: the ports go round")


def listens(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Pulse:
    """Publishes ticks of some symbols at a steady pace, each stamped with the moment it was sent.

    Args:
        port: Where to bind.
        symbols: What to quote.
        rate: Ticks a second of each symbol.
    """

    def __init__(self, port: int, symbols: list[str], rate: float = 50.0) -> None:
        self.sent = dict.fromkeys(symbols, 0)
        self.port = port
        self._rate = rate
        self._injected: deque[Tick] = deque()
        self._stop = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.bind(f"tcp://127.0.0.1:{port}")
        self._thread = threading.Thread(target=self._run)

    def wait_heard(self, listeners: int) -> None:
        """Wait until so many have subscribed to each symbol (a worker, the tape, the gateway)."""
        heard = dict.fromkeys(self.sent, 0)
        deadline = time.monotonic() + PATIENCE
        while any(count < listeners for count in heard.values()):
            assert time.monotonic() < deadline, f"not enough listeners: {heard}"
            if self._socket.poll(100):
                word = self._socket.recv()
                symbol = word[1:].decode(errors="replace")
                if word[:1] == b"\x01" and symbol in heard:
                    heard[symbol] += 1

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def inject(self, tick: Tick) -> None:
        """Publish this tick next, with the time of that moment."""
        self._injected.append(tick)

    def silence(self) -> None:
        """Publish no more; subscribers stay connected."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def stop(self) -> None:
        """Publish no more; what was sent has left this process."""
        self.silence()
        if self._socket.closed:
            return
        self._socket.close(2000)
        self._context.term()

    def send(self, tick: Tick) -> None:
        """Publish one tick as it is."""
        self._socket.send(wire.encode(tick))
        self.sent[tick.symbol] += 1

    def _run(self) -> None:
        begun, turn = time.monotonic(), 0
        while not self._stop.is_set():
            for symbol in self.sent:
                bid = 1.1 + 0.0001 * (turn % 9)
                tick = Tick(symbol, time.time_ns() // 1000, bid, bid + 0.0001)
                self.send(tick)
            while self._injected:
                self.send(replace(self._injected.popleft(), time_us=time.time_ns() // 1000))
            turn += 1
            self._stop.wait(max(begun + turn / self._rate - time.monotonic(), 0.0))


class System:
    """One installation: its configuration, its supervisor, its ``var`` folder.

    Args:
        folder: A temporary folder.
        strategies: Entries of the YAML; `model_path` may be left out where a class is named.
        globals_: Added to ``global:``.
    """

    def __init__(
        self, folder: Path, strategies: list[dict[str, Any]], globals_: dict[str, Any] | None = None
    ) -> None:
        self.port = free_port()
        self.folder = folder
        self.var = folder / "var"
        self.paths = VarPaths(self.var)
        self.config = folder / "strategies.yaml"
        self.process: subprocess.Popen[bytes] | None = None
        self.write_config(strategies, globals_ or {})

    def write_config(self, strategies: list[dict[str, Any]], globals_: dict[str, Any]) -> None:
        """Write the YAML, with the shipped symbols beside it."""
        url = f"tcp://localhost:{self.port}"
        document = {
            "strategies": strategies,
            "global": {"zmq_market_url": url, "default_balance": 10_000.0, **globals_},
        }
        self.config.write_text(yaml.safe_dump(document, sort_keys=False))
        symbols = (ROOT / "config" / "symbols.yaml").read_text()
        (self.folder / "symbols.yaml").write_text(symbols)

    def start(self, *arguments: str) -> None:
        """Start the supervisor in the foreground of a session of its own."""
        self.process = subprocess.Popen(
            [*self.command("start", "--config", str(self.config)), *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=(self.folder / "supervisor.out").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def command(self, *arguments: str) -> list[str]:
        """A command line on this installation."""
        return [sys.executable, "-m", "mt5crs_supervisor", "--var-dir", str(self.var), *arguments]

    def status(self) -> StatusReport:
        """What the supervisor says."""
        return ControlClient(self.var).status()

    def strategy(self, name: str) -> StrategyStatus:
        """A strategy's status."""
        return next(s for s in self.status().strategies if s.process.name == name)

    def service(self, name: str) -> ChildStatus:
        """A service's status."""
        return next(s for s in self.status().services if s.name == name)

    def pid(self, name: str) -> int:
        """The process of a strategy or a service."""
        report = self.status()
        children = [*report.services, *(s.process for s in report.strategies)]
        pid = next(child.pid for child in children if child.name == name)
        assert pid is not None, f"{name} has no process"
        return pid

    def pids(self) -> dict[str, int | None]:
        """Every child's process."""
        report = self.status()
        children = [*report.services, *(s.process for s in report.strategies)]
        return {child.name: child.pid for child in children}

    def epochs(self) -> dict[str, int]:
        """The number of every child's spawn."""
        report = self.status()
        children = [*report.services, *(s.process for s in report.strategies)]
        return {child.name: child.epoch for child in children}

    def processed(self, name: str) -> int:
        """Ticks that a strategy has processed, by its last beat."""
        metrics = self.strategy(name).metrics
        return metrics.ticks_processed if metrics is not None else 0

    def wait_running(self) -> None:
        """Wait until every child is RUNNING."""

        def everybody() -> bool:
            report = self.status()
            states = [s.process.state for s in report.strategies]
            states += [s.state for s in report.services]
            return all(state == "RUNNING" for state in states)

        wait_for(everybody, "everybody RUNNING")

    def wait_state(self, name: str, state: str) -> None:
        """Wait until a strategy is in a state."""
        wait_for(lambda: self.strategy(name).process.state == state, f"{name} {state}")

    def wait_back(self, name: str, old_pid: int) -> None:
        """Wait until a child runs in another process than before."""

        def back() -> bool:
            report = self.status()
            children = [*report.services, *(s.process for s in report.strategies)]
            child = next(c for c in children if c.name == name)
            return child.state == "RUNNING" and child.pid not in (None, old_pid)

        wait_for(back, f"{name} back in another process than {old_pid}")

    def kill_until_given_up(self, name: str) -> None:
        """Kill a child's process as often as it comes back, until it is QUARANTINED."""

        def given_up() -> bool:
            child = self.status().child(name)
            assert child is not None
            if child.pid is not None and child.state == "RUNNING":
                with contextlib.suppress(ProcessLookupError):  # it has been killed already
                    os.kill(child.pid, signal.SIGKILL)
            return child.state == "QUARANTINED"

        wait_for(given_up, f"{name} to be given up")

    def stop(self) -> None:
        """Stop in order; afterwards nothing is left."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        finally:
            self.end_leftovers()

    def end_leftovers(self) -> None:
        """See that every process has ended, or is ending; whoever stays is killed, and told."""
        try:
            wait_for(lambda: not self.processes(), "the end of every process", 5.0)
        finally:
            for process in self.processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()

    def kill_everybody(self) -> None:
        """Kill every process at once, the supervisor first, and wait until they have ended."""
        assert self.process is not None
        self.process.kill()
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        wait_for(lambda: not self.processes(), "everybody dead")

    def processes(self) -> list[psutil.Process]:
        """Every living process that works on this folder, by its open files."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if any(str(self.var) in file.path for file in process.open_files()):
                    found.append(process)
        return found


@contextlib.contextmanager
def running(
    folder: Path,
    strategies: list[dict[str, Any]],
    globals_: dict[str, Any] | None = None,
    wait: bool = True,
) -> Iterator[System]:
    """A system that has started, and is stopped at the end whatever happened."""
    system = System(folder, strategies, globals_)
    system.start()
    try:
        if wait:
            system.wait_running()
        yield system
    finally:
        system.stop()
