"""A process that was stopped, replaced and woken again: not one order of it passes."""

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mt5crs_shared.configuration.structs import (
    Config,
    GlobalConfig,
    RiskConfig,
    StrategyConfig,
    SupervisorConfig,
)
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.storage.ledger_queries import OrderRecord
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.strategy import BUY, SELL, Signal, Strategy
from tests.integration.processes import Publisher, Supervisor, make_spec, spawn_child, wait_for

EURUSD = SymbolSpec("EURUSD", 100_000.0, 5, 0.01, 0.01, 100.0, "USD", "EUR")
START_US = 1_700_000_000_000_000
WARM = 20


class Flip(Strategy):
    """Turns its position at every tick."""

    warmup = WARM

    def on_bar(self, bars: BarWindow) -> Signal:
        long = self.state["long"] = not self.state.get("long", False)
        return BUY if long else SELL


class Stage:
    """Tape, gateway, a market and a supervisor's socket."""

    def __init__(self, var: Path, stack: ExitStack) -> None:
        self.var = var
        self.stack = stack
        self.publisher = stack.enter_context(Publisher())
        self.supervisor = stack.enter_context(Supervisor(var))
        strategy = StrategyConfig(
            name="flip",
            symbol="EURUSD",
            strategy="tests.integration.test_fencing:Flip",
            evaluate="tick",
            timeframe="S1",
            risk_config=RiskConfig(stop_loss_atr_multiple=50.0),
        )
        self.config = Config(
            path=str(var / "strategies.yaml"),
            strategies=(strategy,),
            globals=GlobalConfig(
                zmq_market_url=self.publisher.url,
                supervisor=SupervisorConfig(heartbeat=0.05, lease=2.0),
            ),
            symbols={"EURUSD": EURUSD},
        )
        self.sent = 0
        for service in ("tape", "gateway"):
            stack.enter_context(spawn_child(make_spec(service, self.config, var)))  # type: ignore[arg-type]
            self.supervisor.beat(service, lambda b: b.phase == "running")

    def worker(self, epoch: int, lease: float = 3600.0) -> int:
        """Another process of the strategy; its pid, once it runs."""
        spec = make_spec("strategy", self.config, self.var, epoch, "flip", lease)
        process = self.stack.enter_context(spawn_child(spec))
        self.supervisor.beat("flip", lambda b: b.phase in ("running", "holding"), epoch)
        assert process.pid is not None
        return process.pid

    def stopped(self, pid: int) -> bool:
        """Stop a process, unless it is just writing its journal: a lock would stay with it."""
        os.kill(pid, signal.SIGSTOP)
        with contextlib.closing(sqlite3.connect(self.var / "state" / "flip.db", timeout=0)) as db:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                os.kill(pid, signal.SIGCONT)
                return False
            return True

    def publish(self, count: int) -> None:
        """Some more ticks, a second of event time apart."""
        for _ in range(count):
            bid = 1.1 + 0.001 * (self.sent % 2)
            time_us = START_US + self.sent * 1_000_000
            self.publisher.publish(Tick("EURUSD", time_us, bid, bid + 0.0001))
            self.sent += 1

    def publish_until_heard(self) -> None:
        """Publish until every listener takes part; a PUB socket drops what nobody hears yet."""

        def heard() -> bool:
            self.publish(1)
            tape = self.supervisor.beat("tape").progress
            gateway = self.supervisor.beat("gateway").progress
            metrics = self.supervisor.beat("flip").metrics
            processed = metrics.ticks_processed if metrics is not None else 0
            return min(tape, gateway, processed) > 0

        wait_for(heard, "everybody to hear the market")

    def orders(self) -> list[OrderRecord]:
        """The gateway's record."""
        with ledger_schema.open_ledger(self.var / "ledger.db") as db:
            return ledger_queries.read_orders(db)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(tmp_path, stack)


def test_a_revived_process_never_trades_beside_its_replacement(stage: Stage) -> None:
    old = stage.worker(1)
    stage.publish_until_heard()
    stage.publish(WARM + 10)
    wait_for(lambda: len(stage.orders()) > 10, "orders of the first process")
    wait_for(lambda: stage.stopped(old), "the first process to stop outside of a transaction")
    stage.worker(2)
    stage.publish(10)
    by_second = wait_for(
        lambda: [o for o in stage.orders() if o.epoch == 2], "orders of the second process"
    )
    # From here both processes hear the same ticks, and would trade on each of them.
    known = {o.order_id for o in stage.orders() if o.epoch == 1}
    os.kill(old, signal.SIGCONT)
    stage.publish(40)
    last = START_US + (stage.sent - 1) * 1_000_000

    def traded() -> bool:
        stage.publish(1)  # one that a busy machine hears too late is not traded
        return stage.orders()[-1].time_us >= last

    wait_for(traded, "an order on the last tick or a later one")
    orders = stage.orders()
    assert {o.order_id for o in orders if o.epoch == 1} == known
    assert len({o.order_id for o in orders}) == len(orders)
    assert len(by_second) < len([o for o in orders if o.epoch == 2])
    wait_for(lambda: _gone(old), "the old process to end by itself")


def _gone(pid: int) -> bool:
    return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()


def test_without_a_lease_nothing_is_opened_and_with_one_it_goes_on(stage: Stage) -> None:
    stage.worker(1, lease=0.0)
    stage.publish_until_heard()
    stage.publish(WARM + 10)
    stage.supervisor.beat("flip", lambda b: "no lease" in b.degraded)
    stage.supervisor.beat("flip", lambda b: b.phase == "holding" or b.phase == "waiting")
    assert stage.orders() == []
    stage.supervisor.lease("flip", 1, 60.0)
    wait_for(stage.orders, "orders under the lease")
