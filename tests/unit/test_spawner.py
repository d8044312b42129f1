"""Which processes have ended: some at a turn, the others at the next one."""

import itertools
import os
from types import SimpleNamespace
from typing import Any

from mt5crs_shared.configuration.loading import load_config
from mt5crs_supervisor.children.spawner import REAPING, Spawner
from tests.system import ROOT
from tests.unit.child_cases import Bench


def test_whoever_waits_for_exit_codes_takes_leave_of_the_others_at_the_next_turn() -> None:
    config = load_config(ROOT / "config" / "strategies.yaml")
    nobody: Any = None
    registry: Any = SimpleNamespace(record=lambda *_: None)
    seconds = itertools.count(0.0, 0.6 * REAPING)  # so long takes each of them
    spawner = Spawner(
        config, nobody, nobody, registry, nobody, nobody, lambda: next(seconds), nobody, nobody
    )
    ended, living = 5, 2
    handles, ends = [], []
    for _ in range(ended + living):
        bench = Bench()
        handle = bench.process()
        handle.exit_fd, end = os.pipe()
        spawner._watch(bench.child, handle)
        handles.append(handle)
        ends.append(end)
    for end in ends[:ended]:
        os.close(end)

    turns = []
    while found := list(spawner.ended()):
        turns.append(len(found))
        for child in found:
            assert child.spawn.handle is not None
            spawner.forget(child, child.spawn.handle)
    assert turns == [2, 2, 1]
    for end in ends[ended:]:
        os.close(end)
    for handle in handles:
        os.close(handle.exit_fd)
