"""How long ticks and orders take: counted beside the decisions, never in them."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from mt5crs_shared.messages import Beat
from mt5crs_shared.metrics import (
    DECISION_BOUNDS,
    ORDER_BOUNDS,
    Durations,
    StrategyMetrics,
    Timings,
)
from mt5crs_worker.process import vitals
from mt5crs_worker.process.vitals import Vitals
from mt5crs_worker.trading.durations import DurationCounter
from mt5crs_worker.trading.gateway_client import GatewayClient
from mt5crs_worker.trading.journal import Checkpoint


def test_each_is_counted_in_its_bucket() -> None:
    counter = DurationCounter((0.001, 0.01))
    for seconds in (0.0005, 0.001, 0.0011, 5.0):
        counter.observe(seconds)
    assert counter.counted == Durations((2, 1, 1), pytest.approx(5.0026))


def test_bounds_rise_and_make_eight_buckets() -> None:
    for bounds in (DECISION_BOUNDS, ORDER_BOUNDS):
        assert len(bounds) == 7
        assert list(bounds) == sorted(set(bounds))


class Ticking(Vitals):
    """A strategy's vitals with a clock, and a gateway that takes its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        clock = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr(vitals, "time", clock)
        self.decider = SimpleNamespace(answers=0)
        self.gateway = GatewayClient.__new__(GatewayClient)
        self.gateway._spent = []
        parts: dict[str, Any] = {
            "_instance": SimpleNamespace(decider=self.decider),
            "_gateway": self.gateway,
            "_answers": 0,
            "_decisions": DurationCounter(DECISION_BOUNDS),
        }
        vars(self).update(parts)

    def tick(self, took: float, answers: int = 1, ordering: float = 0.0) -> None:
        self.last_tick_at = self.now
        if ordering:
            self.gateway._spent.append((self.now, ordering))
        self.now += took + ordering
        self.decider.answers += answers
        self.end_tick()

    @property
    def counted(self) -> Durations:
        return self._decisions.counted


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Ticking:
    return Ticking(monkeypatch)


def test_a_tick_that_nothing_was_asked_on_is_not_counted(ticking: Ticking) -> None:
    ticking.tick(0.5, answers=0)
    assert sum(ticking.counted.counts) == 0
    ticking.tick(0.0004)
    ticking.tick(0.5, answers=0)
    assert ticking.counted == Durations((0, 0, 1, 0, 0, 0, 0, 0), pytest.approx(0.0004))


def test_what_orders_take_is_no_part_of_the_decision(ticking: Ticking) -> None:
    ticking.gateway._spent.append((1.0, 30.0))  # one of an earlier process was sent again
    ticking.tick(0.0004, ordering=2.0)
    ticking.tick(0.0004)
    assert ticking.counted == Durations((0, 0, 2, 0, 0, 0, 0, 0), pytest.approx(0.0008))


def test_no_clock_gets_into_a_checkpoint() -> None:
    kept = {*Checkpoint.__struct_fields__, *StrategyMetrics.__struct_fields__}
    assert not kept & {"timings", "decisions", "orders"}


def test_a_beat_that_says_nothing_new_of_it_leaves_what_was_said() -> None:
    timings = Timings(Durations((1,) * 8, 1.0), Durations((0,) * 8))
    full = Beat("euro", 1, 1, 0, "running", timings=timings)
    short = msgspec.structs.replace(full, timings=None)
    assert short.after(full).timings == timings
    assert len(msgspec.msgpack.encode(full)) - len(msgspec.msgpack.encode(short)) < 100
