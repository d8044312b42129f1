"""What a system costs while no tick comes: a weekend. Writes its section to docs/benchmarks.md."""

import tempfile
import time
from pathlib import Path

import click
import yaml
import zmq

from benchmarks.many import cpu
from benchmarks.tables import report
from tests.system import System, shipped_symbols

SETTLED = 10.0
"""Seconds after the start that are not measured."""


def figures(count: int, seconds: float) -> list[str]:
    """A system of so many strategies, each on a symbol of its own, on a market that is silent."""
    names = [f"EURUSD.{number}" for number in range(count)]
    strategies = [
        {
            "name": f"s{number}",
            "symbol": name,
            "strategy": "mt5crs_worker.examples.ma_cross:MovingAverageCross",
        }
        for number, name in enumerate(names)
    ]
    with tempfile.TemporaryDirectory() as folder, zmq.Context() as context:
        system = System(Path(folder), strategies)
        (spec,) = shipped_symbols({"EURUSD"})
        symbols = [{**spec, "name": name} for name in names]
        (system.folder / "symbols.yaml").write_text(yaml.safe_dump({"symbols": symbols}))
        market = context.socket(zmq.PUB)
        market.bind(f"tcp://127.0.0.1:{system.port}")
        system.start()
        try:
            system.wait_running()
            time.sleep(SETTLED)  # until what began with them has come to rest
            status = system.status()
            workers = [s.process.pid for s in status.strategies if s.process.pid is not None]
            services = [s.pid for s in status.services if s.pid is not None]
            groups = (services, workers, [status.pid])
            before = [cpu(group) for group in groups]
            time.sleep(seconds)  # the interval that is measured
            spent = [
                (cpu(group) - earlier) / seconds * 1e3
                for group, earlier in zip(groups, before, strict=True)
            ]
        finally:
            system.stop()
            market.close(0)
    both, all_workers, parent = spent
    return [f"{count}", f"{both:.1f}", f"{all_workers / count:.2f}", f"{parent:.1f}"]


@click.command()
@click.option("--counts", default="1,50", show_default=True, help="Numbers of silent symbols.")
@click.option("--seconds", default=30.0, show_default=True, help="That are measured.")
def main(counts: str, seconds: float) -> None:
    """Measure, print and write docs/benchmarks.md."""
    rows = []
    for count in map(int, counts.split(",")):
        rows.append(figures(count, seconds))
        click.echo(" ".join(rows[-1]))
    head = ["silent symbols", "gateway and tape, ms/s", "a strategy, ms/s", "supervisor, ms/s"]
    report("nothing happens", f"{seconds:g} s, one strategy a symbol.", head, rows)


if __name__ == "__main__":
    main()
