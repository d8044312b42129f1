"""One child's life, event by event, with the clock in the test's hand."""

import logging
import signal

import msgspec
import pytest

from mt5crs_shared.configuration.structs import LimitsConfig, RestartConfig
from mt5crs_shared.control.states import State
from mt5crs_shared.events import Died, Quarantined
from mt5crs_shared.messages import Beat, Failed, FirstTick, Kind
from mt5crs_supervisor.children.health import STARVING
from mt5crs_supervisor.children.pauses import Pauses
from mt5crs_supervisor.children.restart_policy import Cause
from mt5crs_supervisor.children.spawn import STACKS_WITHIN, SURVIVED
from mt5crs_supervisor.processes.handle import ExitStatus, Load
from tests.unit.child_cases import SETTINGS, Bench, FakeHandle


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_child_comes_up(bench: Bench) -> None:
    bench.start(0.0)
    assert bench.child.state is State.STARTING
    bench.child.on_ready(0.1)
    assert bench.child.state is State.RECOVERING
    bench.beat(0.2, "recovering")
    assert bench.child.state is State.RECOVERING
    bench.beat(0.3)
    assert bench.child.state is State.RUNNING


def test_the_first_death_is_answered_at_once(bench: Bench) -> None:
    handle = bench.run(0.0)
    bench.child.on_exit(ExitStatus(-9), 5.0)
    assert handle.closed
    assert bench.parent.spawned == 2
    assert bench.child.state is State.STARTING
    assert bench.child.restarts == 1
    assert bench.child.last_error == "killed by SIGKILL"


def test_a_death_is_an_error_and_its_reason_goes_with_the_repair(bench: Bench) -> None:
    bench.run(0.0)
    bench.child.on_failed(Failed("one", 1, 1, "model x is damaged", permanent=True))
    bench.child.on_exit(ExitStatus(1), 5.0)
    grave = [type(e) for e in bench.parent.events if e.level == logging.ERROR]
    assert grave == [Died, Quarantined]
    assert "model x is damaged" in bench.child.last_error
    bench.child.restart(6.0)
    assert bench.child.last_error == ""


def test_the_recovery_time_runs_from_death_to_first_tick(bench: Bench) -> None:
    bench.run(0.0)
    bench.child.on_exit(ExitStatus(-9), 5.0)
    bench.process()
    bench.child.on_first_tick(FirstTick("s", 1, 2, 5.03))
    assert bench.child.spawn.recovery == pytest.approx(0.03)


def test_a_child_that_never_died_has_no_recovery_time(bench: Bench) -> None:
    bench.run(0.0)
    bench.child.on_first_tick(FirstTick("s", 1, 1, 0.5))
    assert bench.child.spawn.recovery is None


def test_the_second_death_waits(bench: Bench) -> None:
    bench.run(0.0)
    bench.child.on_exit(ExitStatus(1), 1.0)
    bench.process()
    bench.child.on_exit(ExitStatus(1), 1.1)
    assert bench.child.state is State.BACKOFF
    bench.child.on_time(1.5)
    assert bench.child.state is State.BACKOFF
    bench.child.on_time(1.61)
    assert bench.child.state is State.STARTING


def test_a_silent_child_writes_its_stacks_and_is_killed(bench: Bench) -> None:
    handle = bench.run(0.0)
    bench.child.on_time(SETTINGS.hang_after)
    assert handle.signals == []
    bench.child.on_time(SETTINGS.hang_after + 0.01)
    assert handle.signals == [signal.SIGUSR1]
    bench.child.on_time(SETTINGS.hang_after + STACKS_WITHIN)
    assert handle.signals == [signal.SIGUSR1]
    bench.child.on_time(SETTINGS.hang_after + 0.01 + STACKS_WITHIN)
    bench.child.on_time(SETTINGS.hang_after + 0.05 + STACKS_WITHIN)
    assert handle.signals == [signal.SIGUSR1, signal.SIGKILL]
    assert [kind for kind, _ in bench.parent.told].count("hung") == 1
    bench.child.on_exit(ExitStatus(-9), 3.4)
    (death,) = bench.deaths.reports
    killed_at = SETTINGS.hang_after + 0.01 + STACKS_WITHIN
    assert (death.cause, death.killed_at, death.at) == (Cause.HANG, killed_at, 3.4)
    assert bench.child.last_error.startswith("no heartbeat for 3.0 s")
    assert bench.child.state is State.STARTING


def test_a_silent_child_that_the_machine_does_not_let_run_gets_more_time(bench: Bench) -> None:
    handle = bench.run(0.0)
    handle.load_now = Load(runnable=True, cpu=0.1)
    bench.child.on_time(SETTINGS.hang_after + 0.5)
    assert handle.signals == []
    bench.child.on_time(STARVING * SETTINGS.hang_after + 0.1)
    assert handle.signals == [signal.SIGUSR1]


def test_an_endless_loop_gets_no_more_time(bench: Bench) -> None:
    handle = bench.run(0.0)
    handle.load_now = Load(runnable=True, cpu=2.0)
    bench.child.on_time(SETTINGS.hang_after + 0.1)
    assert handle.signals == [signal.SIGUSR1]


def test_a_child_that_is_still_booting_is_not_judged_by_its_beats(bench: Bench) -> None:
    handle = bench.start(0.0)
    bench.child.on_time(SETTINGS.start_timeout)
    assert handle.signals == []
    bench.child.on_time(SETTINGS.start_timeout + 0.1)
    bench.child.on_time(SETTINGS.start_timeout + 0.1 + STACKS_WITHIN)
    assert handle.signals == [signal.SIGUSR1, signal.SIGKILL]


def test_a_bad_model_is_not_tried_again(bench: Bench) -> None:
    bench.start(0.0)
    bench.child.on_failed(Failed("s", 1, 1, "model x is damaged", permanent=True))
    bench.child.on_exit(ExitStatus(1), 0.5)
    assert bench.child.state is State.QUARANTINED
    assert bench.child.last_error == "model x is damaged (exit code 1)"
    bench.child.on_time(1e6)
    assert bench.child.state is State.QUARANTINED


def test_three_failed_boots_end_in_quarantine_and_the_operator_brings_it_back(bench: Bench) -> None:
    now = 0.0
    bench.start(now)
    for _ in range(3):
        bench.child.on_exit(ExitStatus(1), now)
        now += 10.0
        bench.child.on_time(now)
        if bench.child.state is State.STARTING:
            bench.process()
    assert bench.child.state is State.QUARANTINED
    assert bench.child.last_error.endswith("(the last of 3 failures in a row before it was ready)")
    bench.child.restart(now)
    assert bench.child.state is State.STARTING


def test_a_start_is_judged_from_when_there_is_a_process(bench: Bench) -> None:
    bench.child.start(0.0)
    queued = 10 * SETTINGS.start_timeout
    bench.child.on_time(queued)
    handle = FakeHandle(7)
    bench.child.on_spawned(handle, queued)
    bench.child.on_time(queued + SETTINGS.start_timeout)
    assert handle.signals == []
    bench.child.on_time(queued + SETTINGS.start_timeout + 0.1)
    assert handle.signals == [signal.SIGUSR1]


def test_recycling_an_adopted_process_is_no_death() -> None:
    bench = Bench(limits=LimitsConfig("100MB"))
    bench.run(0.0)
    bench.beat(1.0, megabytes=101)
    bench.child.on_exit(ExitStatus(None), 2.0)
    assert (bench.child.state, bench.deaths.reports) == (State.STARTING, [])


def test_stopping_is_gentle_first_and_then_not(bench: Bench) -> None:
    handle = bench.run(0.0)
    bench.child.stop(1.0)
    assert (bench.child.state, handle.signals) == (State.STOPPING, [signal.SIGTERM])
    bench.child.on_time(1.0 + SETTINGS.stop_timeout)
    assert handle.signals == [signal.SIGTERM, signal.SIGKILL]
    bench.child.on_exit(ExitStatus(-9), 12.0)
    assert bench.child.state is State.STOPPED
    assert bench.parent.spawned == 1


def test_a_child_asked_to_stop_before_its_process_is_there_stops_when_it_comes(
    bench: Bench,
) -> None:
    bench.child.start(0.0)
    bench.child.stop(0.1)
    handle = bench.process()
    assert handle.signals == [signal.SIGTERM]
    bench.child.on_exit(ExitStatus(-15), 0.2)
    assert bench.child.state is State.STOPPED


def test_a_restart_stops_first_and_starts_with_a_clean_record(bench: Bench) -> None:
    handle = bench.run(0.0)
    bench.child.restart(1.0)
    assert handle.signals == [signal.SIGTERM]
    bench.child.on_exit(ExitStatus(0), 1.1)
    assert bench.child.state is State.STARTING
    assert bench.child.restarts == 0


def test_a_stop_after_a_restart_wins(bench: Bench) -> None:
    bench.run(0.0)
    bench.child.restart(1.0)
    bench.child.stop(1.05)
    bench.child.on_exit(ExitStatus(0), 1.1)
    assert bench.child.state is State.STOPPED


def test_a_hung_child_that_is_asked_to_stop_is_killed_all_the_same(bench: Bench) -> None:
    handle = bench.run(0.0)
    bench.child.on_time(4.0)
    bench.child.stop(4.05)
    bench.child.on_time(4.05 + SETTINGS.stop_timeout)
    assert handle.signals[-1] == signal.SIGKILL
    bench.child.on_exit(ExitStatus(-9), 15.0)
    assert bench.child.state is State.STOPPED


def test_an_adopted_child_is_judged_like_any_other(bench: Bench) -> None:
    handle = FakeHandle(77)
    bench.child.adopt(handle, 41, 0.0)
    assert (bench.child.state, bench.child.spawn.epoch) == (State.RECOVERING, 41)
    bench.beat(0.5)
    assert bench.child.state is State.RUNNING
    bench.child.on_time(4.0)
    assert handle.signals == [signal.SIGUSR1]


def test_a_child_over_its_memory_is_replaced_in_good_order_and_none_of_it_counts() -> None:
    bench = Bench(limits=LimitsConfig("100MB"))
    handle = bench.run(0.0)
    bench.beat(1.0, megabytes=101)
    bench.beat(1.5, megabytes=102)
    assert (bench.parent.recycled, handle.signals) == (1, [])
    bench.child.on_exit(ExitStatus(0), 2.0)
    assert bench.child.state is State.STARTING
    assert bench.deaths.reports == []
    assert bench.parent.spawned == 2


def test_a_recovery_is_measured_from_the_end_before_it_not_from_a_death_of_last_week() -> None:
    bench = Bench(limits=LimitsConfig("100MB"))
    bench.run(0.0)
    bench.child.on_exit(ExitStatus(-9), 1.0)
    bench.process()
    bench.child.on_ready(1.0)
    bench.child.on_first_tick(FirstTick("s", 1, 2, 1.25))
    bench.beat(600_000.0, megabytes=101)
    bench.child.on_exit(ExitStatus(0), 600_001.0)
    bench.process()
    bench.child.on_first_tick(FirstTick("s", 1, 3, 600_001.5))
    assert bench.child.spawn.recovery == 0.5


def test_a_child_far_over_its_memory_is_killed() -> None:
    bench = Bench(limits=LimitsConfig("100MB", memory_hard="120MB"))
    handle = bench.run(0.0)
    bench.beat(1.0, megabytes=121)
    bench.child.on_time(1.0 + STACKS_WITHIN)
    assert handle.signals == [signal.SIGUSR1, signal.SIGKILL]
    bench.child.on_exit(ExitStatus(-9), 1.3)
    assert bench.deaths.reports[0].cause is Cause.MEMORY
    assert "121 MB of memory; the hard limit is 120 MB" in bench.child.last_error


def test_a_kill_by_the_kernel_for_want_of_memory_is_called_so(bench: Bench) -> None:
    bench.run(0.0)
    bench.child.on_exit(ExitStatus(-9), 1.0, oom=True)
    assert bench.deaths.reports[0].cause is Cause.OOM


def test_a_kill_from_outside_is_not_its_own_doing() -> None:
    bench = Bench(RestartConfig(max_deaths=100))
    for now, (code, own) in enumerate([(-9, False), (None, False), (-11, True), (1, True)]):
        bench.child.start(now * 100.0)
        bench.process()
        bench.child.on_ready(now * 100.0)
        bench.child.on_exit(ExitStatus(code), now * 100.0 + 1.0)
        assert bench.deaths.blamed[-1] is own
        bench.child.on_time(now * 100.0 + 50.0)


def test_who_slept_judges_nobody(bench: Bench) -> None:
    handle = bench.run(0.0)
    pauses = Pauses(lambda *_: None)
    for now in (0.2, 0.4):
        pauses.on_turn(now, [bench.child])
        bench.child.on_time(now)
    pauses.on_turn(15.4, [bench.child])
    bench.child.on_time(15.4)
    assert handle.signals == []
    # It gets the whole time-out again, and no more.
    bench.child.on_time(15.4 + SETTINGS.hang_after + 0.1)
    assert handle.signals != []


def test_a_beat_takes_the_sentence_back(bench: Bench) -> None:
    handle = bench.run(0.0)
    late = SETTINGS.hang_after + 0.5
    bench.child.on_time(late)
    assert handle.signals == [signal.SIGUSR1]
    bench.beat(late + 0.05)
    bench.child.on_time(late + 1.0)
    assert handle.signals == [signal.SIGUSR1]
    assert bench.child.state is State.RUNNING
    assert "spared" in [kind for kind, _ in bench.parent.told]


def test_a_beat_spares_nobody_who_is_to_stop(bench: Bench) -> None:
    handle = bench.run(0.0)
    bench.child.on_time(4.0)
    bench.child.stop(4.05)
    bench.beat(4.06)
    assert bench.child.state is State.STOPPING
    bench.child.on_time(4.05 + SETTINGS.stop_timeout)
    assert handle.signals == [signal.SIGUSR1, signal.SIGTERM, signal.SIGKILL]


def test_one_that_cannot_be_killed_is_told_of_once(bench: Bench) -> None:
    handle = bench.run(0.0)
    killed = 4.0 + STACKS_WITHIN
    for now in (4.0, killed):
        bench.child.on_time(now)
        assert bench.child.state is State.KILLING
    assert handle.signals == [signal.SIGUSR1, signal.SIGKILL]
    bench.child.on_time(killed + SURVIVED)
    assert "not_killed" not in [kind for kind, _ in bench.parent.told]
    for later in (0.1, 0.3):
        bench.child.on_time(killed + SURVIVED + later)
    assert [kind for kind, _ in bench.parent.told].count("not_killed") == 1
    assert f"process {handle.pid} is still there" in bench.child.last_error
    assert bench.parent.spawned == 1
    # When it has gone after all, it is a hang like any other.
    bench.child.on_exit(ExitStatus(-9), 60.0)
    assert bench.deaths.reports[0].cause is Cause.HANG
    assert bench.child.state is State.STARTING


def test_a_degraded_child_is_told_of_when_it_begins_and_when_it_ends(bench: Bench) -> None:
    bench.run(0.0)

    def silent(now: float) -> None:
        why = f"the feed is silent for {now:g} s"
        bench.child.on_beat(Beat("s", 1, bench.child.spawn.epoch, 1, "running", degraded=why), now)

    # What is over in a moment is not worth a word.
    silent(1.0)
    bench.beat(2.5)
    assert [kind for kind, _ in bench.parent.told] == ["running"]
    for now in (3.0, 4.0, 5.0, 6.0):
        silent(now)
    bench.beat(7.0)
    assert bench.parent.told[-2:] == [
        ("degraded", "the feed is silent for 5 s"),
        ("well", "over: the feed is silent for 5 s"),
    ]


def test_what_one_that_recovers_waits_for_is_told(bench: Bench) -> None:
    bench.start(0.0)
    epoch = bench.child.spawn.epoch
    why = "the gateway has not answered"
    bench.child.on_beat(Beat("s", 1, epoch, 1, "recovering", degraded=why), 0.5)
    assert bench.child.degraded == "", "it has not even booted"
    bench.child.on_ready(1.0)
    for now in (1.5, 3.6, 31.4):
        bench.child.on_beat(Beat("s", 1, epoch, 1, "recovering", degraded=why), now)
        assert bench.child.degraded == why
    assert bench.parent.told == [], "at a start each waits for the others for a while"
    bench.child.on_beat(Beat("s", 1, epoch, 1, "recovering", degraded=why), 31.6)
    assert bench.child.state is State.RECOVERING
    assert bench.parent.told == [("degraded", why)]


@pytest.mark.parametrize(("kind", "back"), [("tape", 1), ("strategy", 0)])
def test_a_service_is_back_when_it_works(bench: Bench, kind: Kind, back: int) -> None:
    """It has no first tick; a strategy has recovered only with that."""
    bench.child.plan = msgspec.structs.replace(bench.child.plan, kind=kind)
    bench.run(0.0)
    bench.child.on_exit(ExitStatus(-9), 10.0)
    bench.process()
    bench.child.on_ready(10.5)
    bench.beat(11.0)
    assert bench.deaths.recoveries == back
    assert bench.child.spawn.recovery == (1.0 if back else None)


@pytest.mark.parametrize(("code", "named"), [(-signal.SIGSEGV, True), (-signal.SIGKILL, False)])
def test_a_crash_names_the_line_that_it_was_in_and_a_kill_does_not(
    bench: Bench, code: int, named: bool
) -> None:
    bench.run(0.0)
    bench.child.spawn.stuck_at = "my_strategies.py:12, on_bar"  # perhaps of an earlier moment
    bench.child.on_exit(ExitStatus(code), 1.0)
    assert bench.child.last_error.startswith("my_strategies.py:12, on_bar: ") == named
