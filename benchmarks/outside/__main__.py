"""The proof with a publisher that is none of ours: every tick is accounted for.

The recorded days are published by a process of its own, by the wall's clock, to two systems: one
is left alone, the other is hurt. In both the publisher restarts and leaves holes, repeats itself,
sends ticks from the future and frames that are none, and its clock steps and steps back. Every
tick has to be processed by every strategy, or to lie in a span of time that its journal calls
interrupted; every decision has to be that of one process that never died, on the ticks that were
not missed; and decisions, orders and deals have to be the same as long as both systems heard the
same and no order was given up for its age. Exit code 1 otherwise, or where a system does not come
back.
"""

import sys
import tempfile
from pathlib import Path

import click

from benchmarks.equivalence import with_cross_pair
from benchmarks.outside import run, stream, verdict
from benchmarks.outside.run import KINDS, Scene
from mt5crs_supervisor.chaos.campaign import Kind
from mt5crs_supervisor.chaos.campaign_system import ChaosError
from mt5crs_supervisor.chaos.faults import FaultResult


def tell(result: FaultResult) -> None:
    """One line for each fault."""
    fault = result.fault
    replaced = ", ".join(result.replaced) or "nobody replaced"
    click.echo(
        f"{result.began:8.2f} s  {fault.kind:<18} {fault.strategy:<9}"
        f" well after {result.recovery * 1000:6.0f} ms  {replaced}"
    )


@click.command()
@click.option("--faults", default=60, show_default=True)
@click.option("--every", default=1.0, show_default=True, help="Seconds from one to the next.")
@click.option("--troubles", default=4.0, show_default=True, help="Seconds between the publisher's.")
@click.option("--seed", default=1, show_default=True)
@click.option("--only", help="Kinds of faults, separated by commas [all].")
@click.option("--keep", type=click.Path(path_type=Path), help="Leave everything in this folder.")
def main(
    faults: int, every: float, troubles: float, seed: int, only: str | None, keep: Path | None
) -> None:
    """Run both, compare, print."""
    kinds = [Kind(kind) for kind in only.split(",")] if only else list(KINDS)
    seconds = faults * every * 2.5 + 20.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        days = with_cross_pair(folder)
        events = stream.troubles(seed, seconds, troubles)
        scene = Scene(days, stream.speed_for(days, seconds), seconds, events)
        plan = run.plan(seed, faults, every, kinds, scene)
        try:
            click.echo(f"untouched: {seconds:.0f} s, {len(events)} troubles of the publisher")
            untouched = run.run(folder / "untouched", scene)
            click.echo(f"with {faults} faults of ours, seed {seed}")
            struck = run.run(folder / "struck", scene, plan, tell)
        except ChaosError as error:
            raise SystemExit(f"A BOUND IS BROKEN: {error}") from error
    broken = list(verdict.violations(untouched, struck, faults))
    click.echo("\n".join(["", verdict.accounts(untouched, struck), ""]))
    click.echo("\n".join([verdict.redecided(untouched, struck), ""]))
    click.echo("\n".join([verdict.compared(untouched, struck)[0], "", *broken]))
    click.echo("A BOUND IS BROKEN" if broken else "every bound is kept")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
