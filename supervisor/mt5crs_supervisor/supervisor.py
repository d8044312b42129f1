"""The loop of the parent: read beats, see who died, look at deadlines, answer the operator."""

import contextlib
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from random import Random

import zmq

from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.messages import (
    Beat,
    ChildSpec,
    Failed,
    FirstTick,
    FromChild,
    Hello,
    Identify,
    Ready,
    Recycle,
    Stop,
)
from mt5crs_shared.process.paths import UMASK, VarPaths
from mt5crs_supervisor.children import adoption, epochs, plans
from mt5crs_supervisor.children.channel import Links
from mt5crs_supervisor.children.child import Child
from mt5crs_supervisor.children.lifecycle import ALIVE
from mt5crs_supervisor.children.pauses import Pauses
from mt5crs_supervisor.children.records import Death, Plan, level_of
from mt5crs_supervisor.children.registry import Entry, Registry
from mt5crs_supervisor.children.restart_policy import RestartPolicy
from mt5crs_supervisor.children.sequence import StartStopOrder
from mt5crs_supervisor.deaths.post_mortem import Coroner
from mt5crs_supervisor.operator import reporting
from mt5crs_supervisor.operator.actions import Operator
from mt5crs_supervisor.operator.control import ControlServer
from mt5crs_supervisor.operator.status_report import EventLine, still_open
from mt5crs_supervisor.processes import descriptors
from mt5crs_supervisor.processes.instance_lock import SingleInstance
from mt5crs_supervisor.processes.launcher import ForkserverLauncher, Handle
from mt5crs_supervisor.processes.self_pipe import Wakeup

logger = logging.getLogger(__name__)

TURN = 0.2
"""Seconds between two looks at the beats; waking for each one would cost more than all else."""

KEPT_EVENTS = 200


class Supervisor:
    """Runs one configuration until it is asked to stop.

    Args:
        config: What to run.
        paths: The ``var`` folder.
        on_event: Called for each event, for printing.
        monotonic: The monotonic clock, seconds.
        random: Source of jitter.

    Raises:
        AlreadyRunning: Another supervisor has the folder.
        TooFewFilesError: This user may not open enough files for so many children.
    """

    def __init__(
        self,
        config: Config,
        paths: VarPaths,
        on_event: Callable[[EventLine], None] = lambda _event: None,
        monotonic: Callable[[], float] = time.monotonic,
        random: Random | None = None,
    ) -> None:
        self.config = config
        self.paths = paths
        self.stopping = False
        self.events: deque[EventLine] = deque(maxlen=KEPT_EVENTS)
        self._on_event = on_event
        self._monotonic = monotonic
        self._random = random or Random()
        self._settings = config.globals.supervisor
        os.umask(UMASK)
        wanted = plans.strategies(config), plans.services(config, paths.ledger)
        descriptors.check(sum(map(len, wanted)))
        paths.create()
        self._single = SingleInstance(paths, config.path)
        self.installation = epochs.installation_of(paths)
        self._registry = Registry(paths.registry, paths.var, epochs.highest_epoch(paths))
        self.begun = monotonic()
        self._wakeup = Wakeup()
        self._launcher = ForkserverLauncher(self._wakeup.wake)
        self._spawning: dict[str, Future[Handle]] = {}
        self._renew_at = 0.0
        self._pauses = Pauses(self._note)
        self.strategies, self.services = ([self._child(p) for p in group] for group in wanted)
        self._order = StartStopOrder(self.strategies, self.services, self.begun)
        self._by_name = {child.name: child for child in self.children}
        self._by_fd: dict[int, Child] = {}
        self._coroner = Coroner(paths, len(self.children), self._note)
        self._open_sockets()

    @property
    def children(self) -> list[Child]:
        """All children, services first."""
        return [*self.services, *self.strategies]

    def run(self, until: float | None = None, relapse: str = "") -> None:
        """Start everything, watch it, and stop it in order.

        Args:
            until: Monotonic time at which to stop; None: when asked to.
            relapse: The error that ended an earlier run in this process; empty: none.

        Raises:
            Exception: An error of the supervisor's own. Its children live on, and another
                supervisor on this folder adopts them; while it was stopping, they are killed.
        """
        with self._wakeup.catching():
            try:
                self._watch_over(until, relapse)
            except Exception:
                (self._clean_up if self.stopping else self._let_go)()
                raise
            except BaseException:
                self._clean_up()
                raise
            self._clean_up()

    def request_stop(self, why: str) -> None:
        """Stop everything, in order; `run` returns when the last process is gone."""
        if not self.stopping:
            self.stopping = True
            self._note("supervisor", "stopping", why)

    # What a child may ask for: `child.Actions`

    def spawn(self, child: Child) -> ChildSpec:
        """Start a process under the next epoch; the gateway stops listening to earlier ones."""
        now = self._monotonic()
        epoch = self._registry.next_epoch(child.name)
        spec = ChildSpec(
            name=child.name,
            kind=child.plan.kind,
            entry=child.plan.entry,
            epoch=epoch,
            config_path=self.config.path,
            config_hash=child.plan.config_hash,
            var_dir=str(self.paths.var),
            payload=child.plan.payload,
            spawned=now,
            lease=self.installation.lease(child.name, epoch, now + self._settings.lease),
            identity=self.installation.identity(child.name, epoch),
            installation=self.installation.id,
            poison=self._coroner.poison(child.name),
        )
        if child.plan.kind == "strategy":
            self._links.fence(spec.name, spec.epoch)
        self._spawning[child.name] = self._launcher.spawn(spec)
        return spec

    def fell(self, child: Child, now: float, own_doing: bool) -> float:
        """Keep what its process left; seconds that its respawn should wait."""
        return self._coroner.on_death(child, now, own_doing)

    def bury(self, child: Child, death: Death) -> None:
        """Write its black box."""
        self._coroner.write(child, death)

    def recycle(self, child: Child) -> None:
        """Ask its process to end after the next bar."""
        self._links.send(child.name, child.epoch, Recycle())

    def recovered(self, child: Child) -> None:
        """Complete its black box."""
        self._coroner.on_recovered(child)

    def tell(self, child: Child, kind: str, detail: str) -> None:
        """Tell the trader what happened to a child."""
        self._note(child.name, kind, detail)

    # The turn

    def _watch_over(self, until: float | None, relapse: str) -> None:
        if relapse:
            self._note("supervisor", "began_again", f"after an error of its own: {relapse}")
        self._launcher.warm_up()
        self._adopt_survivors()
        self._note("supervisor", "started", f"{len(self.strategies)} strategies")
        self._order.start(self._monotonic())
        while not (self.stopping and self._order.all_down and not self._spawning):
            self._turn()
            if until is not None and self._monotonic() >= until:
                self.request_stop("the time is over")

    def _turn(self) -> None:
        now = self._monotonic()
        deadline = min((c.next_deadline(now) for c in self.children), default=TURN)
        for ready, _ in self._poller.poll(round(min(deadline, TURN) * 1000)):
            if ready in self._by_fd:
                self._reap(self._by_fd[ready])
            elif ready == self._wakeup.fileno():
                self._wakeup.drain()
        for signum in self._wakeup.received():
            self.request_stop(signum.name)
        self._collect_spawned()
        self._read_children()
        self._operator.serve()
        self._pauses.on_turn(now := self._monotonic(), self.children)
        for child in self.children:
            child.on_time(now)
        if self.stopping:
            self._order.stop(now)
        else:
            self._order.start_feed(now)
        for name in self._coroner.forgiven(now):
            self._by_name[name].forgive()
        self._renew_leases(now)
        self._registry.save()

    def _reap(self, child: Child) -> None:
        handle = child.handle
        if handle is None or (status := handle.exit_status()) is None:
            return  # A sentinel is a hint: the forkserver may be gone while the child lives.
        self._read_children()
        if status.code is None:
            self._coroner.hear(child)
        elif status.code > 0:
            self._links.hear_out(self._dispatch, lambda: self._coroner.hear(child))
        self._unwatch(handle)
        self._registry.record(child.name, Entry(child.epoch))
        child.on_exit(status, self._monotonic(), self._coroner.oom_since_last())

    def _unwatch(self, handle: Handle) -> None:
        self._by_fd.pop(handle.exit_fd, None)
        with contextlib.suppress(KeyError):
            self._poller.unregister(handle.exit_fd)

    def _collect_spawned(self) -> None:
        now = self._monotonic()
        self._launcher.unstick(now)
        for name, future in list(self._spawning.items()):
            child = self._by_name[name]
            if not future.done():
                continue
            del self._spawning[name]
            error = future.exception()
            if error is not None:
                child.on_spawn_failed(error, now)
                continue
            self._watch(child, future.result())
            child.on_spawned(future.result(), now)

    def _watch(self, child: Child, handle: Handle) -> None:
        """Note a child's process, and wake when it ends."""
        entry = Entry(child.epoch, handle.pid, handle.born, child.plan.config_hash)
        self._registry.record(child.name, entry)
        self._by_fd[handle.exit_fd] = child
        self._poller.register(handle.exit_fd, zmq.POLLIN)

    def _read_children(self) -> None:
        for message in self._links.read():
            self._dispatch(message)

    def _dispatch(self, message: FromChild) -> None:
        child = self._by_name.get(message.name)
        if child is None or message.epoch != child.epoch:
            self._links.send(message.name, message.epoch, Stop())  # replaced, if still alive
            return
        now = self._monotonic()
        match message:
            case Beat():
                child.on_beat(message, now)
            case Ready():
                child.on_ready(now, message.model_hash)
                self._lease(child, now)
            case FirstTick():
                child.on_first_tick(message)
            case Hello():
                child.on_hello(message)
            case Failed():
                child.on_failed(message)

    # Start and end

    def _clean_up(self) -> None:
        for child in self.children:
            if child.handle is not None:
                child.handle.kill(signal.SIGKILL)
        self._launcher.close()
        self._poller = zmq.Poller()
        self._control.close()
        self._links.close()
        self._context.term()
        if self.installation.is_at(self.paths.installation):
            self.paths.remove_traces([child.name for child in self.children])
        held = still_open(reporting.report(self, self._monotonic()))
        self._note("supervisor", "stopped", f"every process has ended{held}")
        self._single.release()
        self._wakeup.close()

    def _let_go(self) -> None:
        """Leave the children to the next supervisor; whatever is broken here must not stop that."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.suppress(Exception))
            for step in (
                self._wakeup.close,
                self._single.close,
                lambda: self._context.destroy(linger=0),
                self._registry.save,
                self._note_spawned,
                self._launcher.close,
            ):
                stack.callback(step)

    def _note_spawned(self) -> None:
        """Write down processes that nobody has looked at yet."""
        for name, future in self._spawning.items():
            if not future.cancelled() and future.exception() is None:
                self._watch(self._by_name[name], future.result())

    def _adopt_survivors(self) -> None:
        """Take over the children of a supervisor that died, where they run what is wanted."""
        now = self._monotonic()
        for child, handle, entry in adoption.survivors(self._registry, self._by_name, self._note):
            child.adopt(handle, entry.epoch, now)
            self._watch(child, handle)
            self._links.send(child.name, child.epoch, Identify())
            self._note(child.name, "adopted", f"pid {entry.pid}, epoch {entry.epoch}")

    # Sockets

    def _child(self, plan: Plan) -> Child:
        own = {s.name: s for s in self.config.strategies}.get(plan.name)
        restart = own.restart if own is not None else None
        policy = RestartPolicy(restart or self._settings.restart, self._random)
        limits = own.limits if own is not None else None
        return Child(plan, policy, self._settings, self, limits)

    def _open_sockets(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._links = Links(self._context, self.paths, self.installation)
        self._control = ControlServer(self._context, self.paths)
        self._operator = Operator(self, self._control, self._monotonic)
        self._poller = zmq.Poller()
        self._poller.register(self._control.socket, zmq.POLLIN)
        self._poller.register(self._wakeup.fileno(), zmq.POLLIN)

    def _renew_leases(self, now: float) -> None:
        if now < self._renew_at or self.stopping:
            return
        self._renew_at = now + self._settings.lease / 3.0
        if not self.installation.is_at(self.paths.installation):
            self.request_stop(f"{self.paths.var} was removed, or is another installation now")
            return
        if self._launcher.revive():
            self._note("supervisor", "forkserver_died", "a new one is started; its children live")
        for child in self.children:
            if child.state in ALIVE:
                self._lease(child, now)

    def _lease(self, child: Child, now: float) -> None:
        lease = self.installation.lease(child.name, child.epoch, now + self._settings.lease)
        self._links.send(child.name, child.epoch, lease)

    def _note(self, name: str, kind: str, detail: str) -> None:
        event = EventLine.now(name, kind, detail)
        logger.log(level_of(kind), "%s: %s", kind, detail, extra={"child": name})
        self.events.append(event)
        self._on_event(event)
