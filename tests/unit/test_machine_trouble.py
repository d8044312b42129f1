"""No space, no descriptors, no processes: nobody's fault, waited for as long as it lasts."""

import errno
import sqlite3
from pathlib import Path

import pytest
import zmq

from mt5crs_shared.control.states import State
from mt5crs_shared.messages import Failed
from mt5crs_shared.process import machine_trouble
from mt5crs_shared.process.machine_trouble import EXIT_CODE
from mt5crs_supervisor.processes.handle import ExitStatus
from tests.unit.child_cases import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


def raised_from(cause: BaseException) -> BaseException:
    try:
        raise RuntimeError("what was done at that moment") from cause
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("number", sorted(machine_trouble.ERRNOS))
def test_what_the_machine_has_not_got_passes(number: int) -> None:
    assert machine_trouble.passes(OSError(number, "-"))
    assert machine_trouble.passes(zmq.ZMQError(number))
    assert machine_trouble.passes(raised_from(OSError(number, "-")))


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EINVAL])
def test_what_somebody_did_wrong_does_not(number: int) -> None:
    assert not machine_trouble.passes(raised_from(OSError(number, "-")))


def test_a_locked_file_passes_and_a_damaged_one_does_not(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with sqlite3.connect(file) as holder:
        holder.execute("CREATE TABLE t (x)")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as locked:
            sqlite3.connect(file, timeout=0.0).execute("SELECT * FROM t")
    assert machine_trouble.passes(locked.value)
    file.write_bytes(b"x" * 1_000)
    with pytest.raises(sqlite3.DatabaseError) as damaged:
        sqlite3.connect(file).execute("SELECT * FROM t")
    assert not machine_trouble.passes(damaged.value)


def test_a_spawn_that_fails_is_nobodys_fault_and_is_tried_until_it_works(bench: Bench) -> None:
    now = 0.0
    bench.child.start(now)
    for _ in range(100):
        bench.child.on_spawn_failed(OSError("no memory"), now)
        assert bench.child.state in (State.STARTING, State.BACKOFF)
        now += 6.0
        bench.child.on_time(now)
        assert bench.child.state is State.STARTING
    assert "no memory" in bench.child.last_error
    assert len(bench.parent.told) == 7, "a word at the tries 1, 2, 4 ... 64"
    bench.process()
    bench.child.on_ready(now)
    assert bench.child.state is State.RECOVERING


@pytest.mark.parametrize("said", [True, False])
def test_a_machine_without_space_is_waited_for_without_end(bench: Bench, said: bool) -> None:
    bench.run(0.0)
    now = 0.0
    for _ in range(100):
        if said:
            full = Failed("s", 1, 1, "database or disk is full", permanent=False, passing=True)
            bench.child.on_failed(full)
        bench.child.on_exit(ExitStatus(None if said else EXIT_CODE), now)
        assert bench.child.state in (State.STARTING, State.BACKOFF)
        now += 6.0
        bench.child.on_time(now)
        assert bench.child.state is State.STARTING
        bench.process()
        bench.child.on_ready(now)
    assert "not its own fault" in bench.child.last_error
    assert not any(bench.deaths.blamed), "no tick is suspected"
    assert len(bench.deaths.reports) == 7
