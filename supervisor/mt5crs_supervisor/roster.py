"""Who is wanted: the children of a configuration, and how each is watched."""

from random import Random

from mt5crs_shared.configuration.structs import Config, LimitsConfig
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.children.child import Child, DeathRecords, Parent
from mt5crs_supervisor.children.plans import Plan
from mt5crs_supervisor.children.restart_policy import RestartPolicy
from mt5crs_supervisor.deaths import running


class Roster:
    """The children, in the order of the file; a reload changes them.

    Args:
        config: What they run.
        paths: The ``var`` folder.
        random: Source of jitter.
        parent: The supervisor's hands.
        deaths: Who writes deaths down.

    Attributes:
        config: What runs, or is about to; see `take`.
        strategies: Its strategies; the list stays the same one.
        services: Its services; likewise.
        by_name: Each of them.
        names: Of everybody who has been here.
    """

    def __init__(
        self, config: Config, paths: VarPaths, random: Random, parent: Parent, deaths: DeathRecords
    ) -> None:
        self._paths = paths
        self.names: set[str] = set()
        self.take(config, just_read=False)
        self.strategies: list[Child] = []
        self.services: list[Child] = []
        self._random = random
        self._parent = parent
        self._deaths = deaths
        self.by_name: dict[str, Child] = {}

    @property
    def children(self) -> list[Child]:
        """All of them, services first."""
        return [*self.services, *self.strategies]

    def take(self, config: Config, just_read: bool = True) -> None:
        """Another configuration is wanted; see `running.keep_running`."""
        self.config = config
        self._written = running.keep_running(self._paths, config, just_read)

    def changed_at(self) -> str | None:
        """When the file was written, where that was after it was read; None: it is as it was."""
        written = running.written_at(self.config)
        if written is None or written == self._written:
            return None
        return format_iso(written // 1_000)

    def add(self, plan: Plan) -> Child:
        """One more, which has not been started."""
        settings = self.config.globals.supervisor
        policy, limits = self._watch(plan.name)
        child = Child(plan, policy, settings, self._parent, self._deaths, limits)
        (self.strategies if plan.kind == "strategy" else self.services).append(child)
        self.by_name[plan.name] = child
        self.names.add(plan.name)
        return child

    def change(self, child: Child, plan: Plan) -> None:
        """One that is to run something else from its next process on."""
        child.become(plan, *self._watch(plan.name))

    def remove(self, child: Child) -> None:
        """One that has stopped, and is wanted no more."""
        (self.strategies if child.plan.kind == "strategy" else self.services).remove(child)
        del self.by_name[child.name]

    def sort(self) -> None:
        """Put the strategies into the order of the file."""
        order = {strategy.name: number for number, strategy in enumerate(self.config.strategies)}
        self.strategies.sort(key=lambda child: order.get(child.name, len(order)))

    def _watch(self, name: str) -> tuple[RestartPolicy, LimitsConfig | None]:
        entry = next((s for s in self.config.strategies if s.name == name), None)
        own = entry.restart if entry is not None else None
        policy = RestartPolicy(own or self.config.globals.supervisor.restart, self._random)
        return policy, entry.limits if entry is not None else None
