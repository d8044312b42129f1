"""A process that stood by has nothing to import: it says at once that it has begun, or hangs."""

import signal

import pytest

from mt5crs_shared.messages import Hello
from mt5crs_supervisor.children.health import STARVING
from mt5crs_supervisor.children.restart_policy import Cause
from mt5crs_supervisor.children.spawn import STACKS_WITHIN
from mt5crs_supervisor.processes.handle import ExitStatus, Load
from tests.unit.child_cases import SETTINGS, Bench, FakeHandle

LATE = SETTINGS.hang_after + 0.1


@pytest.fixture
def bench() -> Bench:
    return Bench()


def taking_over(bench: Bench) -> FakeHandle:
    """One that had used a second and a half while it got warm."""
    handle = bench.start(0.0)
    handle.warm_cpu = 1.5
    return handle


def test_one_that_says_nothing_is_killed_as_one_that_hangs_is(bench: Bench) -> None:
    handle = taking_over(bench)
    bench.child.on_time(SETTINGS.hang_after)
    assert handle.signals == []
    bench.child.on_time(LATE)
    bench.child.on_time(LATE + STACKS_WITHIN)
    assert handle.signals == [signal.SIGUSR1, signal.SIGKILL]
    bench.child.on_exit(ExitStatus(-9), 3.4)
    (death,) = bench.deaths.reports
    assert death.cause is Cause.HANG
    assert death.detail == "it stood by, and has not begun after 3.1 s"


def test_one_that_has_begun_may_boot_for_as_long_as_any_other(bench: Bench) -> None:
    handle = taking_over(bench)
    bench.child.spawn.on_hello(Hello("s", "strategy", handle.pid, 1, "h", True, ""))
    bench.child.on_time(SETTINGS.start_timeout)
    assert handle.signals == []
    bench.child.on_time(SETTINGS.start_timeout + 0.1)
    assert handle.signals == [signal.SIGUSR1]


def test_one_that_the_machine_does_not_let_run_gets_more_time(bench: Bench) -> None:
    handle = taking_over(bench)
    handle.load_now = Load(runnable=True, cpu=1.6)
    bench.child.on_time(LATE)
    assert handle.signals == []
    bench.child.on_time(STARVING * SETTINGS.hang_after + 0.1)
    assert handle.signals == [signal.SIGUSR1]


def test_one_that_runs_and_says_nothing_gets_no_more_time(bench: Bench) -> None:
    handle = taking_over(bench)
    handle.load_now = Load(runnable=True, cpu=4.0)
    bench.child.on_time(LATE)
    assert handle.signals == [signal.SIGUSR1]
