"""From a `StatusReport` to figures with names, units and words; pure but for the counters."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import accumulate
from typing import Any

import msgspec
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric

from mt5crs_shared.control.states import State
from mt5crs_shared.control.status_report import ChildStatus, StatusReport, StrategyStatus
from mt5crs_shared.metrics import DECISION_BOUNDS, ORDER_BOUNDS, Durations
from mt5crs_shared.trading.locks import TradingState
from mt5crs_supervisor.operator.exporter.counters import COUNTS, ORDERS, SteadyCounters
from mt5crs_supervisor.operator.exporter.recoveries import BOUNDS, Observed

UNITS = ("seconds", "bytes", "ratio")

Reading = Callable[[Any], float | None]


class Figure(msgspec.Struct, frozen=True):
    """One figure.

    Attributes:
        name: Without what all of its kind begin with; a counter ends with ``_total``.
        help: What it is, for people.
        read: What it is just now; None: that is not known.
    """

    name: str
    help: str
    read: Reading


SYSTEM = (
    Figure("supervisor_uptime_seconds", "Time since the supervisor began.", lambda r: r.uptime),
    Figure("supervisor_stopping", "1: it has been asked to stop.", lambda r: r.stopping),
    Figure("supervisor_reloading", "1: a reload is under way.", lambda r: bool(r.reloading)),
    Figure(
        "supervisor_config_changed",
        "1: the configuration file is another one than what runs.",
        lambda r: r.config_changed is not None,
    ),
    Figure(
        "supervisor_memory_bytes",
        "Resident memory of the supervisor and all its children; shared pages count each time.",
        lambda r: r.totals.memory,
    ),
)

PROCESS = (
    Figure("up", "1: it is RUNNING.", lambda c: c.state == State.RUNNING),
    Figure("degraded", "1: it runs, and cannot do its work fully.", lambda c: bool(c.degraded)),
    Figure("restarts_total", "Respawns since the supervisor began.", lambda c: c.restarts),
    Figure("uptime_seconds", "Time since its last spawn.", lambda c: c.uptime),
    Figure("heartbeat_age_seconds", "Time since its last heartbeat.", lambda c: c.beat_age),
    Figure("memory_bytes", "Resident memory, by its last heartbeat.", lambda c: c.memory),
    Figure("cpu_ratio", "Share of one core over its last heartbeats.", lambda c: c.cpu / 100.0),
)
"""Of every process, whether it is a strategy's or a service's."""

TICKS_OF_SERVICE = Figure(
    "ticks_total",
    "Ticks published, recorded or watched by its process.",
    lambda c: c.progress if c.kind in ("feed", "tape", "gateway") else None,
)

STRATEGY = (
    Figure(
        "last_recovery_seconds",
        "From its last death to its first tick afterwards.",
        lambda s: s.process.recovery_ms / 1000.0 if s.process.recovery_ms is not None else None,
    ),
    Figure("tick_age_seconds", "Time since it processed a tick.", lambda s: s.last_tick_age),
    Figure(
        "bars_missing",
        "Closed bars that it lacks still to decide anything.",
        lambda s: max(s.metrics.bars_needed - s.metrics.warm, 0) if s.metrics else None,
    ),
)

MONEY = (
    Figure(
        "open_lots", "Open volume by the ledger, negative when short.", lambda s: s.position_lots
    ),
    Figure(
        "realised_profit",
        "Profit of closed deals less commission and swap, in the account's currency.",
        lambda s: s.realised,
    ),
    Figure(
        "floating_profit",
        "Profit of the open position, in the account's currency.",
        lambda s: s.floating,
    ),
    Figure("deals_total", "Deals, by the ledger.", lambda s: s.deals),
)
"""Of every strategy that the ledger knows, whether it has a process or not."""

ACCOUNT = (
    Figure(
        "balance",
        "First balance, realised profit, commission, swap.",
        lambda a: a.balance,
    ),
    Figure("equity", "Balance and floating profit.", lambda a: a.equity),
    Figure("margin", "Held by open positions.", lambda a: a.margin),
    Figure("free_margin", "Equity less margin.", lambda a: a.free_margin),
)


def families(
    report: StatusReport | None, counters: SteadyCounters, installation: str
) -> Iterator[Metric]:
    """The figures of a status.

    Args:
        report: The supervisor's answer; None: it has given none.
        counters: What the strategies' counters had reached.
        installation: What people call this system.
    """
    up = GaugeMetricFamily("mt5crs_up", "1: the supervisor answers; all else is its answer.")
    up.add_metric([], report is not None)
    yield up
    told = InfoMetricFamily("mt5crs_installation", "What this system is called.")
    told.add_metric([], {"installation": installation})
    yield told
    if report is None:
        return
    yield from _each("mt5crs_", "", SYSTEM, {"": report})
    strategies = {status.process.name: status for status in report.strategies}
    processes = {name: status.process for name, status in strategies.items()}
    services = {child.name: child for child in report.services}
    yield from _processes("strategy", processes)
    yield from _processes("service", services)
    yield from _each("mt5crs_service_", "service", (TICKS_OF_SERVICE,), services)
    yield from _each("mt5crs_strategy_", "strategy", STRATEGY, strategies)
    yield from _strategies(strategies, counters)
    former = {status.process.name: status for status in report.former}
    yield from _each("mt5crs_strategy_", "strategy", MONEY, strategies | former)
    yield from _account(report)


def recovery_family(observed: Mapping[str, Observed]) -> Metric:
    """How long strategies took to come back, as a histogram of each."""
    words = "From a death to the first tick afterwards."
    return _histogram("mt5crs_strategy_recovery_seconds", words, BOUNDS, observed)


def _processes(kind: str, children: Mapping[str, ChildStatus]) -> Iterator[Metric]:
    yield from _each(f"mt5crs_{kind}_", kind, PROCESS, children)
    words = "1: it is in this state of its life, see docs/lifecycle.md."
    states = {name: child.state for name, child in children.items()}
    yield _one_of(f"mt5crs_{kind}_state", words, kind, "state", states, State)


def _strategies(
    strategies: Mapping[str, StrategyStatus], counters: SteadyCounters
) -> Iterator[Metric]:
    told = InfoMetricFamily("mt5crs_strategy", "What it trades.", labels=["strategy"])
    for name, status in strategies.items():
        told.add_metric([name], {"symbol": status.symbol})
    yield told
    modes = {name: str(status.trading) for name, status in strategies.items()}
    words = "1: this is what it may do. REDUCING: it may close only; HALTED: not even that."
    yield _one_of("mt5crs_strategy_trading", words, "strategy", "mode", modes, TradingState)
    counts = {name: counters.of(status) for name, status in strategies.items()}
    for name, words, field in COUNTS:
        figure = Figure(name, words, partial(_counted, field))
        yield from _each("mt5crs_strategy_", "strategy", (figure,), counts)
    orders = CounterMetricFamily(
        "mt5crs_strategy_orders",
        "Orders by how they ended; missed: they never left, being too old or without a lease.",
        labels=["strategy", "result"],
    )
    for name, counted in counts.items():
        for result, field in ORDERS.items():
            if field in counted:
                orders.add_metric([name, result], counted[field])
    yield orders
    timings = {name: status.timings for name, status in strategies.items() if status.timings}
    yield _histogram(
        "mt5crs_strategy_decision_seconds",
        "From when a tick was taken to what was decided on it, without its orders.",
        DECISION_BOUNDS,
        {name: timing.decisions for name, timing in timings.items()},
    )
    yield _histogram(
        "mt5crs_strategy_order_seconds",
        "From an order to the gateway's answer, both on the disk; those that left.",
        ORDER_BOUNDS,
        {name: timing.orders for name, timing in timings.items()},
    )


def _counted(field: str, counts: Mapping[str, int]) -> int | None:
    return counts.get(field)


def _account(report: StatusReport) -> Iterator[Metric]:
    account = report.account
    if account is None:
        return
    yield from _each("mt5crs_account_", "", ACCOUNT, {"": account})
    told = InfoMetricFamily("mt5crs_account", "What the account is kept in.")
    told.add_metric([], {"currency": account.currency})
    yield told
    locks = GaugeMetricFamily(
        "mt5crs_lock",
        "1: this hand holds orders back; strategy is empty where it holds back everybody.",
        labels=["strategy", "owner", "mode"],
    )
    for lock in account.locks:
        locks.add_metric([lock.scope, lock.owner, str(lock.state)], 1.0)
    yield locks
    count = GaugeMetricFamily("mt5crs_locks", "How many locks hold orders back.")
    count.add_metric([], len(account.locks))
    yield count


def _each(
    begin: str, label: str, figures: Iterable[Figure], owners: Mapping[str, Any]
) -> Iterator[Metric]:
    """A family for each figure, with a series for each of its owners who knows it."""
    labels = [label] if label else []
    for figure in figures:
        family = _family(begin + figure.name, figure.help, labels)
        for owner, source in owners.items():
            value = figure.read(source)
            if value is not None:
                family.add_metric([owner] if label else [], value)
        yield family


def _family(
    name: str, words: str, labels: Collection[str]
) -> CounterMetricFamily | GaugeMetricFamily:
    unit = next((unit for unit in UNITS if name.endswith(f"_{unit}")), "")
    if name.endswith("_total"):
        return CounterMetricFamily(name.removesuffix("_total"), words, labels=list(labels))
    return GaugeMetricFamily(name, words, labels=list(labels), unit=unit)


def _histogram(
    name: str,
    words: str,
    bounds: tuple[float, ...],
    observed: Mapping[str, Durations | Observed],
) -> Metric:
    """Of each strategy: how often something took how long."""
    found = HistogramMetricFamily(name, words, labels=["strategy"], unit="seconds")
    limits = [*map(str, bounds), "+Inf"]
    for strategy, seen in observed.items():
        buckets = list(zip(limits, accumulate(seen.counts), strict=True))
        found.add_metric([strategy], buckets, seen.seconds)
    return found


def _one_of(
    name: str,
    words: str,
    owner: str,
    label: str,
    chosen: Mapping[str, str],
    values: Iterable[str],
) -> Metric:
    """A series for each value that something may have, 1 for the one that it has."""
    family = GaugeMetricFamily(name, words, labels=[owner, label])
    every = [str(value) for value in values]
    for key, value in chosen.items():
        for possible in every:
            family.add_metric([key, possible], possible == value)
    return family
