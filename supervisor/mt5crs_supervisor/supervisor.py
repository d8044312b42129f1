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

from mt5crs_shared.config import Config
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
from mt5crs_shared.paths import UMASK, VarPaths
from mt5crs_supervisor import adoption, fences, plans, reporting
from mt5crs_supervisor.child import Child
from mt5crs_supervisor.control import (
    ControlServer,
    Done,
    Refused,
    Reply,
    Request,
    RestartRequest,
    StatusRequest,
    StopRequest,
)
from mt5crs_supervisor.coroner import Coroner
from mt5crs_supervisor.launcher import ForkserverLauncher, Handle
from mt5crs_supervisor.lifecycle import ALIVE, State
from mt5crs_supervisor.links import Links
from mt5crs_supervisor.pauses import Pauses
from mt5crs_supervisor.records import Death, Plan, level_of
from mt5crs_supervisor.registry import Entry, Registry
from mt5crs_supervisor.restart_policy import RestartPolicy
from mt5crs_supervisor.single import SingleInstance
from mt5crs_supervisor.status_report import EventLine, StatusReport
from mt5crs_supervisor.wakeup import Wakeup

logger = logging.getLogger(__name__)

TURN = 0.2
"""Seconds between two looks at the beats; waking for each one would cost more than all else."""

FEED_PATIENCE = 5.0
"""Seconds that a feed of our own waits for strategies that take long to boot."""

SPAWN_WITHIN = 15.0
"""Seconds after which a forkserver that does not answer is killed."""

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
        paths.create()
        self._single = SingleInstance(paths, config.path)
        self.installation = fences.installation_of(paths)
        self._registry = Registry(paths.registry, paths.var, fences.highest_epoch(paths))
        self.begun = monotonic()
        self._wakeup = Wakeup()
        self._launcher = ForkserverLauncher(self._wakeup.wake)
        self._spawning: dict[str, tuple[Future[Handle], float]] = {}
        self._renew_at = 0.0
        self._pauses = Pauses(self._note)
        self.strategies = [self._child(plan) for plan in plans.strategies(config)]
        self.services = [self._child(plan) for plan in plans.services(config, paths.ledger)]
        self._by_name = {child.name: child for child in self.children}
        self._by_fd: dict[int, Child] = {}
        self._coroner = Coroner(config, paths, len(self.children), self._note)
        self._open_sockets()

    @property
    def children(self) -> list[Child]:
        """All children, services first."""
        return [*self.services, *self.strategies]

    def run(self, duration: float | None = None) -> None:
        """Start everything, watch it, and stop it in order.

        Args:
            duration: Seconds after which to stop; None: when asked to.
        """
        until = self._monotonic() + duration if duration is not None else None
        with self._wakeup.catching():
            try:
                self._launcher.warm_up()
                self._adopt_survivors()
                self._start_all()
                while not (self.stopping and self._all_down()):
                    self._turn()
                    if until is not None and self._monotonic() >= until:
                        self.request_stop("the time is over")
            finally:
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
        self._spawning[child.name] = (self._launcher.spawn(spec), now)
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
        self._serve_control()
        self._pauses.on_turn(now := self._monotonic(), self.children)
        for child in self.children:
            child.on_time(now)
        self._start_feed(now)
        self._stop_in_order(now)
        for name in self._coroner.forgiven(now):
            self._by_name[name].forgive()
        self._renew_leases(now)
        self._registry.save()

    def _reap(self, child: Child) -> None:
        handle = child.handle
        if handle is None or (status := handle.exit_status()) is None:
            return  # A sentinel is a hint: the forkserver may be gone while the child lives.
        self._read_children()
        if (status.code or 0) > 0:
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
        for name, (future, asked) in list(self._spawning.items()):
            child = self._by_name[name]
            if not future.done():
                if now - asked > SPAWN_WITHIN:
                    self._spawning[name] = (future, now)
                    self._launcher.unstick()
                continue
            del self._spawning[name]
            error = future.exception()
            if error is not None:
                child.on_spawn_failed(error, now)
                continue
            self._watch(child, future.result())
            child.on_spawned(future.result())

    def _watch(self, child: Child, handle: Handle) -> None:
        """Note a child's process, and wake when it ends."""
        entry = Entry(child.epoch, handle.pid, handle.create_time, child.plan.config_hash)
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
                child.on_ready(now)
                self._lease(child, now)
            case FirstTick():
                child.on_first_tick(message)
            case Hello():
                child.on_hello(message)
            case Failed():
                child.on_failed(message)

    # The operator

    def _serve_control(self) -> None:
        while (received := self._control.receive()) is not None:
            client, request = received
            self._control.answer(client, self._answer(request))

    def _answer(self, request: Request) -> Reply | StatusReport:
        match request:
            case StatusRequest():
                return reporting.report(self, self._monotonic())
            case StopRequest():
                self.request_stop("asked by the operator")
                return Done("stopping")
            case RestartRequest(name=name):
                return self._restart(name)

    def _restart(self, name: str) -> Done | Refused:
        child = self._by_name.get(name)
        if child is None:
            return Refused(f"there is no child called {name}", tuple(self._by_name))
        if self.stopping:
            return Refused("the supervisor is stopping")
        self._note(name, "restart", "asked by the operator")
        child.restart(self._monotonic())
        return Done(f"{name} is being restarted")

    # Start and end

    def _start_all(self) -> None:
        self._note("supervisor", "started", f"{len(self.strategies)} strategies")
        now = self._monotonic()
        for child in self.children:
            if child.plan.kind != "feed":
                child.start(now)

    def _start_feed(self, now: float) -> None:
        """A feed of our own begins when strategies are there to take its first tick."""
        feed = self._by_name.get("feed")
        if feed is None or self.stopping or feed.epoch or feed.state is not State.STOPPED:
            return
        booting = {State.STARTING, State.RECOVERING}
        waiting = any(child.state in booting for child in self.children if child is not feed)
        if not waiting or now - self.begun > FEED_PATIENCE:
            feed.start(now)

    def _stop_in_order(self, now: float) -> None:
        """Strategies first, so that none loses the gateway under its hands; then the services."""
        if not self.stopping:
            return
        for group in (self.strategies, self.services):
            for child in group:
                child.stop(now)
            if any(child.state is not State.STOPPED for child in group):
                return

    def _all_down(self) -> bool:
        return all(child.state is State.STOPPED for child in self.children) and not self._spawning

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
        self._note("supervisor", "stopped", "every process has ended")
        self._single.release()
        self._wakeup.close()

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
