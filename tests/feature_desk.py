"""A whole system whose strategy asks an API for its features, on a market that the test moves."""

import contextlib
import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.storage import decision_log, ledger_queries, ledger_schema
from mt5crs_shared.storage.decision_log import Decision
from tests.system import ROOT, Pulse, System, running, wait_for

MODEL = ROOT / "models" / "baseline_v1.json"
START_US = 1_700_000_000_000_000
WARM = 256
"""Ticks, a second and a bar apart, after which the next one is decided on."""


class Desk:
    """A system with one strategy that asks, on a market that goes on tick by tick."""

    def __init__(self, system: System, pulse: Pulse) -> None:
        self.system = system
        self._pulse = pulse
        self._sent = 0
        for _ in range(WARM):
            self.publish()
        wait_for(lambda: self.warm() == WARM - 1, "the window to be full")

    def warm(self) -> int:
        metrics = self.system.strategy("asks").metrics
        return metrics.warm if metrics is not None else 0

    def publish(self) -> int:
        """One more tick, which closes a bar; its time."""
        at = START_US + self._sent * 1_000_000
        bid = round(1.1 + 0.002 * math.sin(self._sent / 5.0), 5)
        self._pulse.send(Tick("EURUSD", at, bid, round(bid + 0.00002, 5)))
        self._sent += 1
        return at

    def decide(self, count: int = 1) -> None:
        """Publish so many ticks, each after the one before it was decided on."""
        for _ in range(count):
            self.wait_decided(self.publish())

    def wait_decided(self, at: int) -> Decision:
        def found() -> Decision | None:
            return next((d for d in self.decisions() if d.time_us == at), None)

        return wait_for(found, f"the decision on {format_iso(at)}")

    def decisions(self, name: str = "asks") -> list[Decision]:
        return decision_log.read_decisions(self.system.paths.journal(name))

    def kill(self) -> None:
        """kill -9 of the strategy's process; another one is there soon."""
        pid = wait_for(lambda: self.system.strategy("asks").process.pid, "its process")
        with contextlib.suppress(ProcessLookupError):  # it has been killed already
            os.kill(pid, signal.SIGKILL)

    def deals(self) -> list[tuple[Any, ...]]:
        with ledger_schema.open_ledger(self.system.paths.ledger) as db:
            found = [deal.fill for deal in ledger_queries.deals(db)]
        return [(f.order_id, f.time_us, f.price, f.lots, f.profit) for f in found]


@contextlib.contextmanager
def desk(
    folder: Path, url: str, settings: dict[str, Any], others: int = 0, **supervisor: Any
) -> Iterator[Desk]:
    """Start it, and bring it to where the next tick is decided on.

    Args:
        folder: A folder of its own.
        url: The API.
        settings: Of `feature_api`.
        others: Strategies beside it that compute the same features themselves.
        supervisor: Of ``global.supervisor``.
    """
    strategy = {
        "name": "asks",
        "symbol": "EURUSD",
        "model_path": str(MODEL),
        "threshold": 0.5,
        "timeframe": "S1",
        "features": "api",
        "feature_api": settings,
        # A busy machine takes its time to bring a process back.
        "max_signal_age": 60.0,
    }
    local = {k: v for k, v in strategy.items() if not k.startswith("feature")}
    beside = [{**local, "name": f"computes{number}"} for number in range(others)]
    folder.mkdir(exist_ok=True)
    globals_ = {"feature_api_url": url, "supervisor": supervisor}
    with running(folder, [strategy, *beside], globals_, wait=False) as system:
        pulse = Pulse(system.port, ["EURUSD"])
        try:
            system.wait_running()
            pulse.wait_heard(3 + others)
            yield Desk(system, pulse)
        finally:
            pulse.stop()
