"""A hundred strategies, ten of them killed at a time: nothing lost or doubled, nobody else late.

The same made-up ticks twice, as in `benchmarks.equivalence`, with and without processes that stand
by. Exit code 1 where a bound is broken. Writes its section to docs/benchmarks.md.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.equivalence import CROSS, LATE_MS, WITNESS, lateness, tell
from benchmarks.tables import report
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.chaos import campaign, replay_run, scenario, verdict
from mt5crs_supervisor.chaos.campaign import Fault, Kind
from mt5crs_supervisor.chaos.campaign_system import CampaignSystem
from mt5crs_supervisor.chaos.faults import TEN
from tests.system import ROOT, shipped_symbols

TRADED = ("EURUSD", "XAUUSD", "EURJPY", "GBPUSD")
SYMBOLS = (*TRADED, "USDJPY")
"""With the one that converts a profit in yen."""

SPEED = 20.0
"""Ticks a second of each symbol: a hundred strategies leave a core of two idle."""

EVERY = 2.0
"""Seconds from one blow to the next."""


def strategies(count: int, standby: bool) -> list[dict[str, Any]]:
    """So many, of each symbol a quarter, no two alike."""
    return [
        {
            "name": f"s{number}",
            "symbol": TRADED[number % len(TRADED)],
            "strategy": CROSS,
            "timeframe": "S1" if number % 3 else "S5",
            "params": {"fast": 3 + number % 7, "slow": 12 + number},
            "magic": number + 1,
            "standby": standby,
        }
        for number in range(count)
    ]


def installation(
    folder: Path, entries: list[dict[str, Any]], files: list[Path], speed: float
) -> CampaignSystem:
    """A system that replays the ticks, in a folder of its own."""
    folder.mkdir()
    witness = {
        "name": WITNESS,
        "symbol": "XAUUSD",
        "strategy": "tests.chaos.strategies:Recorder",
        "evaluate": "tick",
        "params": {"file": str(folder / "seen")},
    }
    if speed:
        entries = [scenario.sabotaged(entry, VarPaths(folder / "var")) for entry in entries]
    file = folder / "strategies.yaml"
    symbols = shipped_symbols(SYMBOLS)
    scenario.write_config(file, [*entries, witness], symbols, files, speed)
    return CampaignSystem(file, folder / "var", cwd=ROOT)


def row(count: int, blows: int, standby: bool, seed: int) -> tuple[list[str], bool]:
    """One campaign: its row of the table, and whether every bound was kept."""
    entries = strategies(count, standby)
    # The witness follows the last one: no ten that begin here reach it.
    names = [entry["name"] for entry in entries[: -TEN + 1]]
    plan: list[Fault] = campaign.plan(seed, blows, EVERY, [Kind.TEN_WORKERS], names)
    ticks = round((plan[-1].at * 2.0 + 30.0) * SPEED)
    specs = [SymbolSpec(**entry) for entry in shipped_symbols(SYMBOLS)]
    published = {spec.name: ticks for spec in specs}
    symbol_of = {**{e["name"]: e["symbol"] for e in entries}, WITNESS: "XAUUSD"}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = list(scenario.make_up(folder, specs, ticks, seed).values())
        untouched = replay_run.run_replay(
            installation(folder / "untouched", entries, files, 0.0), published
        )
        struck = replay_run.run_replay(
            installation(folder / "struck", entries, files, SPEED), published, plan, tell
        )
        late = lateness(folder / "struck" / "seen", struck.results, SPEED, (Kind.TEN_WORKERS,))
    result = verdict.judge(untouched, struck, published, symbol_of, blows)
    click.echo("\n".join([*result.differences, *verdict.lines(result)]))
    back = [r.recovery for r in struck.results]
    cells = [
        "yes" if standby else "no",
        f"{sum(len(result.replaced) for result in struck.results)}",
        f"{result.ticks_lost}",
        f"{result.ticks_twice}",
        f"{result.orders_lost}",
        f"{result.orders_twice}",
        f"{result.differing}",
        f"{result.identical:,}",
        f"{verdict.percentile(back, 0.5) * 1e3:,.0f}",
        f"{max(late):,.0f}",
    ]
    return cells, result.holds and max(late) <= LATE_MS


@click.command()
@click.option("--strategies", "count", default=100, show_default=True)
@click.option("--blows", default=20, show_default=True, help="Of ten strategies each.")
@click.option("--seed", default=1, show_default=True)
def main(count: int, blows: int, seed: int) -> None:
    """Run both campaigns, print and write docs/benchmarks.md."""
    rows, kept = [], True
    for standby in (False, True):
        cells, holds = row(count, blows, standby, seed)
        rows.append(cells)
        kept = kept and holds
    head = ["a process stands by", "killed", "ticks lost", "twice", "orders lost", "twice"]
    head += ["logs that differ", "identical lines", "all well again, ms", "witness late, ms"]
    note = f"{count} strategies, ten killed at a time, {SPEED:g} ticks/s of a symbol, seed {seed}."
    report("a hundred strategies, ten killed at a time", note, head, rows)
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
