"""A running system with a feed: one strategy that misbehaves, and others that must not notice."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.strategies import RECORD
from tests.core_waits import CoreWaits
from tests.system import Pulse, System, running, wait_for

LATE_MS = 250.0
"""A tick that a bystander sees later than this after it was sent has been disturbed: unless what
it waited for was a core, of which none is promised."""

HERE = "tests.chaos.strategies"
SYMBOLS = {"victim": "EURUSD", "witness": "GBPUSD", "bystander": "XAUUSD"}


def entry(folder: Path, name: str, **changes: Any) -> dict[str, Any]:
    """A strategy that records its ticks."""
    return {
        "name": name,
        "symbol": SYMBOLS[name],
        "strategy": f"{HERE}:{'Faulty' if name == 'victim' else 'Recorder'}",
        "evaluate": "tick",
        "timeframe": "S1",
        "params": {"file": str(folder / f"{name}.ticks"), "trigger": str(folder / "trigger")},
        **changes,
    }


class Scene:
    """A running system with a feed, a victim and two that must not notice."""

    def __init__(self, system: System, pulse: Pulse) -> None:
        self.system = system
        self.pulse = pulse
        self.before = system.pids()
        self.waits = CoreWaits([os.getpid(), *filter(None, self.before.values())])
        self.before_fault: dict[str, int] = {}

    def begin(self) -> None:
        """Let the market begin: the first tick of all waits a tenth of a second for the tape."""
        self.run_on()
        self.before_fault = dict(self.pulse.sent)

    def fault(self, fault: str) -> None:
        """Have the victim misbehave at its next tick."""
        trigger = self.system.folder / "trigger"
        trigger.with_suffix(".new").write_text(fault)
        trigger.with_suffix(".new").replace(trigger)

    def kill(self, name: str, signum: int = signal.SIGKILL) -> int:
        """Send a signal to a child; its process before."""
        pid = self.system.pid(name)
        os.kill(pid, signum)
        return pid

    def run_on(self, ticks: int = 25) -> None:
        """Let the market go on for a while."""
        symbol = SYMBOLS["witness"]
        target = self.pulse.sent[symbol] + ticks
        wait_for(lambda: self.pulse.sent[symbol] >= target, "more ticks")

    def seen(self, name: str) -> list[tuple[int, int]]:
        """What a strategy has recorded."""
        data = (self.system.folder / f"{name}.ticks").read_bytes()
        return list(RECORD.iter_unpack(data[: len(data) // RECORD.size * RECORD.size]))

    def assert_undisturbed(self, *names: str) -> None:
        """The others took every tick once, in order, in time, in the process they had."""
        self.pulse.stop()
        for name in names or ("witness", "bystander"):
            sent = self.pulse.sent[SYMBOLS[name]]
            wait_for(lambda n=name, s=sent: self.system.processed(n) >= s, f"{name} to take all")
            seen = self.seen(name)
            times = [event for event, _ in seen]
            assert len(seen) == sent
            assert times == sorted(set(times))
            assert self.system.pid(name) == self.before[name]
            late = self._late_ms(name, seen[self.before_fault[SYMBOLS[name]] :])
            assert late <= LATE_MS, f"{name} saw a tick {late:.0f} ms late"

    def _late_ms(self, name: str, seen: list[tuple[int, int]]) -> float:
        """How late the latest tick was, without what it or its publisher waited for a core."""
        pids = (os.getpid(), self.before[name] or 0)
        late_us = [at - event - self.waits.between(event, at, *pids) for event, at in seen]
        return max(late_us) / 1000.0

    def assert_complete(self, name: str) -> None:
        """It took every tick that was sent, however often it died on the way."""
        sent = self.pulse.sent[SYMBOLS[name]]
        wait_for(lambda: self.system.processed(name) == sent, f"{name} to take {sent} ticks")
        assert len({event for event, _ in self.seen(name)}) == sent


@contextmanager
def playing(folder: Path, strategies: list[dict[str, Any]]) -> Iterator[Scene]:
    """A scene of these, on 50 ticks a second of each symbol, everybody RUNNING."""
    with running(folder, strategies) as system:
        pulse = Pulse(system.port, [strategy["symbol"] for strategy in strategies])
        try:
            pulse.wait_heard(3)
            pulse.start()
            scene = Scene(system, pulse)
            with scene.waits:
                scene.begin()
                yield scene
        finally:
            pulse.stop()
