"""A real system to be fed with anything, and what may be seen of it from outside."""

import contextlib
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml
import zmq

from benchmarks.fuzzing import valid
from mt5crs_shared.control.asking import ControlTimeout, NotRunning
from mt5crs_shared.control.status_report import ChildStatus, StatusReport
from mt5crs_shared.market import wire
from mt5crs_shared.market.stream import SIMULATED_GIVE_UP
from mt5crs_supervisor.chaos.campaign_system import CampaignSystem, ChaosError, wait_for
from mt5crs_supervisor.chaos.scenario import free_port
from mt5crs_supervisor.operator.control import ChildRequest
from tests.system import ROOT, shipped_symbols

CROSS = "mt5crs_worker.examples.ma_cross:MovingAverageCross"
STRATEGIES: list[dict[str, Any]] = [
    {"name": "bars", "symbol": "EURUSD", "strategy": CROSS, "timeframe": "S5"},
    {"name": "yen", "symbol": "EURJPY", "strategy": CROSS, "timeframe": "S5"},
    {
        "name": "each_tick",
        "symbol": "EURUSD",
        "strategy": CROSS,
        "timeframe": "S5",
        "evaluate": "tick",
    },
]
SYMBOL_OF = {entry["name"]: entry["symbol"] for entry in STRATEGIES}

Market = Literal["feed", "publisher"]
"""A feed of ours, or a publisher that is none of ours."""

ANSWERS_WITHIN = 5.0
"""Seconds that the supervisor may take for an answer, whatever is done to it."""

HEALED_WITHIN = SIMULATED_GIVE_UP + 15.0
"""Seconds until everybody is back. A feed of ours whose older state is put back goes back in time,
and whoever begins then waits for its word so long."""

LAST_WORDS = 400
"""Characters that are shown of what a supervisor said when it ended."""


class Violation(msgspec.Struct, frozen=True):
    """Something that must not happen.

    Attributes:
        who: The process.
        what: What became of it, for people.
    """

    who: str
    what: str


class Death(msgspec.Struct, frozen=True):
    """A process that was replaced or given up.

    Attributes:
        who: Its name.
        cause: What the supervisor says of it.
    """

    who: str
    cause: str


class Publisher:
    """Publishes good ticks all the time, and whatever else it is given."""

    def __init__(self, port: int) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.bind(f"tcp://127.0.0.1:{port}")
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def send(self, frames: list[bytes]) -> None:
        """Publish one message."""
        with self._lock:
            self._socket.send_multipart(frames)

    def close(self) -> None:
        """Publish no more."""
        self._stop.set()
        self._thread.join()
        self._socket.close(0)
        self._context.term()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            for symbol in valid.PRICES:
                self.send([wire.encode(valid.tick(symbol))])


class Scene:
    """One system: a supervisor, its services, three strategies, default settings.

    Args:
        folder: Where it lives; made here.
        market: Who publishes.
    """

    def __init__(self, folder: Path, market: Market) -> None:
        folder.mkdir()
        self.market = market
        self.slowest = 0.0
        port = free_port()
        config = folder / "strategies.yaml"
        feed = {"kind": "synthetic", "ticks_per_second": 20.0, "history_minutes": 5}
        settings = {"zmq_market_url": f"tcp://localhost:{port}"}
        settings |= {"feed": feed} if market == "feed" else {}  # type: ignore[dict-item]
        config.write_text(yaml.safe_dump({"strategies": STRATEGIES, "global": settings}))
        symbols = {"symbols": shipped_symbols(set(valid.PRICES))}
        (folder / "symbols.yaml").write_text(yaml.safe_dump(symbols))
        self.system = CampaignSystem(config, folder / "var", cwd=ROOT)
        self.paths = self.system.paths
        self.publisher = Publisher(port) if market == "publisher" else None
        self.system.start()
        self.system.wait_running()

    def close(self) -> list[str]:
        """Stop everything; the processes that did not end by themselves."""
        try:
            return self.system.close()
        finally:
            if self.publisher is not None:
                self.publisher.close()

    def status(self) -> StatusReport:
        """What the supervisor says.

        Raises:
            ChaosError: It does not answer.
        """
        begun = time.monotonic()
        while True:
            try:
                report = self.system.status()
            except (ControlTimeout, NotRunning) as error:
                if self.exited is not None or time.monotonic() - begun > ANSWERS_WITHIN:
                    raise ChaosError(f"{error}{self.last_words()}") from error
                time.sleep(0.05)  # between two questions
                continue
            self.slowest = max(self.slowest, time.monotonic() - begun)
            return report

    @property
    def exited(self) -> int | None:
        """The supervisor's exit code; None: it lives."""
        return self.system.exit_code

    def last_words(self) -> str:
        """What the supervisor said when it ended."""
        if self.exited is None:
            return ""
        said = (self.paths.var / "supervisor.out").read_bytes().decode(errors="replace")
        return f"; it ended with {self.exited}, its last words: {said[-LAST_WORDS:].strip()}"

    def epochs(self) -> dict[str, int]:
        """The number of every child's spawn."""
        return {child.name: child.epoch for child in self.status().children}

    def settle(self, since: float, within: float = 20.0) -> StatusReport:
        """Wait until every process that lives has gone through its loop once more.

        Args:
            since: Monotonic time of what was done.
            within: Seconds.

        Raises:
            ChaosError: One lives and says nothing, or the supervisor does not answer.
        """
        deadline = time.monotonic() + within
        while True:
            report = self.status()
            ago = time.monotonic() - since
            silent = [
                child.name
                for child in report.children
                if child.pid and (child.beat_age is None or child.beat_age > ago)
            ]
            if not silent:
                return report
            if time.monotonic() > deadline:
                raise ChaosError(f"no word of {', '.join(silent)} within {within:g} s")
            time.sleep(0.05)  # between two questions

    def heal(self, names: Collection[str]) -> list[Violation]:
        """Have everybody back: those that gave up are restarted as an operator would."""
        asked: set[str] = set()

        def whole() -> bool:
            for child in self.status().children:
                given_up = child.state == "QUARANTINED"
                if (given_up or child.name in names) and child.name not in asked:
                    asked.add(child.name)
                    self.restart(child.name)
                    return False
                if child.state != "RUNNING":
                    return False
            return True

        try:
            wait_for(whole, "everybody RUNNING", HEALED_WITHIN)
        except ChaosError:
            return [
                Violation(c.name, f"stays {c.state} {c.degraded} {c.last_error}")
                for c in self.status().children
                if c.state != "RUNNING"
            ]
        return []

    def restart(self, name: str) -> None:
        """Give a child a fresh process."""
        with contextlib.suppress(NotRunning, ControlTimeout):
            self.system.request(ChildRequest("restart", (name,)))


def fallen(before: dict[str, int], report: StatusReport) -> list[Death]:
    """Who has another process than before, or none.

    Who had none yet has lost none: a feed of ours begins when the strategies listen, which takes
    longer where one of them has to set its journal aside.
    """
    return [
        Death(child.name, cause_of(child))
        for child in report.children
        if _has_fallen(child, before[child.name])
    ]


def _has_fallen(child: ChildStatus, epoch: int) -> bool:
    replaced = child.epoch != epoch and (epoch > 0 or child.restarts > 0)
    return replaced or child.state in ("BACKOFF", "QUARANTINED")


def cause_of(child: ChildStatus) -> str:
    """What the supervisor says of a child's last death."""
    return f"{child.state}: {child.last_error or child.degraded or 'no reason is told'}"
