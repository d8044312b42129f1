"""The children's processes: started under the next epoch, watched for their end, adopted."""

import contextlib
import selectors
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future

import msgspec

from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.control.states import State
from mt5crs_shared.events import SUPERVISOR, Adopted, AnyEvent, ForkserverDied, NoStandby
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import ChildSpec, Identify, Recycle
from mt5crs_shared.process.installation import Installation
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.children import adoption
from mt5crs_supervisor.children.channel import ChildChannel
from mt5crs_supervisor.children.child import Child
from mt5crs_supervisor.children.lifecycle import ALIVE
from mt5crs_supervisor.processes.handle import Handle
from mt5crs_supervisor.processes.launcher import Launcher
from mt5crs_supervisor.processes.registry import Entry, Registry
from mt5crs_supervisor.processes.standbys import StandingBy

_AT_REST = frozenset({State.STOPPED, State.STOPPING, State.QUARANTINED})
"""States in which a child needs no process soon."""

REAPING = 0.2
"""Seconds of one turn for those who have ended."""


class Spawner:
    """Has processes started, knows who they are, and keeps their leases.

    Args:
        config: What they run on.
        paths: The ``var`` folder.
        installation: Its identity, which leases are proved with.
        registry: Epochs and processes, on disk.
        channel: The way to the children.
        launcher: Starts processes.
        monotonic: The monotonic clock, seconds.
        poison: Ticks that a strategy is to be spared, by its name.
        notify: Keeps an event, and tells it.
    """

    def __init__(
        self,
        config: Config,
        paths: VarPaths,
        installation: Installation,
        registry: Registry,
        channel: ChildChannel,
        launcher: Launcher,
        monotonic: Callable[[], float],
        poison: Callable[[str], tuple[Tick, ...]],
        notify: Callable[[AnyEvent], None],
    ) -> None:
        self._config = config
        self._paths = paths
        self._installation = installation
        self._registry = registry
        self._channel = channel
        self._launcher = launcher
        self._monotonic = monotonic
        self._poison = poison
        self.notify = notify
        self._lease_seconds = config.globals.supervisor.lease
        self._pending: dict[str, tuple[Child, Future[Handle]]] = {}
        # Of its own: of five hundred, the loop's poller would ask each one at every turn.
        self._ends = selectors.DefaultSelector()
        self._renew_at = 0.0

    @property
    def busy(self) -> bool:
        """A process was asked for and is not there yet."""
        return bool(self._pending)

    def spawn(self, child: Child) -> int:
        """Start a process under the next epoch; the gateway stops listening to earlier ones."""
        now = self._monotonic()
        epoch = self._registry.next_epoch(child.name)
        spec = msgspec.structs.replace(
            self._spec(child),
            epoch=epoch,
            spawned=now,
            lease=self._installation.lease(child.name, epoch, now + self._lease_seconds),
            identity=self._installation.identity(child.name, epoch),
            poison=self._poison(child.name),
            by_hand=child.spawn.times.died is None,
        )
        if child.plan.kind == "strategy":
            self._channel.fence(spec.name, spec.epoch)
        self._pending[child.name] = child, self._launcher.spawn(spec)
        return epoch

    def _spec(self, child: Child) -> ChildSpec:
        """What its process is told, whichever spawn it is."""
        return ChildSpec(
            name=child.name,
            kind=child.plan.kind,
            entry=child.plan.entry,
            epoch=0,
            config_path=self._config.path,
            config_hash=child.plan.config_hash,
            var_dir=str(self._paths.var),
            payload=child.plan.payload,
            spawned=0.0,
            installation=self._installation.id,
        )

    def keep_standbys(self, children: Iterable[Child], now: float) -> None:
        """See that one stands by for each child that runs and wants one, and for nobody else."""
        standbys = self._launcher.standbys
        for child in children:
            if not child.plan.standby or child.state in _AT_REST:
                standbys.drop(child.name)
            elif child.state is State.RUNNING:
                fault = standbys.keep(self._spec(child), now)
                if fault:
                    self.notify(NoStandby(child.name, fault))

    def standby_of(self, child: Child) -> StandingBy:
        """What stands by for a child."""
        return self._launcher.standbys.of(child.name) if child.plan.standby else StandingBy()

    def recycle(self, child: Child) -> None:
        """Ask its process to end after the next bar."""
        self._channel.send(child.name, child.spawn.epoch, Recycle())

    def collect(self, now: float) -> None:
        """Hand over the processes that the launcher has made since the last call."""
        self._launcher.unstick(now)
        for name, (child, future) in list(self._pending.items()):
            if not future.done():
                continue
            del self._pending[name]
            error = future.exception()
            if error is not None:
                child.on_spawn_failed(error, now)
                continue
            self._watch(child, future.result())
            child.on_spawned(future.result(), now)

    def fileno(self) -> int:
        """A descriptor that can be read when a process has ended, or may have; see `ended`."""
        return self._ends.fileno()

    def ended(self) -> Iterator[Child]:
        """Whose process has ended, or may have.

        Whoever is left over after :data:`REAPING` seconds comes at the next turn: the exit code of
        one may be waited for, and meanwhile nobody's lease is renewed.
        """
        until = self._monotonic() + REAPING
        for key, _ in self._ends.select(0.0):
            yield key.data
            if self._monotonic() > until:
                return

    def forget(self, child: Child, handle: Handle) -> None:
        """Its process has ended."""
        self._unwatch(handle)
        self._registry.record(child.name, Entry(child.spawn.epoch))

    def adopt_survivors(self, children: Mapping[str, Child]) -> None:
        """Take over the children of a supervisor that died, where they run what is wanted."""
        now = self._monotonic()
        for child, handle, entry in adoption.survivors(self._registry, children, self.notify):
            child.adopt(handle, entry.epoch, now)
            self._watch(child, handle)
            self._channel.send(child.name, entry.epoch, Identify())
            self.notify(Adopted(child.name, entry.pid, entry.epoch))

    def is_renewal_due(self, now: float) -> bool:
        """Whether it is time to renew the leases."""
        return now >= self._renew_at

    def renew_leases(self, children: Iterable[Child], now: float) -> None:
        """Renew every lease, and a forkserver that has died."""
        self._renew_at = now + self._lease_seconds / 3.0
        if self._launcher.revive():
            self.notify(ForkserverDied(SUPERVISOR))
        for child in children:
            if child.state not in ALIVE:
                continue
            self.lease(child, now)
            if child.spawn.preloaded is None:
                # Asked at the adoption it was not connected yet, and this was for nobody.
                self._channel.send(child.name, child.spawn.epoch, Identify())

    def lease(self, child: Child, now: float) -> None:
        """Let a child trade for a while."""
        until = now + self._lease_seconds
        lease = self._installation.lease(child.name, child.spawn.epoch, until)
        self._channel.send(child.name, child.spawn.epoch, lease)

    def save(self) -> None:
        """Write the processes down where they have changed."""
        self._registry.save()

    def close(self) -> None:
        """Nobody is watched, and nothing written down, any more."""
        self._ends.close()
        self._registry.close()

    def note_pending(self) -> None:
        """Write down processes that nobody has looked at yet."""
        for child, future in self._pending.values():
            if not future.cancelled() and future.exception() is None:
                self._watch(child, future.result())
        self.save()

    def _watch(self, child: Child, handle: Handle) -> None:
        """Note a child's process, and wake when it ends."""
        entry = Entry(child.spawn.epoch, handle.pid, handle.born, child.plan.config_hash)
        self._registry.record(child.name, entry)
        self._unwatch(handle)  # another one's, whose number it has by now
        self._ends.register(handle.exit_fd, selectors.EVENT_READ, child)

    def _unwatch(self, handle: Handle) -> None:
        with contextlib.suppress(KeyError):
            self._ends.unregister(handle.exit_fd)
