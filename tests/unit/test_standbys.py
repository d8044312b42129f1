"""Which process that stands by is taken, and which is of no use any more."""

import os
import signal
import socket
from concurrent.futures import Future
from pathlib import Path

import msgspec
import pytest

from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process.standby import LONGEST, Warm, stamps
from mt5crs_supervisor.processes.handle import ExitStatus, Load
from mt5crs_supervisor.processes.standbys import (
    ENDED,
    ENDED_WARM,
    LATE,
    LATE_AFTER,
    LOOK_EVERY,
    RETRY_AFTER,
    Standby,
    Standbys,
    StandingBy,
)
from tests.system import wait_for
from tests.unit.child_cases import FakeHandle

SPEC = ChildSpec("s", "strategy", "e", 0, "", "", "", b"", 0.0)
NOW = msgspec.structs.replace(SPEC, epoch=7)


class Mortal(FakeHandle):
    """A process that can end."""

    ended: ExitStatus | None = None

    def exit_status(self) -> ExitStatus | None:
        return self.ended


class Bench:
    """Makes what stands by, and holds the other end of each line."""

    def __init__(self) -> None:
        self.made: list[Standby] = []
        self.lines: list[socket.socket] = []
        self.futures: list[Future[Standby]] = []
        self.at_once = True
        self.standbys = Standbys(self._make)

    def _make(self, spec: ChildSpec) -> "Future[Standby]":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.made.append(Standby(Mortal(100 + len(self.made)), ours))
        self.lines.append(theirs)
        self.futures.append(Future())
        if self.at_once:
            self.futures[-1].set_result(self.made[-1])
        return self.futures[-1]

    def say(self, files: list[str], fault: str = "") -> None:
        self.lines[-1].send(msgspec.msgpack.encode(Warm(stamps(files), fault)))

    def begins(self) -> bool:
        """Whether a death finds a process that takes over."""
        standby = self.standbys.take("s")
        if standby is None:
            return False
        begun = standby.begin(NOW)
        if not begun:
            standby.end()
        return begun

    @property
    def handle(self) -> Mortal:
        found = self.made[-1].handle
        assert isinstance(found, Mortal)
        return found


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_one_that_is_warm_runs_what_it_is_told(bench: Bench) -> None:
    assert bench.standbys.keep(SPEC, 0.0) == ""
    bench.say([])
    assert bench.standbys.keep(SPEC, 1.0) == ""
    assert bench.standbys.pid("s") == 100
    assert bench.begins()
    assert msgspec.msgpack.decode(bench.lines[0].recv(LONGEST), type=ChildSpec) == NOW
    assert bench.standbys.pid("s") is None
    assert not bench.begins()
    assert len(bench.made) == 1


def test_one_that_is_not_warm_is_left_to_get_warm(bench: Bench) -> None:
    bench.standbys.keep(SPEC, 0.0)
    assert not bench.begins()
    assert not bench.handle.closed
    bench.say([])
    assert bench.begins()


def test_one_that_is_stopped_is_ended(bench: Bench) -> None:
    """It would hear nothing, and a start may take a minute before anybody wonders."""
    bench.standbys.keep(SPEC, 0.0)
    bench.say([])
    bench.handle.load_now = Load(runnable=False, cpu=1.0, stopped=True)
    assert not bench.begins()
    assert bench.handle.signals == [signal.SIGKILL]


def test_one_that_never_gets_warm_is_ended_and_the_next_one_gets_warm(bench: Bench) -> None:
    """It would end itself, but one that is stopped does nothing."""
    other = msgspec.structs.replace(SPEC, name="other")
    bench.standbys.keep(SPEC, 0.0)
    bench.standbys.keep(SPEC, 0.0)
    bench.standbys.keep(other, 1.0)
    assert bench.standbys.keep(SPEC, LATE_AFTER) == ""
    assert len(bench.made) == 1, "one at a time gets warm"
    assert bench.standbys.keep(SPEC, LATE_AFTER + 0.1) == bench.standbys.of("s").fault == LATE
    assert bench.handle.signals == [signal.SIGKILL]
    bench.standbys.keep(other, LATE_AFTER + 0.2)
    assert len(bench.made) == 2
    bench.say([])
    bench.standbys.keep(other, LATE_AFTER + 0.3)
    assert bench.standbys.pid("other") == 101
    bench.standbys.keep(SPEC, LATE_AFTER + RETRY_AFTER + 0.2)
    bench.say([])
    bench.standbys.keep(SPEC, LATE_AFTER + RETRY_AFTER + 0.3)
    assert bench.standbys.of("s") == StandingBy(102, "")
    assert bench.begins()
    assert bench.standbys.of("s") == StandingBy(), "what was wrong once is over"


def test_why_one_never_gets_warm_is_told_whoever_is_looked_at_first(bench: Bench) -> None:
    other = msgspec.structs.replace(SPEC, name="other")
    bench.standbys.keep(SPEC, 0.0)
    told = []
    for now in (0.0, LATE_AFTER + 0.1):
        told += [bench.standbys.keep(other, now), bench.standbys.keep(SPEC, now)]
    assert told == ["", "", "", LATE]


def test_one_that_never_gets_warm_holds_nobody_up_while_its_strategy_is_away(bench: Bench) -> None:
    other = msgspec.structs.replace(SPEC, name="other")
    bench.standbys.keep(SPEC, 0.0)
    for now in (1.0, LATE_AFTER + 0.9):
        bench.standbys.keep(other, now)
        assert len(bench.made) == 1
    bench.standbys.keep(other, LATE_AFTER + LOOK_EVERY + 1.1)
    assert len(bench.made) == 2
    first = bench.made[0].handle
    assert isinstance(first, Mortal) and first.signals == [signal.SIGKILL]


def test_what_was_copied_with_an_older_time_of_the_same_size_is_another_file(
    bench: Bench, tmp_path: Path
) -> None:
    code = tmp_path / "mine.py"
    code.write_text("ONE = 1\n")
    os.utime(code, (1.0, 1.0))
    bench.standbys.keep(SPEC, 0.0)
    bench.say([str(code)])
    wait_for(lambda: other_tick(tmp_path, code), "the file system's next moment")
    code.write_text("ONE = 2\n")
    os.utime(code, (1.0, 1.0))
    assert not bench.begins()


def other_tick(folder: Path, than: Path) -> bool:
    """Whether a file that is made now has a later time of change."""
    fresh = folder / "fresh"
    fresh.touch()
    return fresh.stat().st_ctime_ns > than.stat().st_ctime_ns


def test_one_that_takes_over_is_judged_from_the_time_it_had_used(bench: Bench) -> None:
    bench.standbys.keep(SPEC, 0.0)
    bench.say([])
    assert bench.handle.warm_cpu is None
    bench.handle.load_now = Load(runnable=False, cpu=1.5)
    assert bench.begins()
    assert bench.handle.warm_cpu == 1.5


def test_one_that_has_read_what_is_another_file_by_now_is_ended(
    bench: Bench, tmp_path: Path
) -> None:
    code = tmp_path / "mine.py"
    code.write_text("ONE = 1\n")
    bench.standbys.keep(SPEC, 0.0)
    bench.say([str(code)])
    code.write_text("ONE = 22\n")
    assert not bench.begins()
    assert bench.handle.signals == [signal.SIGKILL]
    assert bench.handle.closed


def test_a_removed_file_is_another_one(bench: Bench, tmp_path: Path) -> None:
    code = tmp_path / "mine.py"
    code.write_text("ONE = 1\n")
    bench.standbys.keep(SPEC, 0.0)
    bench.say([str(code)])
    code.unlink()
    assert not bench.begins()


def test_why_none_can_stand_by_is_told_once_and_tried_again(bench: Bench) -> None:
    for turn, told in enumerate(["ZeroDivisionError", "", "another fault"]):
        at = turn * RETRY_AFTER
        assert bench.standbys.keep(SPEC, at) == ""
        assert len(bench.made) == turn + 1
        bench.say([], told or "ZeroDivisionError")
        assert bench.standbys.keep(SPEC, at) == told
        assert bench.handle.closed
        assert bench.standbys.keep(SPEC, at + RETRY_AFTER - 0.1) == ""
        assert len(bench.made) == turn + 1


def test_one_that_ends_before_it_is_warm_is_told(bench: Bench) -> None:
    bench.standbys.keep(SPEC, 0.0)
    bench.handle.ended = ExitStatus(1)
    bench.lines[0].close()
    assert bench.standbys.keep(SPEC, 1.0) == ENDED


def test_one_that_is_killed_is_replaced_at_once_and_told_when_it_happens_again(
    bench: Bench,
) -> None:
    def killed(at: float) -> str:
        bench.standbys.keep(SPEC, at)
        bench.say([])
        bench.standbys.keep(SPEC, at)
        bench.handle.ended = ExitStatus(-9)
        bench.lines[-1].close()
        return bench.standbys.keep(SPEC, at + LOOK_EVERY)

    assert killed(0.0) == ""
    assert killed(5.0) == ENDED_WARM
    assert len(bench.made) == 2
    assert killed(5.0 + LOOK_EVERY + RETRY_AFTER) == ""
    assert len(bench.made) == 3


def test_one_at_a_time_gets_warm(bench: Bench) -> None:
    other = msgspec.structs.replace(SPEC, name="other")
    bench.standbys.keep(SPEC, 0.0)
    bench.standbys.keep(other, 0.0)
    assert len(bench.made) == 1
    bench.say([])
    bench.standbys.keep(SPEC, 0.2)
    bench.standbys.keep(other, 0.2)
    assert len(bench.made) == 2
    bench.standbys.drop("other")
    bench.standbys.keep(msgspec.structs.replace(SPEC, name="third"), 0.4)
    assert len(bench.made) == 3


def test_a_word_that_comes_in_no_time_is_waited_for_by_nobody(bench: Bench) -> None:
    bench.standbys.keep(SPEC, 0.0)
    assert bench.standbys.keep(SPEC, 1.0) == ""
    assert bench.standbys.pid("s") is None
    assert not bench.begins()


def test_a_line_that_is_broken_takes_nobody(bench: Bench) -> None:
    bench.standbys.keep(SPEC, 0.0)
    bench.say([])
    bench.standbys.keep(SPEC, 1.0)
    bench.lines[0].close()
    assert not bench.begins()
    assert bench.handle.closed


def test_what_says_nonsense_is_of_no_use(bench: Bench) -> None:
    bench.standbys.keep(SPEC, 0.0)
    bench.lines[0].send(b"\xc1" * 9)
    assert not bench.begins()
    assert bench.handle.closed


def test_a_machine_without_a_process_to_give_is_told(bench: Bench) -> None:
    bench.at_once = False
    bench.standbys.keep(SPEC, 0.0)
    assert bench.standbys.keep(SPEC, 1.0) == ""
    bench.futures[0].set_exception(OSError(11, os.strerror(11)))
    assert "no process could be made" in bench.standbys.keep(SPEC, 2.0)


def test_one_that_is_dropped_while_it_is_made_is_ended_when_it_is_there(bench: Bench) -> None:
    bench.at_once = False
    bench.standbys.keep(SPEC, 0.0)
    bench.standbys.close()
    assert not bench.handle.closed
    bench.futures[0].set_result(bench.made[0])
    assert bench.handle.signals == [signal.SIGKILL]
