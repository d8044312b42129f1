"""What follows from a death: flight recorder, poison ticks, incidents, black boxes."""

import tempfile
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_shared.control.states import State
from mt5crs_shared.process.black_box import flight_recorder
from mt5crs_shared.process.black_box.flight_recorder import SLOTS, FlightRecorder
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import crash_report
from mt5crs_supervisor.deaths.incident import QUIET, STAGGER, IncidentWatch
from mt5crs_supervisor.deaths.poison import PoisonWatch
from mt5crs_supervisor.deaths.post_mortem import PostMortem
from mt5crs_supervisor.processes.handle import ExitStatus
from tests.unit.child_cases import Bench
from tests.unit.death_cases import report, tick


@given(count=st.integers(0, 3 * SLOTS), dies=st.booleans())
def test_the_recorder_remembers_the_last_ticks_and_the_one_at_hand(count: int, dies: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flight"
        recorder = FlightRecorder(path, 7)
        for n in range(count):
            recorder.begin(tick(n))
            if not (dies and n == count - 1):
                recorder.end()
        found = flight_recorder.read_flight(path, "EURUSD", 7)
    assert found.ticks == tuple(tick(n) for n in range(max(count - SLOTS, 0), count))
    assert found.unfinished == (tick(count - 1) if dies and count else None)


def test_a_death_while_waiting_for_the_gateway_is_not_the_ticks_fault(tmp_path: Path) -> None:
    path = tmp_path / "flight"
    recorder = FlightRecorder(path, 7)
    recorder.begin(tick(1))
    with recorder.waiting():
        assert flight_recorder.read_flight(path, "EURUSD", 7).unfinished is None
    assert flight_recorder.read_flight(path, "EURUSD", 7).unfinished == tick(1)
    recorder.end()
    with recorder.waiting():
        pass
    assert flight_recorder.read_flight(path, "EURUSD", 7) == flight_recorder.Flight(
        (tick(1),), None
    )


def test_a_process_that_dies_at_its_boot_is_not_blamed_on_an_earlier_ones_tick(
    tmp_path: Path,
) -> None:
    path = tmp_path / "flight"
    old = FlightRecorder(path, 7)
    old.begin(tick(1))
    assert flight_recorder.read_flight(path, "EURUSD", 7).unfinished == tick(1)
    assert flight_recorder.read_flight(path, "EURUSD", 8) == flight_recorder.Flight((), None)
    new = FlightRecorder(path, 8)
    new.begin(tick(2))
    # The old one was stopped, and wakes up beside it.
    old.end()
    old.begin(tick(3))
    assert flight_recorder.read_flight(path, "EURUSD", 8) == flight_recorder.Flight(
        (tick(2),), tick(2)
    )


def test_no_recorder_tells_nothing(tmp_path: Path) -> None:
    assert flight_recorder.read_flight(tmp_path / "none", "EURUSD", 7) == flight_recorder.Flight(
        (), None
    )
    (tmp_path / "short").write_bytes(b"x")
    assert flight_recorder.read_flight(tmp_path / "short", "EURUSD", 7) == flight_recorder.Flight(
        (), None
    )


def test_two_deaths_on_the_same_tick_make_it_poison() -> None:
    watch = PoisonWatch()
    assert watch.on_death(tick(1)) is None
    assert watch.on_death(tick(1)) == tick(1)
    assert watch.ticks == (tick(1),)


def test_deaths_on_different_ticks_or_between_ticks_are_not_the_ticks_fault() -> None:
    watch = PoisonWatch()
    for unfinished in (tick(1), tick(2), tick(1), None, None, tick(1), None, tick(1)):
        assert watch.on_death(unfinished) is None
    assert watch.ticks == ()


def test_half_of_all_children_within_two_seconds_are_one_incident() -> None:
    watch = IncidentWatch(lambda: 8)
    assert [watch.on_death(f"c{n}", n * 0.1) for n in range(3)] == [None] * 3
    assert watch.stagger() == 0.0
    incident = watch.on_death("c3", 0.3)
    assert incident is not None
    assert incident.names == ("c0", "c1", "c2", "c3")
    assert watch.on_death("c4", 0.4) is None
    assert watch.stagger() == 5 * STAGGER
    assert watch.over(0.4 + QUIET - 0.1) is None
    over = watch.over(0.4 + QUIET)
    assert over is not None
    assert over.names == ("c0", "c1", "c2", "c3", "c4")
    assert watch.over(100.0) is None


def test_one_that_dies_again_and_again_is_no_incident() -> None:
    watch = IncidentWatch(lambda: 4)
    assert all(watch.on_death("c0", n * 0.1) is None for n in range(20))


def test_deaths_that_are_far_apart_are_no_incident() -> None:
    watch = IncidentWatch(lambda: 4)
    assert all(watch.on_death(f"c{n}", n * 3.0) is None for n in range(20))


def test_black_boxes_are_read_back_in_order_and_by_name(tmp_path: Path) -> None:
    for n, name in enumerate(("b", "a", "b")):
        crash_report.write_box(tmp_path, report(name, f"2026-01-01T00:00:0{n}.000000Z"))
    (tmp_path / "20260101T000009-x.json").write_text("{")
    assert [r.name for r in crash_report.load_reports(tmp_path)] == ["b", "a", "b"]
    assert len(crash_report.load_reports(tmp_path, "b")) == 2


def test_old_black_boxes_are_removed(tmp_path: Path) -> None:
    for n in range(crash_report.KEPT + 5):
        crash_report.write_box(tmp_path, report("a", f"2026-01-01T00:00:00.{n:06d}Z"))
    kept = crash_report.load_reports(tmp_path)
    assert len(kept) == crash_report.KEPT
    assert kept[0].time.endswith("000005Z")


def test_a_disk_that_refuses_does_not_stop_the_supervisor(tmp_path: Path) -> None:
    assert crash_report.write_box(tmp_path / "missing", report("a", "2026-01-01T00:00:00Z")) is None


def test_an_incident_that_is_over_does_not_speak_for_the_quarantined(tmp_path: Path) -> None:
    told: list[str] = []
    paths = VarPaths(tmp_path)
    paths.create()
    post_mortem = PostMortem(paths, lambda: 4, lambda event: told.append(event.detail))
    for name, state in (("a", State.QUARANTINED), ("b", State.BACKOFF), ("c", State.BACKOFF)):
        bench = Bench()
        bench.child.plan = msgspec.structs.replace(bench.child.plan, name=name)
        bench.run(0.0)
        post_mortem.on_death(bench.child, 1.0, False)
        bench.child.on_exit(ExitStatus(-9), 1.0)
        bench.child.state = state
        post_mortem.write_report(bench.child, bench.deaths.reports[0])
    assert post_mortem.forgiven(1.0 + QUIET) == ("b", "c")
    assert told[-1] == "forgiven: b, c; quarantined: a; mend and restart them"
