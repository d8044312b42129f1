"""The supervisor's loop, without processes."""

from types import SimpleNamespace
from typing import Any

from mt5crs_shared.control.states import State
from mt5crs_shared.messages import Beat, FromChild, Ready
from mt5crs_supervisor.supervisor import Supervisor
from tests.unit.child_cases import Bench, FakeHandle


class Loop(Supervisor):
    """Of the loop only what children say."""

    def __init__(self, bench: Bench, said: list[FromChild]) -> None:
        self.roster = SimpleNamespace(by_name={"s": bench.child})  # type: ignore[assignment]
        self._early = []
        self._monotonic = lambda: 1.0
        parts: dict[str, Any] = {
            "_channel": SimpleNamespace(read=lambda: said, send=lambda *_: None),
            "_spawner": SimpleNamespace(lease=lambda *_: None),
        }
        vars(self).update(parts)


def test_one_that_speaks_before_its_process_is_known_is_heard_when_it_is() -> None:
    bench = Bench()
    bench.child.start(0.0)
    epoch = bench.child.spawn.epoch
    said: list[FromChild] = [Ready("s", 7, epoch), Beat("s", 7, epoch, 1, "running")]
    loop = Loop(bench, said)
    loop._read_children()
    assert (bench.child.state, bench.child.pid) == (State.STARTING, None)
    said.clear()
    bench.child.on_spawned(FakeHandle(7), 0.5)
    loop._read_children()
    assert (bench.child.state, bench.child.pid) == (State.RUNNING, 7)
