"""A process that died on a tick which the tape has not heard of: decided again, and the same."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import zmq

from mt5crs_services.ring import TickRing
from mt5crs_services.service import BacklogServer
from mt5crs_shared.configuration.structs import (
    Config,
    GlobalConfig,
    RiskConfig,
    StrategyConfig,
    SupervisorConfig,
)
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import Beat
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.trading.orders import Fill
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.strategy import BUY, HOLD, SELL, Signal, Strategy
from tests.integration.processes import Publisher, Supervisor, make_spec, spawn_child, wait_for

EURUSD = SymbolSpec("EURUSD", 100_000.0, 5, 0.01, 0.01, 100.0, "USD", "EUR")
START_US = 1_700_000_000_000_000
WARM = 20


class DiesAtFill(Strategy):
    """Turns its position at each tick with a volume; ends in a deal where a file says so."""

    warmup = WARM

    def on_bar(self, bars: BarWindow) -> Signal:
        return HOLD

    def on_tick(self, tick: Tick, bars: BarWindow) -> Signal:
        if not tick.volume:
            return HOLD
        long = self.state["long"] = not self.state.get("long", False)
        return BUY if long else SELL

    def on_fill(self, fill: Fill) -> None:
        trigger = Path(self.params["trigger"])
        if fill.entry == self.params["at"] and trigger.exists():
            trigger.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


class Stage:
    """A gateway, a strategy that dies, and a tape by the test, which hears what it is told."""

    def __init__(self, folder: Path, stack: ExitStack, at: str) -> None:
        self.var = folder / "var"
        self.trigger = folder / "trigger"
        paths = VarPaths(self.var)
        paths.create()
        self._stack = stack
        self.publisher = stack.enter_context(Publisher())
        self.supervisor = stack.enter_context(Supervisor(self.var))
        self._context: zmq.Context[Any] = zmq.Context()
        self._ring = TickRing("EURUSD", 1_000, 1)
        self._tape = BacklogServer(self._context, paths, "tape", {"EURUSD": self._ring})
        strategy = StrategyConfig(
            name="dies",
            symbol="EURUSD",
            strategy="tests.integration.test_recovery:DiesAtFill",
            evaluate="tick",
            timeframe="S1",
            params={"trigger": str(self.trigger), "at": at},
            risk_config=RiskConfig(stop_loss_atr_multiple=50.0),
        )
        self.config = Config(
            path=str(self.var / "strategies.yaml"),
            strategies=(strategy,),
            globals=GlobalConfig(
                zmq_market_url=self.publisher.url, supervisor=SupervisorConfig(heartbeat=0.05)
            ),
            symbols={"EURUSD": EURUSD},
        )
        self.sent: list[Tick] = []
        stack.enter_context(spawn_child(make_spec("gateway", self.config, self.var)))
        self.wait(lambda: self.phase("gateway") == "running", "the gateway")

    def worker(self, epoch: int) -> Any:
        """Another process of the strategy."""
        spec = make_spec("strategy", self.config, self.var, epoch, "dies")
        return self._stack.enter_context(spawn_child(spec))

    def phase(self, name: str, epoch: int = 1) -> str:
        """What a process says it does; empty: nothing yet."""
        beats = [m for m in self.supervisor.read() if getattr(m, "phase", "")]
        return next((b.phase for b in reversed(beats) if (b.name, b.epoch) == (name, epoch)), "")

    def publish(self, traded: bool = False, recorded: bool = True) -> Tick:
        """One more tick; the tape may have missed it."""
        count = len(self.sent)
        bid = 1.1 + 0.001 * (count % 2)
        at = START_US + count * 1_000_000
        tick = Tick("EURUSD", at, bid, bid + 0.0001, volume=float(traded))
        self.sent.append(tick)
        if recorded:
            self.record(tick)
        self.publisher.publish(tick)
        return tick

    def record(self, tick: Tick) -> None:
        self._ring.append(tick)

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        """Answer as the tape until something is so."""

        def look() -> bool:
            self._tape.serve()
            return bool(condition())

        wait_for(look, what)

    def die_on_a_tick(self, quiet: int) -> Tick:
        """Let it trade, and die on a tick that the tape has not heard of.

        Args:
            quiet: Ticks without a decision before that: no checkpoint is kept of them.
        """
        first = self.worker(1)

        def trading() -> bool:
            self.publish(traded=len(self.sent) > WARM)
            time.sleep(0.01)  # the pace of the market
            return len(self.sent) > WARM and len(self.deals()) > 6

        self.wait(trading, "deals")
        self.wait_decided(self.publish(traded=True))
        for _ in range(quiet):
            self.publish()
        self.wait(lambda: self.newest() == self.sent[-1].time_us, "the quiet ticks")
        self.trigger.touch()
        last = self.publish(traded=True, recorded=False)
        self.wait(lambda: not first.is_alive(), "its death in the middle of a deal")
        return last

    def newest(self) -> int:
        """Event time of the newest tick that the first process has taken, by its last beat."""
        beats = [m for m in self.supervisor.read() if isinstance(m, Beat) and m.name == "dies"]
        metrics = beats[-1].metrics if beats else None
        return metrics.last_tick_time_us if metrics is not None else 0

    def wait_decided(self, tick: Tick) -> None:
        """Wait until a tick was decided on."""
        self.wait(lambda: tick.time_us in [t for t, *_ in self.decisions()], "the decision")

    def decisions(self) -> list[tuple[int, str, str]]:
        """Time, action and orders of what the journal has."""
        with closing(sqlite3.connect(self.var / "state" / "dies.db")) as db:
            return db.execute("SELECT time_us, action, order_ids FROM decisions").fetchall()

    def deals(self) -> list[tuple[str, int]]:
        with ledger_schema.open_ledger(self.var / "ledger.db") as db:
            return [(deal.fill.order_id, deal.fill.time_us) for deal in ledger_queries.deals(db)]

    def close(self) -> None:
        self._tape.close()
        self._context.term()


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[Callable[[str], Stage]]:
    with ExitStack() as stack:

        def make(at: str) -> Stage:
            made = Stage(tmp_path, stack, at)
            stack.callback(made.close)
            return made

        yield make


@pytest.mark.parametrize(("at", "quiet"), [("IN", 0), ("OUT", 0), ("IN", 3)])
def test_a_tick_that_was_traded_on_comes_again_and_is_decided_on_as_before(
    make_stage: Callable[[str], Stage], at: str, quiet: int
) -> None:
    stage = make_stage(at)
    last = stage.die_on_a_tick(quiet)
    assert last.time_us not in [time_us for time_us, *_ in stage.decisions()]
    stage.worker(2)
    stage.wait(lambda: stage.phase("dies", 2) in ("recovering", "running", "holding"), "its beats")
    # The tape has nothing more, and says so.
    until = time.monotonic() + 0.5
    stage.wait(lambda: time.monotonic() > until, "some answers")
    stage.record(last)
    stage.publish()
    stage.wait(lambda: stage.phase("dies", 2) in ("running", "holding"), "it to go on")
    stage.wait_decided(stage.publish(traded=True))
    again = {time_us: (action, ids) for time_us, action, ids in stage.decisions()}
    action, ids = again[last.time_us]
    assert action == "TURN"
    assert len(ids.split()) == 2
    ordered = [order_id for order_id, _ in stage.deals()]
    assert len(ordered) == len(set(ordered))
    on_last = [order_id for order_id, time_us in stage.deals() if time_us == last.time_us]
    assert on_last == ids.split()


@pytest.mark.parametrize("quiet", [0, 3])
def test_a_tick_that_nobody_has_is_not_waited_for_once_later_ones_come(
    make_stage: Callable[[str], Stage], quiet: int
) -> None:
    stage = make_stage("IN")
    last = stage.die_on_a_tick(quiet)
    # They lie in one answer of the tape with what the dead process had not kept.
    stage.publish()
    stage.publish(traded=True)
    stage.worker(2)
    stage.wait(lambda: stage.phase("dies", 2) in ("running", "holding"), "it to go on")
    stage.wait_decided(stage.publish(traded=True))
    assert last.time_us not in [time_us for time_us, *_ in stage.decisions()]
    after = [(action, ids) for time_us, action, ids in stage.decisions() if time_us > last.time_us]
    assert {action for action, _ in after} <= {"TURN", "KEEP", "NONE"}, after
    with closing(sqlite3.connect(stage.var / "state" / "dies.db")) as db:
        assert ("reconciled",) in db.execute("SELECT kind FROM events").fetchall()
    with ledger_schema.open_ledger(stage.var / "ledger.db") as ledger:
        assert {order.status for order in ledger_queries.read_orders(ledger)} == {"FILLED"}
