"""The same ticks at any speed give the same decisions, orders, deals and balance: law 9.

Everything is as a new user has it: several symbols, one of them a cross pair whose profit another
one converts, a strategy that decides on each tick, and the paper book's frictions.
"""

import csv
import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mt5crs_services.feed.files import read_ticks
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.storage import recorded
from mt5crs_supervisor.chaos import replay_run, run_logs, scenario
from mt5crs_supervisor.chaos.campaign_system import CampaignSystem
from mt5crs_supervisor.chaos.run_logs import RunLogs
from tests.system import ROOT, shipped_symbols

RECORDED = ROOT.parent / "shared" / "data"
DAY = {
    symbol: RECORDED / f"{symbol}_2014-05-05.csv.gz" for symbol in ("EURUSD", "NZDUSD", "XAUUSD")
}
EXAMPLE = "mt5crs_worker.examples.ma_cross:MovingAverageCross"
FRICTIONS = {"latency_ms": 250.0, "slippage_points": 2.0, "commission_per_lot": 3.5}
EURNZD = {
    "name": "EURNZD",
    "contract_size": 100_000,
    "digits": 5,
    "lot_min": 0.01,
    "lot_step": 0.01,
    "lot_max": 50.0,
    "quote_currency": "NZD",
    "base_currency": "EUR",
}


def crosses(
    name: str, symbol: str, timeframe: str = "S15", evaluate: str = "bar"
) -> dict[str, Any]:
    return {
        "name": name,
        "symbol": symbol,
        "strategy": EXAMPLE,
        "timeframe": timeframe,
        "evaluate": evaluate,
    }


def run(
    folder: Path,
    strategies: Sequence[dict[str, Any]],
    symbols: Sequence[dict[str, Any]],
    files: dict[str, Path],
    speed: float,
) -> RunLogs:
    """Replay files through a whole system of its own."""
    folder.mkdir()
    config = folder / "strategies.yaml"
    scenario.write_config(config, strategies, symbols, list(files.values()), speed, FRICTIONS)
    published = {symbol: recorded.count_rows(path, Mt5crsError) for symbol, path in files.items()}
    outcome = replay_run.run_replay(CampaignSystem(config, folder / "var"), published)
    assert outcome.leftovers == ()
    wanted = {entry["name"]: published[entry["symbol"]] for entry in strategies}
    assert outcome.logs.ticks == wanted
    assert outcome.logs.books_agree
    return outcome.logs


def assert_same(one: RunLogs, other: RunLogs) -> None:
    parted = run_logs.differences(one, other, one.ticks)
    assert parted == [], "\n".join(map(str, parted))
    assert one.balance == other.balance


def assert_trades(found: RunLogs) -> None:
    """Every strategy does, and no order was given up for its age."""
    for name in found.ticks:
        assert found.deals[name], f"{name} made no deal"
        ended = {line[6] for line in found.orders[name]}
        assert not ended & {"STALE", "NO_RATE", "TICK_GONE"}, (name, ended)


def test_made_up_ticks_of_a_cross_pair_at_two_speeds(tmp_path: Path) -> None:
    symbols = shipped_symbols({"EURUSD", "EURJPY", "USDJPY"})
    specs = [SymbolSpec(**entry) for entry in symbols]
    files = scenario.make_up(tmp_path, specs, 6_000, seed=3)
    strategies = [
        crosses("yen", "EURJPY"),
        crosses("dollar", "EURUSD"),
        crosses("each_tick", "EURJPY", "M1", "tick"),
    ]
    fast = run(tmp_path / "fast", strategies, symbols, files, 0.0)
    assert_trades(fast)
    assert_same(fast, run(tmp_path / "paced", strategies, symbols, files, 1_000.0))


def cross_rate(base: Path, quote: Path) -> Iterator[Tick]:
    """EURNZD as its two legs make it, at each of their ticks."""
    legs: dict[str, Tick] = {}
    for tick in heapq.merge(read_ticks(base), read_ticks(quote), key=lambda t: t.time_us):
        legs[tick.symbol] = tick
        if len(legs) == 2:
            euro, kiwi = legs["EURUSD"], legs["NZDUSD"]
            yield Tick("EURNZD", tick.time_us, euro.bid / kiwi.ask, euro.ask / kiwi.bid)


def write_ticks(path: Path, ticks: Iterable[Tick]) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("timestamp", "bid", "ask"))
        rows.writerows((format_iso(t.time_us), round(t.bid, 5), round(t.ask, 5)) for t in ticks)
    return path


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.skipif(not DAY["EURUSD"].exists(), reason="the recorded ticks are not here")
def test_a_real_day_of_four_symbols_at_three_speeds(tmp_path: Path) -> None:
    cross = cross_rate(DAY["EURUSD"], DAY["NZDUSD"])
    files = {**DAY, "EURNZD": write_ticks(tmp_path / "EURNZD_made_of_legs.csv", cross)}
    symbols = [*shipped_symbols(set(files)), EURNZD]
    strategies = [
        {
            "name": "model",
            "symbol": "EURUSD",
            "model_path": str(ROOT / "models" / "baseline_v1.json"),
            "threshold": 0.52,
        },
        crosses("kiwi", "EURNZD", "S30"),
        crosses("gold", "XAUUSD", "S30"),
        crosses("each_tick", "NZDUSD", "M1", "tick"),
    ]
    fast = run(tmp_path / "fast", strategies, symbols, files, 0.0)
    assert_trades(fast)
    for speed in (2_000.0, 60.0):
        paced = run(tmp_path / f"paced_{speed:g}", strategies, symbols, files, speed)
        assert_same(fast, paced)
