"""What `status` says: the answer of a running supervisor, and its documented schema."""

from collections.abc import Iterable

import msgspec

from mt5crs_shared.messages import Kind
from mt5crs_shared.metrics import AccountReport, StrategyMetrics, Timings
from mt5crs_shared.trading.locks import TradingState

SCHEMA_VERSION = 1
"""Of :class:`StatusReport`; it rises when a field changes its meaning or goes."""


class ChildStatus(msgspec.Struct, frozen=True):
    """One child process.

    Attributes:
        name: Its name.
        kind: strategy, gateway, tape, feed, notifier, metrics or page.
        state: See ``docs/lifecycle.md``.
        phase: What its loop said it was doing; empty before the first beat.
        degraded: Why it cannot do its work fully; empty: it can.
        queued: Processes that are made before its own; null: it waits for none.
        pid: Its process; null where there is none.
        epoch: Number of its last spawn.
        uptime: Seconds since that spawn; null where there is no process.
        restarts: Respawns after a death since the supervisor began.
        retry_in: Seconds until the next respawn; null where none is due.
        beat_age: Seconds since the last heartbeat was read; null before the first.
        recovery_ms: From its last death to its first tick afterwards, or, of a service, until it
            worked; null: never died.
        preloaded: Forked with its modules in place; null before its first word.
        standby: Process that stands by for it, warm; null: none does.
        no_standby: Why none can, where one is wanted; empty: one does, or will soon.
        memory: Resident bytes, by its last beat.
        cpu: Percent of one core over its last beats.
        last_error: The last error of a strategy's code that fails just now, or else the reason of
            the last death since it was started by somebody.
        died_of: What its last process has died of; empty: none has, or somebody has restarted it.
        progress: Ticks published, recorded or watched, of a service.
    """

    name: str
    kind: Kind
    state: str
    phase: str
    degraded: str
    queued: int | None
    pid: int | None
    epoch: int
    uptime: float | None
    restarts: int
    retry_in: float | None
    beat_age: float | None
    recovery_ms: float | None
    preloaded: bool | None
    standby: int | None
    no_standby: str
    memory: int
    cpu: float
    last_error: str
    died_of: str
    progress: int


class StrategyStatus(msgspec.Struct, frozen=True):
    """One strategy: its process, its counters, its money.

    Attributes:
        process: Its process.
        symbol: Its symbol.
        trading: ACTIVE; REDUCING: it may close only; HALTED: not even that. See `locks`.
        ticks_per_second: Over its last beats, a few seconds.
        last_tick_age: Seconds since it processed a tick; null before the first.
        metrics: Its counters by the last beat; null before the first.
        position_lots: Open volume by the ledger, negative when short.
        realised: Profit of closed deals less commission and swap, account currency, by the ledger.
        floating: Profit of the open position, account currency, by the ledger.
        deals: Deals so far, by the ledger.
        timings: How long ticks and orders took, by the last beat; null before the first.
    """

    process: ChildStatus
    symbol: str
    trading: TradingState
    ticks_per_second: float
    last_tick_age: float | None
    metrics: StrategyMetrics | None
    position_lots: float
    realised: float
    floating: float
    deals: int
    timings: Timings | None = None


class EventLine(msgspec.Struct, frozen=True):
    """Something that happened to a child.

    Attributes:
        time: Wall time, ISO 8601, UTC.
        name: The child.
        kind: running, died, hung, quarantined, recovered, stopped, adopted ...
        detail: For people.
    """

    time: str
    name: str
    kind: str
    detail: str


class Totals(msgspec.Struct, frozen=True):
    """Sums over all strategies.

    Attributes:
        strategies: How many are enabled.
        running: How many are RUNNING.
        degraded: How many of those are DEGRADED.
        quarantined: How many are given up.
        queued: How many wait for their process to be made.
        restarts: Respawns since the supervisor began, of services too.
        ticks_per_second: Sum of the rates.
        signals: Sum of the signals.
        orders: Sum of the orders that left.
        realised: Sum, account currency, with former strategies: what the account has made.
        floating: Sum, account currency, with former strategies.
        memory: Resident bytes of all children and the supervisor; shared pages count each time.
    """

    strategies: int
    running: int
    degraded: int
    quarantined: int
    queued: int
    restarts: int
    ticks_per_second: float
    signals: int
    orders: int
    realised: float
    floating: float
    memory: int


class StatusReport(msgspec.Struct, frozen=True):
    """The whole answer to `status`.

    Attributes:
        schema: :data:`SCHEMA_VERSION`.
        pid: Process of the supervisor.
        uptime: Seconds since it began.
        stopping: It has been asked to stop.
        reloading: What a reload waits for; empty: none is under way.
        config: The YAML file.
        config_changed: When it was written, wall time, ISO 8601, UTC, where it is another one than
            what runs; null: it is not.
        config_differences: How many things `reload` would change, contents of models aside, where
            the file has changed and the command has compared it. Null: it has not.
        config_problem: Why what the file says cannot be taken up, or was not; empty: it can, or
            nothing has changed.
        config_watcher: Process that takes up changes of the configuration; null: `reload` does.
        folder: Where it was started: classes and relative paths are looked for there.
        var_dir: The ``var`` folder.
        market_url: Where ticks come from.
        forkserver_pid: Process that children are forked from; null where there is none.
        account: The account by the gateway's last beat; null before it.
        strategies: One entry for each enabled strategy, in the order of the YAML.
        former: One entry for each other strategy with deals or a position in the ledger. Its
            state is DISABLED, or REMOVED where the YAML has no such name; it has no process.
        services: gateway, tape, feed, notifier, metrics, page.
        totals: Sums.
        events: The newest events, oldest first, at most 50.
    """

    schema: int
    pid: int
    uptime: float
    stopping: bool
    reloading: str
    config: str
    config_changed: str | None
    config_differences: int | None
    config_problem: str
    config_watcher: int | None
    folder: str
    var_dir: str
    market_url: str
    forkserver_pid: int | None
    account: AccountReport | None
    strategies: tuple[StrategyStatus, ...]
    former: tuple[StrategyStatus, ...]
    services: tuple[ChildStatus, ...]
    totals: Totals
    events: tuple[EventLine, ...]

    @property
    def children(self) -> list[ChildStatus]:
        """Every child, strategies first."""
        return [*(s.process for s in self.strategies), *self.services]

    def child(self, name: str) -> ChildStatus | None:
        """One child."""
        return next((child for child in self.children if child.name == name), None)


def still_open(held: Iterable[tuple[str, float]]) -> str:
    """What a trader has to know of positions that a stop leaves open; empty: there are none.

    Args:
        held: Strategy, and its lots: positive long, negative short.
    """
    names = ", ".join(f"{name} {lots:+g}" for name, lots in held if lots)
    if not names:
        return ""
    return f"; nobody looks at the stops of what stays open until the next start: {names}"
