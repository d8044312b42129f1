"""The loop of the parent: read beats, see who died, look at deadlines, answer the operator."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from random import Random

import zmq

from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.control.status_report import EventLine, still_open
from mt5crs_shared.events import SUPERVISOR, BeganAgain, Started, Stopped, Stopping
from mt5crs_shared.messages import Beat, Failed, FirstTick, FromChild, Hello, Ready, Stop
from mt5crs_shared.process.paths import UMASK, VarPaths
from mt5crs_shared.storage.event_files import EventWriter
from mt5crs_supervisor.children import causes, plans
from mt5crs_supervisor.children.channel import ChildChannel
from mt5crs_supervisor.children.child import Child
from mt5crs_supervisor.children.pauses import Pauses
from mt5crs_supervisor.children.sequence import StartStopOrder
from mt5crs_supervisor.children.spawner import Spawner
from mt5crs_supervisor.deaths.giving_up import GivingUp
from mt5crs_supervisor.deaths.post_mortem import PostMortem
from mt5crs_supervisor.operator import reporting
from mt5crs_supervisor.operator.actions import Operator
from mt5crs_supervisor.operator.control import ControlServer
from mt5crs_supervisor.operator.event_log import EventLog
from mt5crs_supervisor.processes import descriptors, epochs
from mt5crs_supervisor.processes.instance_lock import InstanceLock
from mt5crs_supervisor.processes.launcher import ForkserverLauncher
from mt5crs_supervisor.processes.registry import Registry
from mt5crs_supervisor.processes.self_pipe import SelfPipe
from mt5crs_supervisor.processes.service_manager import ServiceManager
from mt5crs_supervisor.processes.standbys import StandingBy
from mt5crs_supervisor.roster import Roster

TURN = 0.2
"""Seconds between two looks at the beats; waking for each one would cost more than all else."""


class Supervisor:
    """Runs one configuration until it is asked to stop.

    Args:
        config: What to run.
        paths: The ``var`` folder.
        on_event: Called for each event, for printing.
        manager: Who is told that it runs: systemd, or nobody.
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
        manager: ServiceManager | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        random: Random | None = None,
    ) -> None:
        self.paths = paths
        self.stopping = False
        self._monotonic = monotonic
        self._manager = manager or ServiceManager({})
        os.umask(UMASK)
        planned = plans.strategies(config), plans.services(config, paths.ledger)
        standbys = sum(plan.standby for plan in planned[0])
        descriptors.check_descriptors(sum(map(len, planned)) + standbys)
        paths.create()
        self._lock = InstanceLock(paths, config.path)
        self.events = EventLog(EventWriter(paths.events), on_event)
        self.installation = epochs.installation_of(paths)
        registry = Registry(paths.registry, paths.var, epochs.highest_epoch(paths))
        self.begun = monotonic()
        self._poller = zmq.Poller()
        self._self_pipe = SelfPipe()
        self._launcher = ForkserverLauncher(self._self_pipe.wake, _models_of(config, paths))
        self._early: list[FromChild] = []
        self._pauses = Pauses(self.events.notify)
        self._post_mortem = PostMortem(paths, lambda: len(self.roster.by_name), self.events.notify)
        self._open_sockets()
        self._giving_up = GivingUp(self._channel.close_positions)
        self._spawner = Spawner(
            config,
            paths,
            self.installation,
            registry,
            self._channel,
            self._launcher,
            monotonic,
            self._post_mortem.poison,
            self.events.notify,
        )
        self._poller.register(self._spawner.fileno(), zmq.POLLIN)
        self.roster = Roster(config, paths, random or Random(), self._spawner, self._post_mortem)
        for plan in (*planned[0], *planned[1]):
            self.roster.add(plan)
        self._order = StartStopOrder(self.roster.strategies, self.roster.services, self.begun)

    @property
    def children(self) -> list[Child]:
        """All children, services first."""
        return self.roster.children

    def standby_of(self, child: Child) -> StandingBy:
        """What stands by for a child."""
        return self._spawner.standby_of(child)

    def run(self, until: float | None = None, earlier_error: str = "") -> None:
        """Start everything, watch it, and stop it in order.

        Args:
            until: Monotonic time at which to stop; None: when asked to.
            earlier_error: The error that ended an earlier run in this process; empty: none.

        Raises:
            Exception: An error of the supervisor's own. Its children live on, and another
                supervisor on this folder adopts them; while it was stopping, they are killed.
        """
        with self._self_pipe.catching():
            try:
                self._watch_over(until, earlier_error)
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
            self.events.notify(Stopping(SUPERVISOR, why))

    # The turn

    def _watch_over(self, until: float | None, earlier_error: str) -> None:
        if earlier_error:
            self.events.notify(BeganAgain(SUPERVISOR, earlier_error))
        self._launcher.warm_up()
        self._spawner.adopt_survivors(self.roster.by_name)
        self.events.notify(Started(SUPERVISOR, len(self.roster.strategies)))
        self._order.start(self._monotonic())
        while not (self.stopping and self._order.all_down and not self._spawner.busy):
            self._turn()
            if until is not None and self._monotonic() >= until:
                self.request_stop("the time is over")

    def _turn(self) -> None:
        self._wait()
        self._spawner.collect(self._monotonic())
        self._read_children()
        self._operator.serve()
        now = self._monotonic()
        self._pauses.on_turn(now, self.children)
        for child in self.children:
            child.on_time(now)
        if self.stopping:
            self._order.stop(now)
        else:
            self._order.start_feed(now)
        for name in self._post_mortem.forgiven(now):
            if name in self.roster.by_name:
                self.roster.by_name[name].policy.forgive_last()
        entries, account = self.roster.config.strategies, reporting.account_of(self)
        self._giving_up.on_turn(self.roster.strategies, entries, account, now)
        self._renew_leases(now)
        self._spawner.keep_standbys(self.roster.strategies, now)
        self._spawner.save()
        if self._manager.listens:
            line = reporting.in_one_line(self.roster)
            self._manager.on_turn(self._order.is_up, self._operator.reloading, self.stopping, line)

    def _wait(self) -> None:
        """Wait for the next turn, or for what cannot wait: deaths, and signals."""
        now = self._monotonic()
        deadline = min((c.next_deadline(now) for c in self.children), default=TURN)
        for ready, _ in self._poller.poll(round(min(deadline, TURN) * 1000)):
            if ready == self._spawner.fileno():
                for child in self._spawner.ended():
                    self._reap(child)
            elif ready == self._self_pipe.fileno():
                self._self_pipe.drain()
        for signum in self._self_pipe.received():
            self.request_stop(signum.name)

    def _reap(self, child: Child) -> None:
        handle = child.spawn.handle
        if handle is None or (status := handle.exit_status()) is None:
            return  # A sentinel is a hint: the forkserver may be gone while the child lives.
        self._read_children()
        if status.code is None:
            self._post_mortem.read_last_words(child)
        elif status.code > 0:
            known = self._post_mortem.read_last_words
            self._channel.wait_for_last_words(self._dispatch, lambda: known(child))
        self._spawner.forget(child, handle)
        if causes.has_written_stacks(child.spawn, status):
            child.spawn.stuck_at = self._post_mortem.stuck_at(child)
        child.on_exit(status, self._monotonic(), self._post_mortem.oom_since_last())

    def _read_children(self) -> None:
        early, self._early = self._early, []
        for message in (*early, *self._channel.read()):
            self._dispatch(message)

    def _dispatch(self, message: FromChild) -> None:
        child = self.roster.by_name.get(message.name)
        if child is None or message.epoch != child.spawn.epoch:
            self._channel.send(message.name, message.epoch, Stop())  # replaced, if still alive
            return
        if child.spawn.pending:
            # It speaks before the launcher has said which process it is.
            self._early.append(message)
            return
        now = self._monotonic()
        match message:
            case Beat():
                child.on_beat(message, now)
            case Ready():
                child.on_ready(now, message.model_hash)
                self._spawner.lease(child, now)
            case FirstTick():
                child.on_first_tick(message)
            case Hello():
                child.spawn.on_hello(message)
            case Failed():
                child.on_failed(message)

    def _renew_leases(self, now: float) -> None:
        if self.stopping or not self._spawner.is_renewal_due(now):
            return
        if self._is_at_home():
            self._spawner.renew_leases(self.children, now)
        else:
            self.request_stop(f"{self.paths.var} was removed, or is another installation now")

    def _is_at_home(self) -> bool:
        return self.installation.is_at(self.paths.installation)

    # Start and end

    def _open_sockets(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._channel = ChildChannel(self._context, self.paths, self.installation)
        self._control = ControlServer(self._context, self.paths)
        self._operator = Operator(self, self._control, self._monotonic)
        self._poller.register(self._control.socket, zmq.POLLIN)
        self._poller.register(self._self_pipe.fileno(), zmq.POLLIN)

    def _clean_up(self) -> None:
        for child in self.children:
            if child.spawn.handle is not None:
                child.spawn.handle.kill(signal.SIGKILL)
        self._launcher.close()
        self._spawner.close()
        self._control.close()
        self._channel.close()
        self._context.term()
        if self._is_at_home():
            self.paths.remove_traces(self.roster.names)
        told = reporting.report(self, self._monotonic())
        rows = (*told.strategies, *told.former)
        held = still_open((row.process.name, row.position_lots) for row in rows)
        self.events.notify(Stopped(SUPERVISOR, f"every process has ended{held}"))
        self.events.close()
        self._lock.release()
        self._self_pipe.close()

    def _let_go(self) -> None:
        """Leave the children to the next supervisor; whatever is broken here must not stop that."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.suppress(Exception))
            for step in (
                self._self_pipe.close,
                self._lock.close,
                lambda: self._context.destroy(linger=0),
                self._spawner.close,
                self._spawner.note_pending,
                self._launcher.close,
            ):
                stack.callback(step)


def _models_of(config: Config, paths: VarPaths) -> list[str]:
    """See `forkserver.ensure`."""
    models = sorted({strategy.model_path for strategy in config.enabled if strategy.model_path})
    return [str(paths.models), *models] if models else []
