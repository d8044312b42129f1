"""What follows from a death beside the respawn: black box, poison ticks, incidents."""

from collections.abc import Callable

import msgspec

from mt5crs_shared.control.states import State
from mt5crs_shared.events import SUPERVISOR, AnyEvent, Incident, IncidentOver, PoisonTick
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.black_box import flight_recorder, last_words
from mt5crs_shared.process.files import read_regular
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import crash_report
from mt5crs_shared.storage.crash_report import CrashReport, CrashTimes
from mt5crs_shared.wording import utc_now
from mt5crs_supervisor.children.child import Child
from mt5crs_supervisor.children.spawn import Death, Times
from mt5crs_supervisor.deaths import stacks
from mt5crs_supervisor.deaths.incident import IncidentWatch
from mt5crs_supervisor.deaths.poison import PoisonWatch

STACKS = 200_000
"""Bytes of a process's stacks that are kept."""


class _Remains(msgspec.Struct, frozen=True):
    """What a process left behind, read before its replacement overwrites it."""

    stacks: str
    flight: flight_recorder.Flight


class PostMortem:
    """Looks at every death.

    Args:
        paths: Where processes leave their traces.
        children: Says how many children there are.
        notify: Keeps an event, and tells it.
    """

    def __init__(
        self,
        paths: VarPaths,
        children: Callable[[], int],
        notify: Callable[[AnyEvent], None],
    ) -> None:
        self._paths = paths
        self._notify = notify
        self._incidents = IncidentWatch(children)
        self._poison: dict[str, PoisonWatch] = {}
        self._remains: dict[str, _Remains] = {}
        self._given_up: set[str] = set()
        self._written: dict[str, tuple[CrashReport, float]] = {}
        self._oom_kills = crash_report.oom_kills()

    def oom_since_last(self) -> bool:
        """Whether the kernel has killed for want of memory since the last call."""
        before, self._oom_kills = self._oom_kills, crash_report.oom_kills()
        return self._oom_kills > before

    def poison(self, name: str) -> tuple[Tick, ...]:
        """Ticks that a strategy is to be spared."""
        watch = self._poison.get(name)
        return watch.ticks if watch is not None else ()

    def read_last_words(self, child: Child) -> bool:
        """Whether the last words of a process that has ended are known, as far as it wrote any."""
        if child.spawn.failed is None:
            words = last_words.read_last_words(
                self._paths.words_file(child.name), child.spawn.epoch
            )
            if words is not None:
                child.on_failed(words)
        return child.spawn.failed is not None

    def stuck_at(self, child: Child) -> str:
        """Where in a trader's file a process was that has written its stacks; empty: nowhere."""
        return stacks.stuck_at(self._read_stacks(child))

    def on_death(self, child: Child, now: float, own_doing: bool) -> float:
        """Keep what the process left; seconds that its respawn should wait.

        Args:
            child: Who died.
            now: Monotonic time, seconds.
            own_doing: By what it did itself: only then a tick can be to blame.
        """
        remains = self._read_remains(child)
        self._remains[child.name] = remains
        if child.plan.kind == "strategy":
            watch = self._poison.setdefault(child.name, PoisonWatch())
            found = watch.on_death(remains.flight.unfinished if own_doing else None)
            if found is not None:
                self._notify(PoisonTick(child.name, found.symbol, found.bid, found.ask))
        incident = self._incidents.on_death(child.name, now)
        if incident is not None:
            self._notify(Incident(SUPERVISOR, incident.names))
        return self._incidents.stagger()

    def write_report(self, child: Child, death: Death) -> None:
        """Write the black box."""
        remains = self._remains.pop(child.name)
        report = CrashReport(
            name=child.name,
            time=utc_now("microseconds"),
            cause=death.cause,
            detail=death.detail,
            pid=death.pid,
            epoch=death.epoch,
            exit=death.exit,
            trace=death.trace,
            stacks=remains.stacks,
            unfinished=remains.flight.unfinished,
            ticks=remains.flight.ticks,
            beats=tuple(beat for beat, _ in death.beats),
            memory=tuple(beat.usage.rss for beat, _ in death.beats),
            config_hash=child.plan.config_hash,
            model_hash=death.model_hash,
            decision=death.decision,
            times=_times(death, child.spawn.times if child.spawn.pending else None),
        )
        self._written[child.name] = (report, death.at)
        if child.state is State.QUARANTINED:
            self._given_up.add(child.name)
        else:
            self._given_up.discard(child.name)
        crash_report.write_box(self._paths.crash, report)

    def on_recovered(self, child: Child) -> None:
        """Complete the black box with the replacement's times."""
        if child.name not in self._written:
            return
        report, died = self._written.pop(child.name)
        times = msgspec.structs.replace(
            report.times,
            respawned=_since(died, child.spawn.times.spawned),
            replacement_ready=_since(died, child.spawn.times.ready),
            replacement_first_tick=_since(died, child.spawn.times.first_tick),
        )
        crash_report.write_box(self._paths.crash, msgspec.structs.replace(report, times=times))

    def forgiven(self, now: float) -> tuple[str, ...]:
        """Whose deaths are forgiven, since the incident they belong to is over."""
        over = self._incidents.over(now)
        if over is None:
            return ()
        # Whose budget is spent stays where it is: a budget given back would help nobody there.
        lost = [name for name in dict.fromkeys(over.names) if name in self._given_up]
        spared = tuple(name for name in over.names if name not in lost)
        self._notify(IncidentOver(SUPERVISOR, spared, tuple(lost)))
        return spared

    def _read_stacks(self, child: Child) -> str:
        try:
            found = read_regular(self._paths.stacks_file(child.name), STACKS)
        except OSError:
            return ""
        return found.decode(errors="replace")

    def _read_remains(self, child: Child) -> _Remains:
        path = self._paths.flight_file(child.name)
        recorded = flight_recorder.read_flight(path, child.plan.symbol, child.spawn.epoch)
        return _Remains(self._read_stacks(child), recorded)


def _times(death: Death, replacement: Times | None) -> CrashTimes:
    return CrashTimes(
        spawned=_since(death.at, death.times.spawned),
        ready=_since(death.at, death.times.ready),
        last_beat=_since(death.at, death.beats[-1][1] if death.beats else None),
        killed=_since(death.at, death.killed_at),
        respawned=_since(death.at, replacement.spawned if replacement is not None else None),
    )


def _since(begun: float, moment: float | None) -> float | None:
    return round(moment - begun, 6) if moment is not None else None
