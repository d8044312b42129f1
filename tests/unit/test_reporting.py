"""Figures of the status that are made of beats."""

import msgspec
import pytest

from mt5crs_shared.configuration.structs import RestartConfig
from mt5crs_shared.messages import Beat, Phase
from mt5crs_shared.metrics import StrategyMetrics, Usage
from mt5crs_supervisor.operator import reporting
from mt5crs_supervisor.processes.handle import ExitStatus
from mt5crs_supervisor.processes.standbys import StandingBy
from tests.unit.child_cases import Bench


def beat(bench: Bench, at: float, ticks: int, cpu: float, phase: Phase = "running") -> None:
    metrics = StrategyMetrics(ticks_processed=ticks)
    child = bench.child
    child.on_beat(
        Beat(child.name, 1, child.spawn.epoch, 0, phase, usage=Usage(0, cpu), metrics=metrics), at
    )


@pytest.fixture
def bench() -> Bench:
    one = Bench()
    one.start(0.0)
    one.child.on_ready(0.1)
    return one


def test_what_was_taken_from_the_tape_is_no_rate(bench: Bench) -> None:
    beat(bench, 1.0, 0, 0.0, "recovering")
    beat(bench, 1.4, 400_000, 0.4)
    assert reporting._rate(bench.child) == 0.0
    beat(bench, 1.9, 400_002, 0.41)
    assert reporting._rate(bench.child) == pytest.approx(4.0)


def test_two_beats_that_were_read_in_one_go_say_nothing(bench: Bench) -> None:
    beat(bench, 1.0, 0, 0.0)
    beat(bench, 1.0001, 2, 0.5)
    assert (reporting._rate(bench.child), reporting._cpu(bench.child)) == (0.0, 0.0)


def test_a_second_of_work_in_a_second_is_a_whole_core(bench: Bench) -> None:
    beat(bench, 1.0, 0, 0.0)
    beat(bench, 2.0, 50, 1.0)
    assert reporting._rate(bench.child) == pytest.approx(50.0)
    assert reporting._cpu(bench.child) == pytest.approx(100.0)


def test_who_asked_first_is_next_in_the_queue() -> None:
    first, second, running = Bench(), Bench(), Bench()
    second.start(2.0)
    first.start(1.0)
    running.start(0.0)
    children = [second.child, running.child, first.child]
    for name, child in zip(("second", "running", "first"), children, strict=True):
        child.plan = msgspec.structs.replace(child.plan, name=name)
    running.child.spawn.pending = False
    first.child.spawn.pending = second.child.spawn.pending = True
    assert reporting._queue(children) == {"first": 0, "second": 1}


def test_a_beat_that_says_nothing_new_leaves_what_was_said(bench: Bench) -> None:
    child = bench.child
    metrics = StrategyMetrics(ticks_processed=9, last_tick_age=1.0)
    full = Beat(child.name, 1, child.spawn.epoch, 0, "running", metrics=metrics)
    child.on_beat(full, 10.0)
    short = msgspec.structs.replace(full, loops=7, metrics=None)
    assert len(msgspec.msgpack.encode(short)) < 120
    child.on_beat(short, 12.0)
    assert child.spawn.beat == msgspec.structs.replace(full, loops=7)
    status = reporting._strategy(
        child, reporting._child(child, 12.5, {}, StandingBy()), None, (), 12.5
    )
    assert status.metrics == metrics
    assert status.last_tick_age == pytest.approx(1.0 + 2.5)
    assert status.process.beat_age == pytest.approx(0.5)


def test_one_that_is_gone_says_what_it_died_of_and_not_what_failed_before() -> None:
    bench = Bench(RestartConfig(first_delay=5.0, jitter=0.0))
    bench.start(0.0)
    bench.child.on_ready(0.1)
    child = bench.child
    metrics = StrategyMetrics(errors_in_a_row=7, last_error="ValueError: of an older version")
    told = Beat(child.name, 1, child.spawn.epoch, 0, "running", metrics=metrics)
    child.on_beat(told, 1.0)
    assert reporting._child(child, 1.0, {}, StandingBy()).last_error == metrics.last_error
    child.on_exit(ExitStatus(-9), 2.0)
    gone = reporting._child(child, 2.0, {}, StandingBy())
    assert (gone.pid, gone.last_error) == (None, child.last_error)
    assert "SIGKILL" in gone.last_error
