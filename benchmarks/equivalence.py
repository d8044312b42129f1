"""The proof: a strategy that is killed all day makes the decisions of one that never died.

Real days are replayed twice through whole systems, once untouched and once with a fault every
second or so; decisions, orders and deals are compared line by line, ticks are counted. Beside the
recorded EURUSD and XAUUSD there is a cross pair with the symbol that converts its profit, made up
at the recorded times. Exit code 1 on any difference, or where a system does not come back. Writes
its section to docs/benchmarks.md.
"""

import sys
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import click

from benchmarks.tables import machine, table, write
from mt5crs_services.feed.files import read_ticks
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import recorded
from mt5crs_supervisor.chaos import campaign, replay_run, scenario, verdict
from mt5crs_supervisor.chaos.campaign import Kind
from mt5crs_supervisor.chaos.campaign_system import CampaignSystem, ChaosError
from mt5crs_supervisor.chaos.faults import FaultResult
from tests.chaos.strategies import RECORD
from tests.system import shipped_symbols

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
DAYS = {
    "EURUSD": DATA / "EURUSD_2014-05-05.csv.gz",
    "XAUUSD": DATA / "XAUUSD_2014-05-05.csv.gz",
}
CROSS = "mt5crs_worker.examples.ma_cross:MovingAverageCross"
STRATEGIES: list[dict[str, Any]] = [
    {
        "name": "model",
        "symbol": "EURUSD",
        "model_path": str(ROOT / "models" / "baseline_v1.json"),
        "threshold": 0.52,
    },
    {"name": "cross", "symbol": "EURUSD", "strategy": CROSS, "timeframe": "S30"},
    {"name": "gold", "symbol": "XAUUSD", "strategy": CROSS, "timeframe": "S30"},
    {"name": "yen", "symbol": "EURJPY", "strategy": CROSS, "timeframe": "S30"},
    {
        "name": "each_tick",
        "symbol": "EURUSD",
        "strategy": CROSS,
        "timeframe": "M1",
        "evaluate": "tick",
    },
]
VICTIMS = [strategy["name"] for strategy in STRATEGIES]
WITNESS = "witness"
"""Is hit by no fault of a single strategy, and notes when it sees each tick."""

SYMBOL_OF = {**{s["name"]: s["symbol"] for s in STRATEGIES}, WITNESS: "XAUUSD"}
LATE_MS = 250.0
"""A tick that the witness sees later than this has been disturbed."""

MAKING_UP = 1.0
"""Seconds after a pause of the whole tree in which the witness has ticks of it to make up for."""

LONGEST_DAY = 29 * 3600.0
"""Seconds from the first tick of both files to the last."""


def with_cross_pair(folder: Path) -> dict[str, Path]:
    """The recorded days, and EURJPY with USDJPY beside them, the same each time.

    USDJPY is a random walk with a step at each recorded tick of EURUSD, EURJPY the product of both.
    """
    random, dollar, point = Random("USDJPY"), 102.0, 0.001
    files = {symbol: folder / f"{symbol}_made_up.csv" for symbol in ("USDJPY", "EURJPY")}
    with files["USDJPY"].open("w") as converter, files["EURJPY"].open("w") as cross:
        for file in (converter, cross):
            file.write("timestamp,bid,ask\n")
        for euro in read_ticks(DAYS["EURUSD"]):
            dollar = round(dollar * (1.0 + random.gauss(0.0, 2e-5)), 3)
            ask, moment = dollar + 10 * point, format_iso(euro.time_us)
            converter.write(f"{moment},{dollar:.3f},{ask:.3f}\n")
            cross.write(f"{moment},{euro.bid * dollar:.3f},{euro.ask * ask:.3f}\n")
    return DAYS | files


def installation(folder: Path, days: Mapping[str, Path], speed: float = 0.0) -> CampaignSystem:
    """A system that replays the days, in a folder of its own; to be hurt where it has a pace."""
    folder.mkdir()
    var = folder / "var"
    victims = [scenario.sabotaged(s, VarPaths(var)) for s in STRATEGIES] if speed else STRATEGIES
    symbols = shipped_symbols(days)
    file = folder / "strategies.yaml"
    witness = {
        "name": WITNESS,
        "symbol": SYMBOL_OF[WITNESS],
        "strategy": "tests.chaos.strategies:Recorder",
        "evaluate": "tick",
        "params": {"file": str(folder / "seen")},
    }
    strategies = [*victims, witness]
    scenario.write_config(file, strategies, symbols, list(days.values()), speed)
    return CampaignSystem(file, var, cwd=ROOT)


def lateness(
    seen: Path,
    results: Sequence[FaultResult],
    speed: float,
    kinds: Container[Kind] = campaign.ALONE,
) -> list[float]:
    """How much later than others the latest tick was that the witness saw during each fault, ms.

    A tick is due at its event time by the replay's pace; how late all ticks of that while are
    anyhow (the first one's phase) is left out, and so are faults right after a pause of the whole
    tree, whose ticks the witness is still making up for.
    """
    notes = list(RECORD.iter_unpack(seen.read_bytes()))
    moments = [at for _, at in notes]
    found = []
    made_up = 0.0
    for result in results:
        if result.fault.kind is Kind.PAUSE:
            made_up = result.wall + result.recovery + MAKING_UP
        if result.fault.kind in kinds and result.wall >= made_up:
            begin, end = result.wall * 1e6, (result.wall + result.recovery) * 1e6
            during = notes[bisect_left(moments, begin - 2e5) : bisect_right(moments, end)]
            delays = [at - event / speed for event, at in during]
            found.append((max(delays) - min(delays)) / 1000.0 if delays else 0.0)
    return found


def tell(result: FaultResult) -> None:
    """One line for each fault."""
    fault = result.fault
    replaced = ", ".join(result.replaced) or "nobody replaced"
    click.echo(
        f"{result.began:8.2f} s  {fault.kind:<18} {fault.strategy:<8}"
        f" well after {result.recovery * 1000:6.0f} ms  {replaced}"
    )


@click.command()
@click.option("--faults", default=200, show_default=True)
@click.option("--every", default=1.0, show_default=True, help="Seconds from one to the next.")
@click.option("--seed", default=1, show_default=True)
@click.option("--speed", type=float, help="Event time to real time [what the faults need].")
@click.option("--only", help="Kinds of faults, separated by commas [all].")
@click.option("--keep", type=click.Path(path_type=Path), help="Leave everything in this folder.")
@click.option("--no-write", is_flag=True, help="Leave docs/benchmarks.md alone.")
def main(
    faults: int,
    every: float,
    seed: int,
    speed: float | None,
    only: str | None,
    keep: Path | None,
    no_write: bool,
) -> None:
    """Run both, compare, print and write docs/benchmarks.md."""
    kinds = [Kind(kind) for kind in only.split(",")] if only else list(Kind)
    # Recoveries take their time too; the last fault must come before the last tick.
    pace = speed if speed is not None else LONGEST_DAY / (faults * every * 2.5 + 20.0)
    plan = campaign.plan(seed, faults, every, kinds, VICTIMS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        days = with_cross_pair(folder)
        published = {s: recorded.count_rows(day, Mt5crsError) for s, day in days.items()}
        click.echo(f"untouched: {sum(published.values()):,} ticks as fast as possible")
        untouched = replay_run.run_replay(installation(folder / "untouched", days), published)
        click.echo(f"with {faults} faults, seed {seed}, {pace:.0f} times real speed")
        try:
            struck = replay_run.run_replay(
                installation(folder / "struck", days, pace), published, plan, tell
            )
        except ChaosError as error:
            raise SystemExit(f"A BOUND IS BROKEN: {error}") from error
        late = lateness(folder / "struck" / "seen", struck.results, pace)
    result = verdict.judge(untouched, struck, published, SYMBOL_OF, faults)
    for difference in result.differences:
        click.echo(difference)
    click.echo("\n".join(verdict.lines(result)))
    if late:
        click.echo(f"the witness's latest tick while another was down: {max(late):.0f} ms")
    if not no_write:
        text = report(result, late, seed, published)
        write("a day with faults against the same day without", text)
    sys.exit(0 if result.holds and max(late, default=0.0) <= LATE_MS else 1)


def report(
    result: verdict.CampaignVerdict, late: list[float], seed: int, published: dict[str, int]
) -> str:
    """The section of docs/benchmarks.md."""
    ticks = ", ".join(f"{count:,} of {symbol}" for symbol, count in published.items())
    counts = table(
        ["faults", "ticks lost", "twice", "orders lost", "twice", "logs that differ", "identical"],
        [
            [
                str(result.faults),
                str(result.ticks_lost),
                str(result.ticks_twice),
                str(result.orders_lost),
                str(result.orders_twice),
                str(result.differing),
                f"{result.identical:,} lines",
            ]
        ],
    )
    times = table(
        ["fault", "times", "well again after, ms: p50", "p95", "max"],
        [
            [r.kind, str(r.faults), f"{r.p50:,.0f}", f"{r.p95:,.0f}", f"{r.longest:,.0f}"]
            for r in result.recoveries
        ],
    )
    what = (
        f"{machine()}; {ticks} ticks of 2014-05-05 (the\n"
        f"pairs with JPY are made up at the times of EURUSD), {len(SYMBOL_OF)} strategies, seed"
        f" {seed}."
    )
    text = f"{what}\n\n{counts}\n\n{times}"
    if late:
        p50, p95 = verdict.percentile(late, 0.5), verdict.percentile(late, 0.95)
        text += (
            f"\n\nA strategy of its own saw its ticks meanwhile; while another one was down"
            f" ({len(late)} faults) the latest of them was late by {p50:.0f} ms (p50),"
            f" {p95:.0f} ms (p95), {max(late):.0f} ms (max)."
        )
    return text


if __name__ == "__main__":
    main()
