"""What the chaos tests take off a bystander's lateness: the waits for a core, and nothing else."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.core_waits import CoreWaits, waited_us
from tests.system import wait_for


@pytest.fixture
def one_core() -> Iterator[None]:
    """This process, and whatever it starts, on one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def test_two_on_one_core_wait_for_each_other_and_a_sleeper_for_nothing(one_core: None) -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    sleeper = subprocess.Popen(["sleep", "300"])
    try:
        wait_for(lambda: psutil.Process(sleeper.pid).status() == psutil.STATUS_SLEEPING, "sleep")
        begin_us = time.time_ns() // 1000
        with CoreWaits([sleeper.pid, *(process.pid for process in busy)]) as waits:

            def waited(*pids: int) -> int:
                return waits.between(begin_us, time.time_ns() // 1000, *pids)

            for process in busy:
                wait_for(lambda pid=process.pid: waited(pid) > 100_000, "a tenth of a second")
            assert waited(*(process.pid for process in busy)) > 200_000
            assert waited(sleeper.pid) == 0
    finally:
        for process in (*busy, sleeper):
            process.kill()
            process.wait()


def test_one_that_ends_while_it_is_looked_at_has_waited_for_nothing() -> None:
    for _ in range(100):
        ending = subprocess.Popen(["true"])
        reaper = threading.Thread(target=ending.wait)
        reaper.start()
        while reaper.is_alive():
            assert waited_us(ending.pid) >= 0
        reaper.join()
        assert waited_us(ending.pid) == 0
