"""Thousands of orders through each kind of bridge, with its faults, and kills in between.

Three strategies trade at random through a scripted bridge that drops stops, answers late or never,
says FILLED of what was refused, deals a half, asks for another price, garbles its answers and dies;
positions are closed by hand. In the dialect ``windows_gateway`` it is our own program, before the
stand-in of a terminal whose package and broker have such faults. The gateway with its strategies,
and the bridge, are killed with ``kill -9`` every few seconds. At the end the ledger and the
terminal's own books are compared, order by order and to the cent. Exit code 1 where they differ.
"""

import sys
import tempfile
from pathlib import Path

import click

from benchmarks.tables import table
from tests.bridges.campaign import DIALECTS, CampaignResult, run_campaign

HEAD = ("dialect", "orders", "deals", "gateway kills", "bridge deaths", "seconds", "differences")


@click.command()
@click.option("--orders", default=10_000, show_default=True, help="Of all strategies together.")
@click.option("--seed", default=1, show_default=True)
@click.option("--dialect", type=click.Choice(DIALECTS), multiple=True, help="[all of them]")
def main(orders: int, seed: int, dialect: tuple[str, ...]) -> None:
    """Run the campaign, and print what came of it."""
    results = {}
    for name in dialect or DIALECTS:
        folder = Path(tempfile.mkdtemp(prefix=f"mt5crs-bridge-{name}-"))
        results[name] = run_campaign(name, folder, orders, seed, click.echo)
        for found in results[name].differences:
            click.echo(f"{name}: {found}")
        if results[name].differences:
            click.echo(f"{name}: everything is left in {folder}")
    click.echo(table(HEAD, [_row(name, result) for name, result in results.items()]))
    sys.exit(any(result.differences for result in results.values()))


def _row(name: str, result: CampaignResult) -> list[str]:
    counts = (result.orders, result.deals, result.gateway_kills, result.bridge_starts - 1)
    shown = [f"{count:,}" for count in counts]
    return [name, *shown, f"{result.seconds:.0f}", str(len(result.differences))]


if __name__ == "__main__":
    main()
