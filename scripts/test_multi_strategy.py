"""The six tests of the task, against real worker processes, a real gateway and a real tape.

Ten ticks of EURUSD and ten of GBPUSD are published on a PUB socket. Two model strategies must
each see their own ten and no other; a third, whose code raises on every tick, must not disturb
them. The exit code is 0 when all six tests passed.
"""

import io
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq

from mt5crs_shared.market import wire
from mt5crs_shared.market.ticks import Tick
from mt5crs_supervisor import MultiStrategyRunner

ROOT = Path(__file__).resolve().parents[1]
LINE = "=" * 80
TICKS = 10
WITHIN = 30.0
"""Seconds that booting, and processing the ticks, may take at most."""

EURUSD, GBPUSD, BROKEN = "eurusd_test", "gbpusd_test", "broken_test"
PRICES = {"EURUSD": 1.1000, "GBPUSD": 1.2700}

CONFIG = """
strategies:
  - {{name: eurusd_test, symbol: EURUSD, model_path: {model}, threshold: 0.55}}
  - {{name: gbpusd_test, symbol: GBPUSD, model_path: {model}, threshold: 0.50}}
  - {{name: broken_test, symbol: EURUSD, strategy: "broken_strategy:Broken", evaluate: tick}}
global:
  zmq_market_url: tcp://127.0.0.1:{port}
"""

BROKEN_CODE = """
from mt5crs_worker.strategy import Strategy

class Broken(Strategy):
    warmup = 1

    def on_bar(self, bars):
        raise RuntimeError("broken on purpose")

    def on_tick(self, tick, bars):
        raise RuntimeError("broken on purpose")
"""


class System:
    """A running system in a folder of its own, and the publisher it listens to."""

    def __init__(self, folder: Path) -> None:
        (folder / "broken_strategy.py").write_text(BROKEN_CODE)
        # Workers look for a strategy's class where this process would.
        sys.path.append(str(folder))
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._publisher = self._context.socket(zmq.XPUB)
        self._publisher.setsockopt(zmq.XPUB_VERBOSE, 1)
        port = self._publisher.bind_to_random_port("tcp://127.0.0.1")
        config = folder / "config" / "strategies.yaml"
        config.parent.mkdir()
        symbols = (ROOT / "config" / "symbols.yaml").read_text()
        (config.parent / "symbols.yaml").write_text(symbols)
        model = ROOT / "models" / "baseline_v1.json"
        config.write_text(CONFIG.format(model=model, port=port))
        self.runner = MultiStrategyRunner(config, folder / "var")
        self._thread = threading.Thread(target=self.runner.run, args=(0,), name="runner")
        self._thread.start()

    def strategy(self, name: str) -> dict[str, Any]:
        """One strategy's status."""
        found = self.runner.get_status()["strategies"]
        return next(dict(strategy) for strategy in found if strategy["name"] == name)

    def wait(self, condition: Callable[[], bool]) -> bool:
        """Look until a condition holds, at most WITHIN seconds."""
        deadline = time.monotonic() + WITHIN
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.05)  # between two looks
        return condition()

    def ready(self) -> bool:
        """Every strategy runs and is connected."""
        strategies = self.runner.get_status()["strategies"]
        return all(s["state"] == "RUNNING" and not s["degraded"] for s in strategies)

    def publish(self) -> None:
        """Ten ticks of each symbol, in turn, in the T1 form, once nobody subscribes any more."""
        while self._publisher.poll(300):
            self._publisher.recv()
        begun_us = time.time_ns() // 1000
        for number in range(TICKS):
            for symbol, price in PRICES.items():
                bid = price + number * 0.0001
                tick = Tick(symbol, begun_us + number * 10_000, bid, bid + 0.0001)
                self._publisher.send(wire.encode(tick))
            time.sleep(0.01)  # the pace of these ticks

    def close(self) -> None:
        """Stop everything, and wait until it is gone."""
        self.runner.stop()
        self._thread.join()
        self._publisher.close(0)
        self._context.term()


def loading(system: System) -> None:
    """Configuration loading."""
    assert [s.name for s in system.runner.config.enabled] == [EURUSD, GBPUSD, BROKEN]
    assert system.runner.config.strategies[0].threshold == 0.55


def instantiation(system: System) -> None:
    """Strategy instantiation (2/2)."""
    assert system.wait(system.ready), system.runner.get_status()
    pids = {system.strategy(name)["pid"] for name in (EURUSD, GBPUSD)}
    assert len(pids) == 2, "each strategy has a process of its own"


def routed_to_eurusd(system: System) -> None:
    """EURUSD strategy routed correctly."""
    system.publish()
    expect_ten(system, EURUSD, "EURUSD")


def routed_to_gbpusd(system: System) -> None:
    """GBPUSD strategy routed correctly."""
    expect_ten(system, GBPUSD, "GBPUSD")


def isolation(system: System) -> None:
    """Error isolation working."""
    assert system.wait(lambda: bool(system.strategy(BROKEN)["error_count"] == TICKS))
    assert "broken on purpose" in system.strategy(BROKEN)["last_error"]
    for name in (EURUSD, GBPUSD):
        status = system.strategy(name)
        assert (status["state"], status["error_count"], status["restarts"]) == ("RUNNING", 0, 0)
        assert status["ticks_processed"] == TICKS


def status_reporting(system: System) -> None:
    """Status reporting."""
    status = system.runner.get_status()
    assert status["total_strategies"] == len(status["strategies"]) == 3
    wanted = {"name", "symbol", "enabled", "signals_generated", "orders_sent", "last_tick_time"}
    for strategy in status["strategies"]:
        assert wanted | {"error_count"} <= strategy.keys()
        assert strategy["last_tick_time"], "every strategy has seen a tick"


def expect_ten(system: System, name: str, symbol: str) -> None:
    """The strategy has processed the ten ticks of its symbol, and has received nothing else."""
    assert system.wait(lambda: bool(system.strategy(name)["ticks_processed"] >= TICKS))
    status = system.strategy(name)
    assert status["symbol"] == symbol
    counters = ("ticks_received", "ticks_processed", "ticks_bad", "ticks_missed")
    assert [status[counter] for counter in counters] == [TICKS, TICKS, 0, 0], status


TESTS: tuple[Callable[[System], None], ...] = (
    loading,
    instantiation,
    routed_to_eurusd,
    routed_to_gbpusd,
    isolation,
    status_reporting,
)


def main() -> int:
    """Run the six tests on one system; the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    print(f"{LINE}\n🧪 MULTI-STRATEGY RUNNER TESTS\n{LINE}\n")
    passed = 0
    with tempfile.TemporaryDirectory(prefix="mt5crs-") as folder:
        system = System(Path(folder))
        try:
            for number, test in enumerate(TESTS, 1):
                what = (test.__doc__ or "").rstrip(".")
                try:
                    test(system)
                except AssertionError as error:
                    print(f"Test {number}: ❌ FAIL | {what}: {error}")
                else:
                    passed += 1
                    print(f"Test {number}: ✅ PASS | {what}")
        finally:
            system.close()
    print(f"\nResults: {passed}/{len(TESTS)} tests passed\n{LINE}")
    return 0 if passed == len(TESTS) else 1


if __name__ == "__main__":
    sys.exit(main())
