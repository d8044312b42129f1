#!/usr/bin/env python3
"""Train the baseline model from recorded ticks, or from those of the synthetic feed.

The bars and features are the worker's own. The figures that it prints are of bars later than
all those it was trained on. The same data and options give the same model, byte for byte.
"""

import hashlib
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import numpy as np
import numpy.typing as npt
import xgboost
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from mt5crs_services.feed.files import count_rows, merge, read_ticks
from mt5crs_services.feed.synthetic import MINUTE_US, SyntheticMarket
from mt5crs_shared.config import FeedConfig, RiskConfig, SymbolSpec, Timeframe
from mt5crs_shared.errors import ConfigError, Mt5crsError
from mt5crs_shared.sanity import TickSanity
from mt5crs_shared.symbols_file import load_symbols
from mt5crs_shared.ticks import Tick
from mt5crs_shared.wire import parse_iso
from mt5crs_shared.yaml_nodes import Report
from mt5crs_worker.adapter import LiveStrategyAdapter
from mt5crs_worker.bars import TIMEFRAME_US, Bar, BarBuilder, BarWindow
from mt5crs_worker.features import FEATURES, WINDOW, compute

ROOT = Path(__file__).resolve().parents[1]
SYMBOLS: Final = ("EURUSD", "GBPUSD", "XAUUSD")
"""What the synthetic feed quotes for the training; the rows of all are pooled."""
START: Final = "2026-01-05T00:00:00Z"
TRAIN_SHARE: Final = 0.7
CONFIDENT: Final = 0.55
"""The threshold whose share of bars and accuracy are among the figures."""

# Shallow, slow and regularised: there is little to find, and prices themselves are among the
# features, by which a deeper model would learn the calendar.
ROUNDS: Final = 100
PARAMETERS: Final[Mapping[str, Any]] = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_depth": 3,
    "eta": 0.08,
    "subsample": 0.7,
    "colsample_bytree": 0.7,
    "min_child_weight": 50.0,
    "lambda": 10.0,
    "nthread": 1,
}

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Rows(msgspec.Struct, frozen=True):
    """One symbol's examples, oldest first.

    Attributes:
        features: Shape (n, 18).
        ups: Shape (n,): whether the next bar closed higher than this one.
    """

    features: Floats
    ups: Bools

    def split(self) -> tuple["Rows", "Rows"]:
        """The first 70 % to train on, and the last 30 % to test with.

        The row between them is in neither: its label is the return of the first tested bar.
        """
        cut = int(len(self.ups) * TRAIN_SHARE)
        former, later = slice(0, cut - 1), slice(cut, None)
        return (
            Rows(self.features[former], self.ups[former]),
            Rows(self.features[later], self.ups[later]),
        )


def pool(parts: Iterable[Rows]) -> Rows:
    """The examples of several symbols, one after the other."""
    held = list(parts)
    return Rows(
        np.concatenate([rows.features for rows in held]), np.concatenate([r.ups for r in held])
    )


def synthetic_ticks(specs: Sequence[SymbolSpec], seed: int, minutes: int) -> Iterator[list[Tick]]:
    """Minutes of the synthetic feed as it is by default, each a list of ticks."""
    start_us = parse_iso(START)
    market = SyntheticMarket(specs, seed, FeedConfig().ticks_per_second, 0.0, start_us)
    first = start_us // MINUTE_US
    return (market.minute(number) for number in range(first, first + minutes))


def build_bars(ticks: Iterable[Tick], timeframe: Timeframe) -> dict[str, list[Bar]]:
    """Closed bars by symbol, sorted by name, of the ticks that a worker would believe."""
    judges: dict[str, TickSanity] = {}
    builders: dict[str, BarBuilder] = {}
    bars: dict[str, list[Bar]] = {}
    for tick in ticks:
        if tick.symbol not in bars:
            judges[tick.symbol] = TickSanity()
            builders[tick.symbol] = BarBuilder(timeframe)
            bars[tick.symbol] = []
        if judges[tick.symbol].judge(tick) == "good":
            closed = builders[tick.symbol].add(tick)
            if closed is not None:
                bars[tick.symbol].append(closed)
    return dict(sorted(bars.items()))


def make_rows(bars: Sequence[Bar]) -> Rows:
    """Features of every bar that has 255 before it and one after it, and that one's direction."""
    window = BarWindow()
    features = []
    for bar in bars[:-1]:
        window.append(bar)
        if window.full:
            features.append(compute(window))
    closes = np.array([bar.close for bar in bars[WINDOW - 1 :]])
    return Rows(np.array(features).reshape(-1, len(FEATURES)), np.diff(closes) > 0.0)


def train(rows: Rows, seed: int) -> xgboost.Booster:
    """Fit the model."""
    data = xgboost.DMatrix(rows.features, rows.ups, feature_names=list(FEATURES), nthread=1)
    return xgboost.train({**PARAMETERS, "seed": seed}, data, ROUNDS)


def area_under_curve(ups: Bools, probabilities: Floats) -> float:
    """Chance that a bar before a rise got a higher probability than one before a fall.

    The Mann-Whitney statistic over mean ranks; NaN where there are only rises or only falls.
    """
    _, place, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[place]
    rises, falls = int(ups.sum()), int((~ups).sum())
    if not rises or not falls:
        return float("nan")
    return float((ranks[ups].sum() - rises * (rises + 1) / 2.0) / (rises * falls))


def score(rows: Rows, probabilities: Floats) -> dict[str, float]:
    """Figures of one set of bars.

    `confident_share` is the share of bars where p or 1 - p is over `CONFIDENT`, and
    `confident_accuracy` the accuracy on those.
    """
    ups = rows.ups
    right = (probabilities > 0.5) == ups
    confident = np.maximum(probabilities, 1.0 - probabilities) > CONFIDENT
    said = np.where(ups, probabilities, 1.0 - probabilities)
    return {
        "bars": len(ups),
        "base_rate": round(float(ups.mean()), 4),
        "accuracy": round(float(right.mean()), 4),
        "auc": round(area_under_curve(ups, probabilities), 4),
        "log_loss": round(float(-np.log(said).mean()), 4),
        "confident_share": round(float(confident.mean()), 4),
        "confident_accuracy": round(float(right[confident].mean()), 4) if confident.any() else 0.0,
    }


FIGURES: Final = {
    "bars": "bars",
    "base_rate": "rose",
    "accuracy": "accuracy",
    "auc": "AUC",
    "log_loss": "log loss",
    "confident_share": f"beyond {CONFIDENT}",
    "confident_accuracy": "accuracy there",
}


def show(figures: Mapping[str, Mapping[str, float]]) -> None:
    """Print the figures as a table."""
    table = Table(title="out of sample: the last 30 % of the bars")
    table.add_column("symbol")
    for title in FIGURES.values():
        table.add_column(title, justify="right")
    for name, values in figures.items():
        table.add_row(name, *(f"{values[key]:g}" for key in FIGURES))
    Console(width=100).print(table)


def hash_of(bars: Mapping[str, Sequence[Bar]]) -> str:
    """BLAKE2b-256 of all the bars, hexadecimal."""
    digest = hashlib.blake2b(digest_size=32)
    for name, each in bars.items():
        digest.update(name.encode())
        digest.update(np.array([msgspec.structs.astuple(bar) for bar in each]).tobytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of what the model's bytes depend on."""
    found = {"python": platform.python_version()}
    for module in ("numpy", "talib", "xgboost"):
        distribution = packages_distributions()[module][0]
        found[distribution] = version(distribution)
    return found


def read_bars(
    files: Sequence[Path], timeframe: Timeframe, seed: int, count: int
) -> dict[str, list[Bar]]:
    """Bars of the files, or of the synthetic feed where there are none, with a progress bar."""
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        if files:
            total = sum(map(count_rows, files))
            ticks = merge([read_ticks(path) for path in files])
            return build_bars(progress.track(ticks, total, description="ticks"), timeframe)
        minutes = -(-(count + 1) * TIMEFRAME_US[timeframe] // MINUTE_US)
        batches = progress.track(
            synthetic_ticks(load_specs(), seed, minutes), minutes, description="minutes"
        )
        bars = build_bars((tick for batch in batches for tick in batch), timeframe)
        return {name: each[:count] for name, each in bars.items()}


def load_specs() -> list[SymbolSpec]:
    """The specifications of `SYMBOLS` in the repository's symbols file."""
    report = Report(str(ROOT / "config" / "symbols.yaml"))
    symbols = load_symbols(Path(report.file), report)
    if symbols is None or report.problems:
        raise ConfigError(tuple(report.problems))
    return [symbols.specs[name] for name in SYMBOLS]


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--bars",
    "count",
    default=20_000,
    show_default=True,
    type=click.IntRange(min=WINDOW + 50),
    help="Bars of each symbol to make, where no FILES are given.",
)
@click.option("--timeframe", default="M1", show_default=True, type=click.Choice(list(TIMEFRAME_US)))
@click.option("--seed", default=42, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--out",
    default=ROOT / "models" / "baseline_v1.json",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The model's file; its description goes beside it, as .meta.json.",
)
def main(files: tuple[Path, ...], count: int, timeframe: Timeframe, seed: int, out: Path) -> None:
    """Train the baseline model on FILES (ticks as CSV), or on the synthetic feed.

    Each symbol's last 30 % of bars are kept out of the training, and the figures are of those.
    """
    try:
        run(files, count, timeframe, seed, out)
    except Mt5crsError as error:
        raise click.ClickException(str(error)) from error


def run(files: Sequence[Path], count: int, timeframe: Timeframe, seed: int, out: Path) -> None:
    """Train, print the figures, and write the model and its description."""
    bars = read_bars(files, timeframe, seed, count)
    short = [f"{name} has {len(each)}" for name, each in bars.items() if len(each) < WINDOW + 50]
    if short:
        raise click.ClickException(f"{WINDOW + 50} bars a symbol are needed; {', '.join(short)}")
    parts = {name: make_rows(each).split() for name, each in bars.items()}
    booster = train(pool(former for former, _ in parts.values()), seed)
    tested = {name: later for name, (_, later) in parts.items()}
    tested["pooled"] = pool(tested.values())
    figures = {name: score(rows, predict(booster, rows)) for name, rows in tested.items()}
    show(figures)
    if not files:
        click.echo("The synthetic feed has a structure to be found; real markets promise no such.")
    out.parent.mkdir(parents=True, exist_ok=True)
    booster.save_model(out)
    description = {
        **describe_model(out),
        "timeframe": timeframe,
        "data": {
            "source": [path.name for path in files] or f"synthetic feed from {START}",
            "bars": {name: len(each) for name, each in bars.items()},
            "blake2": hash_of(bars),
        },
        "split": f"by time, each symbol: first {TRAIN_SHARE:.0%} trained, rest tested, 1 bar apart",
        "seed": seed,
        "parameters": PARAMETERS,
        "versions": versions(),
        "out_of_sample": figures,
    }
    meta = out.with_suffix(".meta.json")
    meta.write_bytes(msgspec.json.format(msgspec.json.encode(description)) + b"\n")
    click.echo(f"wrote {out} ({out.stat().st_size} bytes) and {meta}")


def describe_model(path: Path) -> dict[str, Any]:
    """What the worker's own loader says of a model."""
    metadata = LiveStrategyAdapter(path, CONFIDENT, RiskConfig()).get_metadata()
    return {
        "model": path.name,
        "blake2": metadata.blake2,
        "kind": metadata.kind,
        "trees": metadata.trees,
        "features": metadata.features,
        "label": "the next bar's close is higher than this bar's",
    }


def predict(booster: xgboost.Booster, rows: Rows) -> Floats:
    """Probabilities of a rise, shape (n,)."""
    return np.asarray(booster.inplace_predict(rows.features), dtype=np.float64)


if __name__ == "__main__":
    main()
