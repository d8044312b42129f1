"""The oracle of an outside publisher's ticks, where a process died between an order and its end."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from benchmarks.outside import oracle
from benchmarks.outside.account import account
from benchmarks.outside.oracle import Redecided
from benchmarks.outside.publisher import Published
from mt5crs_shared.configuration.structs import RiskConfig, StrategyConfig
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.trading.orders import Fill, Order, OrderResult, Position
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.process import unsettled
from mt5crs_worker.strategy import BUY, EXIT, HOLD, Signal, Strategy
from mt5crs_worker.trading.journal import Checkpoint, Journal
from tests.unit.gateway_cases import SYMBOLS, Office, config, tick
from tests.unit.test_unsettled import ToOffice

PLAN = {3: BUY, 6: EXIT}
"""What is said on the ticks with these counts, modulo 7."""


class Regular(Strategy):
    """Opens and closes by counting ticks."""

    warmup = 15

    def on_bar(self, bars: BarWindow) -> Signal:
        return HOLD

    def on_tick(self, tick: Tick, bars: BarWindow) -> Signal:
        count = self.state["count"] = self.state.get("count", 0) + 1
        return PLAN.get(count % 7, HOLD)


ENTRY = StrategyConfig(
    "euro",
    "EURUSD",
    magic=7,
    strategy=f"{__name__}:{Regular.__name__}",
    timeframe="S1",
    evaluate="tick",
    risk_config=RiskConfig(max_position_size=100.0),
)
TICKS = [tick(n * 250_000, 1.1 + n % 5 * 1e-4, 1.1001 + n % 5 * 1e-4) for n in range(120)]


class Died(BaseException):
    """What ends a process of this test."""


class Way(ToOffice):
    """Its process may die when an order was written down."""

    dies_at: Tick | None = None

    def submit(self, request: Order) -> OrderResult:
        if self.journal.intend(request) is None and request.tick == self.dies_at:
            raise Died
        result = self.office.submit(request)
        self.journal.settle(result)
        return result

    def closed_by(self, position: Position, tick: Tick, rate: float | None) -> Fill | None:
        return None

    def closed_before(self, position: Position, tick: Tick) -> bool:
        return False


class Run:
    """One strategy's processes, one after the other, with what they leave."""

    def __init__(self, folder: Path) -> None:
        self.paths = VarPaths(folder)
        self.paths.create()
        self.office = Office(self.paths.ledger)
        self.journal = Journal(self.paths.journal("euro"), 1)
        self.way = Way(self.office, self.journal)
        self.instance = self.make()

    def make(self, checkpoint: Checkpoint | None = None) -> StrategyInstance:
        return StrategyInstance(
            ENTRY, SYMBOLS["EURUSD"], self.way, 10_000.0, "USD", checkpoint=checkpoint
        )

    def take(self, ticks: Sequence[Tick]) -> None:
        for each in ticks:
            self.office.feed(each)
            self.instance.on_tick(each)
            self.save()

    def take_until(self, signal: Signal) -> int:
        """Place of the tick that will be answered so."""
        for place, each in enumerate(TICKS):
            if place > 80 and PLAN.get((self.instance.strategy.state["count"] + 1) % 7) is signal:
                return place
            self.take([each])
        raise AssertionError("it never is")

    def save(self) -> None:
        checkpoint = self.instance.checkpoint(None, 0, self.instance.get_status())
        self.journal.save(checkpoint, self.instance.take_decisions())

    def die_on(self, last: Tick, sent: bool) -> None:
        """Write an order on a tick down; the next process's tape has not heard that tick."""
        saved = self.journal.load()
        self.way.dies_at = last
        self.office.feed(last)
        with pytest.raises(Died):
            self.instance.on_tick(last)
        (order,) = self.journal.unsettled()
        if sent:
            self.office.submit(order)
        self.way.dies_at = None
        self.instance = self.make(saved)
        self.instance.bot.position = self.office.position("euro")
        unsettled.settle(self.journal, self.way, self.instance, lambda _: True)

    def redecided(self, missing: int) -> Redecided:
        published = [Published(each, True) for each in TICKS]
        span = (TICKS[missing - 1].time_us, TICKS[missing + 1].time_us)
        told = account(published, [span], self.instance.ticks_processed)
        assert (told.lost, told.twice, told.missed) == (0, 0, 1)
        settings = msgspec.structs.replace(config(), strategies=(ENTRY,))
        return oracle.redecide(settings, self.paths, {"EURUSD": published}, {"euro": told})["euro"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path / "var")
    yield made
    made.journal.close()
    made.office.ledger.close()


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("signal", [BUY, EXIT])
def test_an_order_on_a_tick_that_the_next_process_missed_is_taken(
    run: Run, signal: Signal, sent: bool
) -> None:
    place = run.take_until(signal)
    run.die_on(TICKS[place], sent)
    assert (run.instance.bot.position is None) == (signal is EXIT)
    run.take(TICKS[place + 1 :])
    again = run.redecided(place)
    assert again.parting == ""
    assert again.decided == again.expected == again.equal > 15
    assert len(run.office.fills()) > 15
