"""A replay through the whole system: every tick accounted for, and at any speed the same orders."""

import csv
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mt5crs_services.feed.synthetic import SyntheticMarket
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.storage import ledger_queries, ledger_schema
from tests.system import ROOT, System, running, wait_for

RECORDED = ROOT.parent / "shared" / "data"
EURUSD_DAY = RECORDED / "EURUSD_2014-05-05.csv.gz"
STRATEGIES: list[dict[str, Any]] = [
    {
        "name": "model",
        "symbol": "EURUSD",
        "model_path": str(ROOT / "models" / "baseline_v1.json"),
        "threshold": 0.52,
    },
    {
        "name": "cross",
        "symbol": "EURUSD",
        "strategy": "mt5crs_worker.examples.ma_cross:MovingAverageCross",
        "timeframe": "S30",
    },
]


def replay(system: System, *arguments: str) -> None:
    """Publish files and wait until every strategy has taken all of them."""
    url = ["--url", f"tcp://localhost:{system.port}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [*system.command("feed", "replay"), *url, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def taken(system: System) -> list[int]:
    """Ticks that each strategy has processed or counted as bad."""
    metrics = [s.metrics for s in system.status().strategies]
    return [m.ticks_processed + m.ticks_bad for m in metrics if m is not None]


def decisions(system: System, name: str) -> list[tuple[Any, ...]]:
    """The decision log of a strategy, without anything that is not event time."""
    with sqlite3.connect(system.var / "state" / f"{name}.db") as db:
        return db.execute(
            "SELECT time_us, occurrence, bid, ask, bar_us, signal, probability, action, lots,"
            " order_ids, detail, note FROM decisions ORDER BY id"
        ).fetchall()


def deals(system: System, name: str) -> list[bytes]:
    """The order log of a strategy: every deal, as the ledger has it."""
    with ledger_schema.open_ledger(system.var / "ledger.db") as db:
        return [msgspec.json.encode(d.fill) for d in ledger_queries.deals(db, strategy=name)]


def assert_books_agree(system: System) -> None:
    """The balance is the first one and all that was earned and paid since."""
    with ledger_schema.open_ledger(system.var / "ledger.db") as db:
        earned = sum(d.fill.profit - d.fill.commission for d in ledger_queries.deals(db))

    def agree() -> bool:
        account = system.status().account
        return account is not None and abs(account.balance - 10_000.0 - earned) < 0.005

    # The account's figures in the status are those of the gateway's last beat.
    wait_for(agree, "the status to agree with the ledger")


def write_csv(path: Path, ticks: list[Tick]) -> Path:
    """Ticks as a recorded file."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["timestamp", "bid", "ask"])
        writer.writerows([format_iso(t.time_us), t.bid, t.ask] for t in ticks)
    return path


def made_up(path: Path, minutes: int) -> tuple[Path, int]:
    """A file of synthetic ticks, every tenth of them crossed."""
    spec = SymbolSpec("EURUSD", 1e5, 5, 0.01, 0.01, 100.0, "USD", "EUR")
    market = SyntheticMarket([spec], 7, 1.0, 0.0, 1_400_000_000_000_000)
    first = 1_400_000_000_000_000 // 60_000_000
    ticks = [t for n in range(first, first + minutes) for t in market.minute(n)]
    crossed = [
        Tick(t.symbol, t.time_us, t.ask, t.bid) if n % 10 == 0 else t for n, t in enumerate(ticks)
    ]
    return write_csv(path, crossed), len(ticks)


def test_the_same_replay_at_two_speeds_makes_the_same_decisions_and_deals(tmp_path: Path) -> None:
    file, count = made_up(tmp_path / "EURUSD_made_up.csv", minutes=330)
    logs = []
    for name, speed in (("fast", "0"), ("paced", "2500")):
        folder = tmp_path / name
        folder.mkdir()
        with running(folder, STRATEGIES) as system:
            replay(system, "--speed", speed, str(file))
            wait_for(lambda s=system: taken(s) == [count, count], f"{count} ticks taken")
            assert_books_agree(system)
            system.stop()
            logs.append([(decisions(system, n), deals(system, n)) for n in ("model", "cross")])
    assert logs[0] == logs[1]
    for found, traded in logs[0]:
        assert len(found) > 50
        assert traded


@pytest.mark.skipif(not EURUSD_DAY.exists(), reason="the recorded ticks are not here")
def test_a_real_day_is_accounted_for_tick_by_tick(tmp_path: Path) -> None:
    with running(tmp_path, STRATEGIES) as system:
        replay(system, "--fast", str(EURUSD_DAY))
        wait_for(lambda: taken(system) == [58_143, 58_143], "every tick taken")
        report = system.status()
        for strategy in report.strategies:
            assert strategy.metrics is not None
            assert strategy.metrics.error_count == 0
            assert strategy.metrics.ticks_crossed > 3_000
            assert strategy.process.restarts == 0
            assert strategy.deals > 0
        assert_books_agree(system)
