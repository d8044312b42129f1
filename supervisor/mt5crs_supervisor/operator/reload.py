"""A reload on its way: one step after the other, so that what is untouched never lacks anything.

Strategies that leave stop first, while the gateway still knows them. Then tape and gateway get
fresh processes, one after the other: what one of them misses meanwhile, it gets from the other; a
notifier, an exporter of metrics or a page comes, goes, or is replaced.
Then the changed strategies are replaced, one by one, and the new ones start.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from mt5crs_shared.control.states import State
from mt5crs_supervisor.children.child import Child
from mt5crs_supervisor.children.plans import Plan
from mt5crs_supervisor.operator.control import ConfigDifference
from mt5crs_supervisor.roster import Roster

STEP_WITHIN = 30.0
"""Seconds after which the next step is taken although a process has not come up again."""

_ON_THE_WAY = frozenset({State.STARTING, State.RECOVERING, State.STOPPING, State.KILLING})


class _Step(msgspec.Struct, frozen=True):
    """What is begun, and whether it is done; `waits_for` is for people."""

    waits_for: str
    begin: Callable[[float], None]
    is_done: Callable[[], bool]


class Reload:
    """Takes the steps of one difference.

    Args:
        roster: The children; its configuration is the new one already.
        difference: What differs.
        wanted: The plan of each child that the new configuration wants, by name.
    """

    def __init__(
        self, roster: Roster, difference: ConfigDifference, wanted: Mapping[str, Plan]
    ) -> None:
        self._roster = roster
        self._wanted = wanted
        self._steps = deque(self._planned(difference))
        self._begun: float | None = None

    @property
    def waits_for(self) -> str:
        """For people; empty: it is over."""
        return self._steps[0].waits_for if self._steps else ""

    def on_turn(self, now: float) -> None:
        """Go on, as far as can be."""
        while self._steps:
            step = self._steps[0]
            if self._begun is None:
                self._begun = now
                step.begin(now)
            if not step.is_done() and now - self._begun < STEP_WITHIN:
                return
            self._steps.popleft()
            self._begun = None
        self._roster.sort()

    def _planned(self, difference: ConfigDifference) -> Iterable[_Step]:
        by_name = self._roster.by_name
        if difference.removed:
            yield from self._ending(difference.removed)
        for name in difference.services:
            if name in by_name:
                yield self._replacing(by_name[name])
            else:
                yield _Step("", self._adding(name), lambda: True)
        if difference.ended:
            yield from self._ending(difference.ended)
        for changed in difference.changed:
            child = by_name[changed.name]
            if changed.replaced:
                yield self._replacing(child)
            else:
                yield _Step("", self._changing(child), lambda: True)
        for name in difference.added:
            yield _Step("", self._adding(name), lambda: True)

    def _ending(self, names: Sequence[str]) -> Iterable[_Step]:
        leaving = [self._roster.by_name[name] for name in names]
        yield _Step(
            f"{', '.join(names)} to stop",
            lambda now: _each(leaving, lambda child: child.stop(now)),
            lambda: all(child.state is State.STOPPED for child in leaving),
        )
        yield _Step("", lambda _now: _each(leaving, self._roster.remove), lambda: True)

    def _replacing(self, child: Child) -> _Step:
        before = child.spawn.epoch

        def begin(now: float) -> None:
            self._roster.change(child, self._wanted[child.name])
            child.restart(now)

        def is_done() -> bool:
            return child.spawn.epoch > before and child.state not in _ON_THE_WAY

        return _Step(f"{child.name} to be replaced", begin, is_done)

    def _changing(self, child: Child) -> Callable[[float], None]:
        return lambda _now: self._roster.change(child, self._wanted[child.name])

    def _adding(self, name: str) -> Callable[[float], None]:
        return lambda now: self._roster.add(self._wanted[name]).start(now)


def _each(children: Iterable[Child], act: Callable[[Child], None]) -> None:
    for child in children:
        act(child)
