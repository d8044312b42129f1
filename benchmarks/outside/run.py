"""One run with an outside publisher: with faults of our processes, or without."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from benchmarks.outside import account, oracle
from benchmarks.outside.account import Account
from benchmarks.outside.oracle import Redecided
from benchmarks.outside.publisher import Plan, read_log
from benchmarks.outside.stream import Event
from mt5crs_shared.configuration.loading import load_config
from mt5crs_shared.control.status_report import StatusReport
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.chaos import campaign, replay_run, run_logs, scenario
from mt5crs_supervisor.chaos.campaign import Fault, Kind
from mt5crs_supervisor.chaos.campaign_system import CampaignSystem, ChaosError
from mt5crs_supervisor.chaos.faults import FaultResult, do_fault
from mt5crs_supervisor.chaos.run_logs import RunLogs
from tests.system import ROOT, shipped_symbols

KINDS = tuple(kind for kind in Kind if "feed" not in kind)
"""Faults of a system that has no feed."""

GENTLE = tuple(
    kind
    for kind in KINDS
    if kind not in (Kind.ALL, Kind.PAUSE, Kind.HANG, Kind.LOOP, Kind.MEMORY, Kind.REVIVED)
)
"""Of those, the ones after which nothing is missed and no order is too old, as a rule."""

FIRST_WITHIN = 60.0
"""Seconds within which every strategy has to take its first tick."""

SETTLED = 30.0
"""Seconds without progress after the last tick, after which nothing more comes.

A strategy that heard more than the tape waits ten for its word, and another ten for the symbol
that converts its profit.
"""

WHOLE_WITHIN = 75.0
"""Seconds within which everybody takes ticks again after a fault.

Those waits begin anew where the publisher restarts meanwhile, and end with the next tick of a
symbol, which may be silent for half a minute.
"""

CROSS = "tests.chaos.strategies:QuickCross"


def _crosses(name: str, symbol: str, evaluate: str = "bar") -> dict[str, Any]:
    return {
        "name": name,
        "symbol": symbol,
        "strategy": CROSS,
        "params": {"fast": 3, "slow": 8},
        "timeframe": "S1",
        "evaluate": evaluate,
    }


STRATEGIES = [
    _crosses("euro", "EURUSD"),
    _crosses("yen", "EURJPY"),
    _crosses("each_tick", "EURUSD", "tick"),
]
"""By the wall's clock: a day lasts minutes, and so a bar a second."""

LISTENERS = 4
"""Subscriptions to symbols of these: EURJPY comes with USDJPY."""


class Scene(msgspec.Struct, frozen=True):
    """What both runs have in common.

    Attributes:
        days: A file of ticks for each symbol.
        speed: Seconds of a recording in one of the stream.
        seconds: Of the stream.
        events: What befalls the publisher.
    """

    days: Mapping[str, Path]
    speed: float
    seconds: float
    events: Sequence[Event]

    @property
    def strategies(self) -> list[dict[str, Any]]:
        """Those whose symbols there are."""
        return [*STRATEGIES, _crosses("gold", "XAUUSD")] if "XAUUSD" in self.days else STRATEGIES


def plan(seed: int, count: int, every: float, kinds: Sequence[Kind], scene: Scene) -> list[Fault]:
    """A campaign whose first half has gentle kinds only, so that the runs are equal for a while."""
    names = [entry["name"] for entry in scene.strategies]
    gentle = [kind for kind in kinds if kind in GENTLE] or kinds
    first = campaign.plan(seed, count // 2, every, gentle, names)
    begin = first[-1].at if first else 0.0
    rest = campaign.plan(seed + 1, count - len(first), every, kinds, names)
    return [*first, *(msgspec.structs.replace(f, at=round(begin + f.at, 3)) for f in rest)]


class OutsideRun(msgspec.Struct, frozen=True):
    """A run and what it left.

    Attributes:
        results: The faults, as they went.
        logs: Its logs.
        accounts: What became of each strategy's ticks.
        given_up: Event times of the orders that each strategy gave up.
        redecided: Each strategy's decisions beside those of a process that never died.
        leftovers: Processes that did not end when the system was stopped.
    """

    results: tuple[FaultResult, ...]
    logs: RunLogs
    accounts: dict[str, Account]
    given_up: dict[str, list[int]]
    redecided: dict[str, Redecided]
    leftovers: tuple[str, ...]


def run(
    folder: Path,
    scene: Scene,
    faults: Sequence[Fault] = (),
    on_result: Callable[[FaultResult], None] = lambda _result: None,
) -> OutsideRun:
    """Publish a scene to a system of its own, from the first tick to the last.

    Raises:
        ChaosError: It does not come back from a fault, or the publisher ended.
    """
    system, url = _installation(folder, scene, hurt=bool(faults))
    plan = Plan(
        url=url.replace("localhost", "127.0.0.1"),
        days=dict(scene.days),
        speed=scene.speed,
        seconds=scene.seconds,
        events=list(scene.events),
        listeners=LISTENERS + 2 * len(scene.days) + ("XAUUSD" in scene.days),
        log=folder / "published",
        done=folder / "done",
    )
    results: list[FaultResult] = []
    leftovers: list[str] = []
    publisher: subprocess.Popen[bytes] | None = None
    system.start()
    try:
        system.wait_running()
        publisher = _publish(folder, plan)
        _first_ticks(system)
        began = time.monotonic()
        for fault in faults:
            time.sleep(max(began + fault.at - time.monotonic(), 0.0))  # its planned time
            results.append(do_fault(system, fault, began))
            on_result(results[-1])
        report = _last_tick(system, plan, publisher)
    finally:
        if publisher is not None:
            publisher.kill()
            publisher.wait()
        leftovers = system.close()
    published = read_log(plan.log, list(plan.days))
    accounts = {
        s.process.name: account.account(
            published[s.symbol],
            account.spans_of(system.paths.journal(s.process.name)),
            s.metrics.ticks_processed,
        )
        for s in report.strategies
        if s.metrics is not None
    }
    return OutsideRun(
        results=tuple(results),
        logs=run_logs.gather(system.paths, replay_run.taken(report)),
        accounts=accounts,
        given_up={name: account.given_up(system.paths.journal(name)) for name in accounts},
        redecided=oracle.redecide(
            load_config(folder / "strategies.yaml"), system.paths, published, accounts
        ),
        leftovers=tuple(leftovers),
    )


def _installation(folder: Path, scene: Scene, hurt: bool) -> tuple[CampaignSystem, str]:
    folder.mkdir()
    var = folder / "var"
    entries = scene.strategies
    if hurt:
        entries = [scenario.sabotaged(entry, VarPaths(var)) for entry in entries]
    file = folder / "strategies.yaml"
    scenario.write_config(file, entries, shipped_symbols(set(scene.days)))
    url: str = yaml.safe_load(file.read_text())["global"]["zmq_market_url"]
    return CampaignSystem(file, var, cwd=ROOT, patience=WHOLE_WITHIN), url


def _publish(folder: Path, plan: Plan) -> "subprocess.Popen[bytes]":
    file = folder / "plan.json"
    file.write_bytes(msgspec.json.encode(plan, enc_hook=str))
    with (folder / "publisher.out").open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.outside.publisher", str(file)],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _first_ticks(system: CampaignSystem) -> None:
    """Wait until every strategy has taken one.

    One without a past begins with what the tape has first: where that had been killed before it
    had anything, what was heard earlier is left out without a word, as `docs/guarantees.md` says.
    """
    deadline = time.monotonic() + FIRST_WITHIN
    while time.monotonic() < deadline:
        report = system.wait_running()
        if all(s.metrics is not None and s.metrics.ticks_processed for s in report.strategies):
            return
        time.sleep(0.05)  # between two looks
    raise ChaosError(f"not every strategy has taken a tick within {FIRST_WITHIN:g} s")


def _last_tick(
    system: CampaignSystem, plan: Plan, publisher: "subprocess.Popen[bytes]"
) -> StatusReport:
    """Wait until everything was published and nothing moves any more."""
    while not plan.done.exists():
        if publisher.poll() is not None:
            said = plan.log.with_name("publisher.out").read_text()
            raise ChaosError(f"the publisher ended: {said}")
        time.sleep(0.2)  # between two looks
    published = read_log(plan.log, list(plan.days))
    newest = {symbol: ticks[-1].tick.time_us for symbol, ticks in published.items()}
    moved, last = time.monotonic(), None
    while time.monotonic() - moved < SETTLED:
        report = system.wait_running()
        if all(
            s.metrics and s.metrics.last_tick_time_us == newest[s.symbol] for s in report.strategies
        ):
            break
        now = replay_run.taken(report)
        if now != last:
            moved, last = time.monotonic(), now
        time.sleep(0.2)  # as above
    return report
