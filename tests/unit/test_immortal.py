"""Frozen objects: no count changes in 3.12 and 3.13, and nothing else does, in any version."""

import subprocess
import sys

import pytest

from mt5crs_shared.process import immortal

PRELUDE = """
import gc, sys, weakref
from mt5crs_shared.process import immortal

class Thing:
    def act(self):
        return ("a constant of the code", [])

thing = Thing()
code = Thing.act.__code__
own = {"class": Thing, "instance": thing, "code": code, "constant": code.co_consts[1]}
"""


def run(script: str) -> str:
    """In an interpreter of its own: what is immortal stays so."""
    ended = subprocess.run(
        [sys.executable, "-c", PRELUDE + script], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, ""), "nor is its end another one"
    return ended.stdout


def test_it_is_known_to_work_with_3_12_and_3_13() -> None:
    assert immortal._KNOWN is (sys.version_info[:2] in ((3, 12), (3, 13)))
    assert immortal._counts_there()


def test_nothing_is_written_where_a_count_does_not_lie() -> None:
    said = run(
        """
immortal._counts_there = lambda: False
before = sys.getrefcount(Thing)
print(immortal.freeze(), sys.getrefcount(Thing) - before, gc.get_freeze_count() > 1_000)
"""
    )
    assert said.split() == ["0", "0", "True"]


def test_code_of_others_is_not_run_while_it_looks() -> None:
    said = run(
        """
class Touchy:
    @property
    def __class__(self):
        raise RuntimeError("touched")

touchy, dead = Touchy(), weakref.proxy(Thing())
print(immortal.freeze() > 0)
"""
    )
    assert said.split() == [str(immortal._KNOWN)]


@pytest.mark.parametrize("name", ["class", "instance", "code", "constant"])
def test_what_is_frozen_is_not_counted(name: str) -> None:
    said = run(
        f"""
made = immortal.freeze()
one = own[{name!r}]
before = sys.getrefcount(one)
more = [one] * 10
print(made > 0, sys.getrefcount(one) - before)
"""
    )
    assert said.split() == (["True", "0"] if immortal._KNOWN else ["False", "10"])


def test_it_works_as_before() -> None:
    said = run(
        """
immortal.freeze()
own["another"] = Thing()
Thing.added = 1
del own["instance"], thing
sys.modules["new"] = sys
print(own["another"].act(), own["another"].added, "instance" in own)
"""
    )
    assert said.strip() == "('a constant of the code', []) 1 False"


def test_what_is_made_later_is_counted_and_freed() -> None:
    said = run(
        """
immortal.freeze()
later = Thing()
later.cycle = later
dead = weakref.ref(later)
before = sys.getrefcount(later)
more = [later] * 10
print(sys.getrefcount(later) - before)
del later, more
gc.collect()
print(dead())
"""
    )
    assert said.split() == ["10", "None"]


def test_the_second_time_only_what_is_new_becomes_immortal() -> None:
    said = run(
        """
first = immortal.freeze()
class Later:
    pass
second = immortal.freeze()
print(first, second, sys.getrefcount(Later))
"""
    )
    first, second, count = map(int, said.split())
    if immortal._KNOWN:
        assert first > 5_000 > 500 > second > 0
        assert count == immortal._COUNT
    else:
        assert (first, second) == (0, 0)


def test_all_that_the_forkserver_imports_can_be_frozen() -> None:
    said = run(
        """
import mt5crs_worker.process.preload, mt5crs_services.preload
from mt5crs_worker.process.main import Worker
before = sys.getrefcount(Worker)
more = [Worker] * 10
print(sys.getrefcount(Worker) - before, gc.get_freeze_count() > 10_000)
"""
    )
    assert said.split() == ["0" if immortal._KNOWN else "10", "True"]


def test_nothing_that_must_be_closed_is_there_when_all_is_frozen() -> None:
    said = run(
        """
import io, mmap, socket, sqlite3, types
held = []
def look():
    gc.collect()
    things = (io.FileIO, mmap.mmap, socket.socket, sqlite3.Connection, zmq.Socket, zmq.Context,
              types.GeneratorType, types.CoroutineType)
    held.extend(t for t in gc.get_objects() if isinstance(t, things))
    return 0
import zmq
immortal.freeze = look
import mt5crs_worker.process.preload, mt5crs_services.preload
print([t for t in held if not (isinstance(t, io.FileIO) and t.fileno() in (0, 1, 2))])
"""
    )
    assert said.strip() == "[]"
