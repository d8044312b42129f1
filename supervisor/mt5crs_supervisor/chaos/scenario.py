"""The scene of a campaign: a configuration with a replay as its feed, in a folder of its own."""

import csv
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import yaml

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.process.paths import VarPaths

RESTART = {
    "backoff": 0.02,
    "backoff_max": 0.1,
    "healthy_after": 0.5,
    "max_deaths": 50,
    "window": 10.0,
    "max_boot_failures": 20,
}
"""Everybody comes back however often he is killed: giving up is proved elsewhere."""

LIMITS = {"memory": "300MB", "memory_hard": "600MB"}
"""Far above what a strategy needs, far below what a memory hog takes."""

SABOTAGED = "mt5crs_worker.process.sabotage:Sabotaged"
"""By name only: see the arrows."""

CROSSING = "mt5crs_worker.examples.ma_cross:MovingAverageCross"
"""The strategy of a campaign's own cross pair; by name only as well."""

CROSS_PAIRS = {"USD": ("EURJPY", "USDJPY"), "EUR": ("GBPUSD", "EURUSD")}
"""For an account in a currency: what is traded, and what converts its profit."""

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
PRICES = {"XAUUSD": 1900.0, "GBPUSD": 1.27}
YEN = 150.0
"""Where the price of a symbol begins that is not named above and is quoted in yen; else 1.1."""


def write_config(
    file: Path,
    strategies: Sequence[Mapping[str, Any]],
    symbols: Sequence[Mapping[str, Any]],
    replay: Sequence[Path] = (),
    speed: float = 0.0,
    paper: Mapping[str, Any] | None = None,
    currency: str = "USD",
    restart: Mapping[str, Any] = RESTART,
) -> Path:
    """Write a configuration, and its symbols beside it: a new user's, but for the restarts.

    Args:
        file: The YAML file.
        strategies: Its entries.
        symbols: Entries of ``symbols.yaml``.
        replay: What the feed publishes; without, there is none.
        speed: How many times faster than the clock; 0: as fast as possible.
        paper: Frictions of the paper book.
        currency: The account's.
        restart: Budgets and delays; empty: a new user's.
    """
    feed = {"kind": "replay", "files": [str(path) for path in replay], "speed": speed}
    document = {
        "strategies": [dict(strategy) for strategy in strategies],
        "global": {
            "zmq_market_url": f"tcp://localhost:{free_port()}",
            "supervisor": {"restart": dict(restart)},
            "feed": feed if replay else None,
            "paper": dict(paper or {}),
            "account_currency": currency,
        },
    }
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    listed = {"symbols": [dict(symbol) for symbol in symbols]}
    file.with_name("symbols.yaml").write_text(yaml.safe_dump(listed, sort_keys=False))
    return file


def sabotaged(entry: Mapping[str, Any], paths: VarPaths) -> dict[str, Any]:
    """A strategy's entry, made to do what `orders_for` it says."""
    real = {"strategy": entry.get("strategy"), "params": entry.get("params", {})}
    params = {**real, "orders": str(orders_for(entry["name"], paths))}
    return {**entry, "strategy": SABOTAGED, "params": params, "limits": LIMITS}


def orders_for(strategy: str, paths: VarPaths) -> Path:
    """The file that tells a sabotaged strategy what to do."""
    return paths.run / f"{strategy}.sabotage"


def cross_pair(currency: str) -> tuple[StrategyConfig, dict[str, SymbolSpec]]:
    """A strategy whose profit another symbol converts, and the specifications of both.

    Args:
        currency: The account's.
    """
    traded, converter = CROSS_PAIRS.get(currency, ("EURUSD", f"USD{currency}"))
    digits = {symbol: 3 if symbol.endswith("JPY") else 5 for symbol in (traded, converter)}
    specs = {
        symbol: SymbolSpec(symbol, 1e5, digits[symbol], 0.01, 0.01, 50.0, symbol[3:], symbol[:3])
        for symbol in (traded, converter)
    }
    strategy = StrategyConfig(
        name="chaos_cross_pair", symbol=traded, strategy=CROSSING, timeframe="S15"
    )
    return strategy, specs


def make_up(folder: Path, symbols: Sequence[SymbolSpec], ticks: int, seed: int) -> dict[str, Path]:
    """Write a random walk for each symbol, a tick a second; the same for the same arguments."""
    files = {}
    for spec in symbols:
        random = Random(f"{seed} {spec.name}")
        point = 10.0**-spec.digits
        usual = YEN if spec.quote_currency == "JPY" else 1.1
        price, trend = PRICES.get(spec.name, usual), 0.0
        path = folder / f"{spec.name}_made_up.csv"
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("timestamp", "bid", "ask"))
            for number in range(ticks):
                trend = 0.99 * trend + random.gauss(0.0, price * 2e-6)
                price += trend + random.gauss(0.0, price * 2e-5)
                at = BEGIN + timedelta(seconds=number, milliseconds=random.randrange(900))
                bid = round(price, spec.digits)
                ask = round(bid + max(spec.spread_points, 1.0) * point, spec.digits)
                rows.writerow((at.isoformat(), bid, ask))
        files[spec.name] = path
    return files


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
