"""What the operator asks for by the control socket, and the supervisor's answers."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.control.asking import StatusRequest
from mt5crs_shared.control.status_report import StatusReport
from mt5crs_shared.errors import ConfigError
from mt5crs_shared.events import SUPERVISOR, NotTakenUp, Reloaded, Restart, StartAsked, StopAsked
from mt5crs_shared.wording import VALUE_LENGTH, one_line
from mt5crs_supervisor.children import plans
from mt5crs_supervisor.children.child import Child
from mt5crs_supervisor.children.plans import Plan
from mt5crs_supervisor.operator import reporting
from mt5crs_supervisor.operator.control import (
    ChildRequest,
    ConfigDifference,
    ConfigWatched,
    ControlServer,
    Done,
    Planned,
    Refused,
    ReloadRequest,
    Reply,
    Request,
    StopRequest,
)
from mt5crs_supervisor.operator.difference import beside_fixed, difference, left_open
from mt5crs_supervisor.operator.reload import Reload
from mt5crs_supervisor.operator.reporting import Reported
from mt5crs_supervisor.processes import descriptors
from mt5crs_supervisor.processes.descriptors import TooFewFilesError

BY_OPERATOR = "asked by the operator"


class Asked(Reported, Protocol):
    """What is done at the operator's word."""

    def request_stop(self, why: str) -> None:
        """Stop everything, in order."""


class Operator:
    """Answers requests.

    Args:
        supervisor: Who is asked.
        server: Where.
        monotonic: The monotonic clock, seconds.
    """

    def __init__(
        self, supervisor: Asked, server: ControlServer, monotonic: Callable[[], float]
    ) -> None:
        self._supervisor = supervisor
        self._server = server
        self._monotonic = monotonic
        self._reload: Reload | None = None
        self._watched = ConfigWatched()

    @property
    def reloading(self) -> str:
        """What a reload waits for; empty: none is under way."""
        return self._reload.waits_for if self._reload is not None else ""

    def serve(self) -> None:
        """Answer what waits, and go on with a reload."""
        for client, request in self._server.requests():
            self._server.answer(client, self._answer(request))
        if self._supervisor.stopping:
            self._reload = None  # Nobody is started any more.
        if self._reload is not None:
            self._go_on(self._reload)

    def _go_on(self, reload: Reload) -> None:
        reload.on_turn(self._monotonic())
        self._reload = reload if reload.waits_for else None

    def _answer(self, request: Request) -> Reply | StatusReport:
        match request:
            case StatusRequest():
                now = self._monotonic()
                return reporting.report(self._supervisor, now, self.reloading, self._watched)
            case StopRequest():
                self._supervisor.request_stop(BY_OPERATOR)
                return Done("stopping")
            case ChildRequest():
                return self._busy() or self._act_on(request)
            case ReloadRequest():
                return self._busy() or self._reload_to(request)
            case ConfigWatched():
                return self._note(request)

    def _busy(self) -> Refused | None:
        if self._supervisor.stopping:
            return Refused("the supervisor is stopping")
        if self._reload is not None:
            return Refused(f"a reload is under way, and waits for {self.reloading}")
        return None

    def _note(self, watched: ConfigWatched) -> Done:
        if watched.problem and watched.problem != self._watched.problem:
            self._supervisor.events.notify(NotTakenUp(SUPERVISOR, watched.problem))
        self._watched = watched
        return Done()

    def _take(self, wanted: Config) -> None:
        self._supervisor.roster.take(wanted)
        self._watched = msgspec.structs.replace(self._watched, problem="")

    def _act_on(self, request: ChildRequest) -> Done | Refused:
        roster = self._supervisor.roster
        unknown = [name for name in request.names if name not in roster.by_name]
        if unknown:
            return Refused(f"there is no child called {unknown[0]}", tuple(roster.by_name))
        for name in request.names:
            child = roster.by_name[name]
            if child.plan.kind != "strategy" and request.action != "restart":
                return Refused(f"{name} is a service: it can be restarted, or everything stopped")
        for name in request.names:
            self._act(request.action, roster.by_name[name], asked_by(request.who))
        return Done()

    def _act(self, action: str, child: Child, why: str) -> None:
        now = self._monotonic()
        notify = self._supervisor.events.notify
        match action:
            case "start":
                notify(StartAsked(child.name, why))
                child.start(now)
            case "stop":
                notify(StopAsked(child.name, why))
                child.stop(now)
            case _:
                notify(Restart(child.name, why))
                child.restart(now)

    def _reload_to(self, request: ReloadRequest) -> Planned | Refused:
        roster = self._supervisor.roster
        try:
            read = loading.load_config(Path(roster.config.path))
        except ConfigError as error:
            return Refused(str(error))
        if digest_of(read) != request.digest:
            return Refused("the file has changed while it was checked: try again")
        wanted = beside_fixed(read, roster.config)
        everybody = plans.everybody(wanted, self._supervisor.paths.ledger)
        found = self._difference(wanted, everybody, request.models)
        if found.held and not (request.keep or request.dry_run):
            return Refused(left_open(found.held))
        if not found.count:
            self._take(wanted)  # The file was written anew, and says the same.
        if request.dry_run or found.refused or not found.count:
            return Planned(found)
        try:
            standbys = sum(strategy.standby for strategy in wanted.enabled)
            descriptors.check_descriptors(len(everybody) + standbys)
        except TooFewFilesError as error:
            return Refused(str(error))
        self._take(wanted)
        told = change_in_words(found) + (f"; {asked_by(request.who)}" if request.who else "")
        self._supervisor.events.notify(Reloaded(SUPERVISOR, told))
        # Begun before it is answered: whoever asks next sees what it waits for.
        self._go_on(Reload(roster, found, everybody))
        return Planned(found)

    def _difference(
        self, wanted: Config, everybody: dict[str, Plan], models: dict[str, str]
    ) -> ConfigDifference:
        roster = self._supervisor.roster
        return difference(
            roster.config,
            wanted,
            ({name: child.plan for name, child in roster.by_name.items()}, everybody),
            ({child.name: child.spawn.model_hash for child in roster.strategies}, models),
            self._held(),
        )

    def _held(self) -> set[str]:
        account = reporting.account_of(self._supervisor)
        money = account.strategies if account is not None else ()
        return {entry.strategy for entry in money if entry.position is not None}


def asked_by(who: str) -> str:
    """Why something is done, for those who ask later.

    Args:
        who: For whom a command was run; empty: for whoever ran it.
    """
    return f"{BY_OPERATOR} ({one_line(who, VALUE_LENGTH)})" if who else BY_OPERATOR


def digest_of(config: Config) -> str:
    """What tells one configuration from another."""
    return hashlib.blake2b(msgspec.json.encode(config), digest_size=16).hexdigest()


def change_in_words(found: ConfigDifference) -> str:
    """For people, in one sentence."""
    parts = {
        "added": found.added,
        "removed": found.removed,
        "changed": tuple(change.name for change in found.changed),
        "global": tuple(change.path for change in found.globals),
    }
    told = [f"{what} {', '.join(names)}" for what, names in parts.items() if names]
    return "; ".join(told) or "nothing differs"
