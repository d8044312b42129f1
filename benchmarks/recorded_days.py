"""The decision, order and deal logs of the recorded days, as hashes: what may not change unnoticed.

Replays each day through a whole system as fast as possible, once without frictions and once with
latency, slippage and commission, and compares the logs' hashes with those in recorded_days.json.
Exit code 1 where one differs; with --renew the file is written instead. A change that is meant to
alter what a strategy does, or what a deal costs, renews it in the same commit and says why. With
--standby, and --beside so many others that decide nothing, the logs have to be the same.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from benchmarks.equivalence import CROSS, DATA, STRATEGIES, with_cross_pair
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.storage import recorded
from mt5crs_supervisor.chaos import replay_run, scenario
from mt5crs_supervisor.chaos.campaign_system import CampaignSystem
from tests.system import shipped_symbols

FILE = Path(__file__).with_name("recorded_days.json")
FRICTIONS = {"latency_ms": 250.0, "slippage_points": 2.0, "commission_per_lot": 3.5}
KIWI = {"name": "kiwi", "symbol": "NZDUSD", "strategy": CROSS, "timeframe": "M1"}

Hashes = dict[str, dict[str, str]]
"""By run, then by log: lines and BLAKE2b of it."""


def days(folder: Path) -> dict[str, dict[str, Path]]:
    """The files of each day, by symbol; a cross pair and its converter are made up beside one."""
    first = {**with_cross_pair(folder), "NZDUSD": DATA / "NZDUSD_2014-05-05.csv.gz"}
    return {"2014-05-05": first, "2014-05-06": {"EURUSD": DATA / "EURUSD_2014-05-06.csv.gz"}}


def logs(
    folder: Path, files: Mapping[str, Path], paper: Mapping[str, float], standby: bool, beside: int
) -> dict[str, str]:
    """Replay one day through a system of its own; its logs, hashed."""
    folder.mkdir()
    strategies: list[dict[str, Any]] = [
        {**each, "standby": standby} for each in (*STRATEGIES, KIWI) if each["symbol"] in files
    ]
    own = {each["name"] for each in strategies}
    # In a day there are too few of its bars for a decision.
    idle = {"symbol": next(iter(files)), "strategy": CROSS, "timeframe": "D1", "standby": standby}
    others = [{"name": f"idle_{number}", **idle} for number in range(beside)]
    config = folder / "strategies.yaml"
    scenario.write_config(
        config, [*strategies, *others], shipped_symbols(files), list(files.values()), 0.0, paper
    )
    published = {symbol: recorded.count_rows(path, Mt5crsError) for symbol, path in files.items()}
    found = replay_run.run_replay(CampaignSystem(config, folder / "var"), published).logs
    hashed = {"balance": repr(found.balance)}
    for kind in ("decisions", "orders", "deals"):
        for name in own & getattr(found, kind).keys():
            lines = getattr(found, kind)[name]
            digest = hashlib.blake2b(msgspec.json.encode(lines), digest_size=16).hexdigest()
            hashed[f"{kind} of {name}"] = f"{len(lines)} {digest}"
    return hashed


def hashes(standby: bool, beside: int) -> Hashes:
    """Of every day, with frictions and without."""
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for day, files in days(folder).items():
            for name, paper in (("plain", {}), ("frictions", FRICTIONS)):
                click.echo(f"{day}, {name}", err=True)
                found[f"{day} {name}"] = logs(
                    folder / f"{day}_{name}", files, paper, standby, beside
                )
    return found


def differences(found: Hashes, kept: Hashes) -> list[str]:
    """Which logs differ, for people."""
    parted = []
    for run in sorted(found.keys() | kept.keys()):
        new, old = found.get(run, {}), kept.get(run, {})
        for log in sorted(new.keys() | old.keys()):
            if new.get(log) != old.get(log):
                parted.append(f"{run}: {log}: {old.get(log, 'none')} -> {new.get(log, 'none')}")
    return parted


@click.command()
@click.option("--renew", is_flag=True, help="Write the file.")
@click.option("--standby", is_flag=True, help="A process stands by for each strategy.")
@click.option("--beside", default=0, show_default=True, help="Others, that decide nothing.")
def main(renew: bool, standby: bool, beside: int) -> None:
    """Replay, compare, and say what differs."""
    found = hashes(standby, beside)
    if renew:
        FILE.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        return
    parted = differences(found, json.loads(FILE.read_text()))
    click.echo("\n".join(parted) or "every log is the same")
    sys.exit(1 if parted else 0)


if __name__ == "__main__":
    main()
