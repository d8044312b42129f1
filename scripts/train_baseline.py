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
from model_figures import CONFIDENT, Bools, Floats, score, show
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from mt5crs_services.feed.files import count_ticks, merge, read_ticks
from mt5crs_services.feed.synthetic import MINUTE_US, SyntheticMarket
from mt5crs_shared.configuration.parsing.yaml_nodes import ProblemReport
from mt5crs_shared.configuration.structs import FeedConfig, RiskConfig
from mt5crs_shared.configuration.symbols_file import load_symbols
from mt5crs_shared.configuration.values import Timeframe
from mt5crs_shared.errors import ConfigError, Mt5crsError
from mt5crs_shared.market.bars import TIMEFRAME_US, Bar, BarBuilder
from mt5crs_shared.market.sanity import TickSanity
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire import format_iso, parse_iso
from mt5crs_worker.adapter import LiveStrategyAdapter
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.features import FEATURES, WINDOW, compute

ROOT = Path(__file__).resolve().parents[1]
SYMBOLS: Final = ("EURUSD", "GBPUSD", "XAUUSD")
"""What the synthetic feed quotes for the training; the rows of all are pooled."""
START: Final = "2026-01-05T00:00:00Z"
TRAIN_SHARE: Final = 0.7
GAP_US: Final = 30 * MINUTE_US
"""A silence between two bars that is longer than this is a gap of the session."""
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

Integers = npt.NDArray[np.int64]


class Rows(msgspec.Struct, frozen=True):
    """Examples, one symbol's oldest first: bars whose next bar closed elsewhere.

    Attributes:
        features: Shape (n, 18).
        moves: Shape (n,): by how many points the next bar closed higher; never 0.
        costs: Shape (n,): the spread at the bar's end, in points.
        begins: Shape (n,): where the bar begins, us since the epoch.
        ends: Shape (n,): where the next bar ends, whose close the example knows of.
    """

    features: Floats
    moves: Floats
    costs: Floats
    begins: Integers
    ends: Integers

    def __len__(self) -> int:
        return len(self.moves)

    @property
    def ups(self) -> Bools:
        """Whether the next bar closed higher."""
        return self.moves > 0.0

    def where(self, wanted: Bools) -> "Rows":
        """Some of the examples."""
        return Rows(*(column[wanted] for column in msgspec.structs.astuple(self)))

    def split(self, cut_us: int) -> tuple["Rows", "Rows"]:
        """Those that know of nothing after a moment, to train on, and those from then on, to test.

        The example in between is in neither: it begins before the moment and ends after it.
        """
        return self.where(self.ends <= cut_us), self.where(self.begins >= cut_us)


def pool(parts: Iterable[Rows]) -> Rows:
    """The examples of several symbols, one after the other."""
    columns = zip(*(msgspec.structs.astuple(rows) for rows in parts), strict=True)
    return Rows(*(np.concatenate(column) for column in columns))


def cut_of(parts: Iterable[Rows]) -> int:
    """The moment that has 70 % of all examples before it: one for all symbols.

    Symbols move together: with a moment for each, one would be trained on what another one is
    tested with.
    """
    begins = np.sort(np.concatenate([rows.begins for rows in parts]))
    return int(begins[int(len(begins) * TRAIN_SHARE)])


def synthetic_ticks(specs: Sequence[SymbolSpec], seed: int, minutes: int) -> Iterator[list[Tick]]:
    """Minutes of the synthetic feed as it is by default, each a list of ticks."""
    start_us = parse_iso(START)
    market = SyntheticMarket(specs, seed, FeedConfig().ticks_per_second, 0.0, start_us)
    first = start_us // MINUTE_US
    return (market.minute(number) for number in range(first, first + minutes))


class Quoted(msgspec.Struct):
    """One symbol's closed bars, and the spread at the end of each.

    Attributes:
        bars: The bars.
        spreads: Ask less bid of the last quote that was not crossed, in the quote currency.
    """

    bars: list[Bar]
    spreads: list[float]


def build_bars(ticks: Iterable[Tick], timeframe: Timeframe) -> dict[str, Quoted]:
    """Closed bars by symbol, sorted by name, of the ticks that a worker would believe."""
    judges: dict[str, TickSanity] = {}
    builders: dict[str, BarBuilder] = {}
    newest: dict[str, float] = {}
    made: dict[str, Quoted] = {}
    for tick in ticks:
        name = tick.symbol
        if name not in made:
            judges[name], builders[name] = TickSanity(), BarBuilder(timeframe)
            made[name], newest[name] = Quoted([], []), 0.0
        if judges[name].judge(tick) == "good":
            closed = builders[name].add(tick)
            if closed is not None:
                made[name].bars.append(closed)
                made[name].spreads.append(newest[name])
            if not tick.crossed:
                newest[name] = tick.ask - tick.bid
    return dict(sorted(made.items()))


def make_rows(quoted: Quoted, timeframe: Timeframe, point: float) -> tuple[Rows, float]:
    """The examples of a symbol: bars with 255 before them and one after them.

    Left out are bars before a gap of the session, since nobody holds a position of one bar over a
    weekend, and those whose next bar closed where they did: neither BUY nor SELL is right there.

    Args:
        quoted: The symbol's bars.
        timeframe: Their length.
        point: The price step.

    Returns:
        The examples, and the share of bars that were left out as ties.
    """
    window, length = BarWindow(), TIMEFRAME_US[timeframe]
    features, rest, ties, seen = [], [], 0, 0
    for bar, following, spread in zip(
        quoted.bars[:-1], quoted.bars[1:], quoted.spreads[:-1], strict=True
    ):
        window.append(bar)
        if not window.full or following.start_us - bar.start_us > length + GAP_US:
            continue
        seen += 1
        if following.close == bar.close:
            ties += 1
            continue
        features.append(compute(window))
        move = (following.close - bar.close) / point
        rest.append((move, spread / point, bar.start_us, following.start_us + length))
    moves, costs, begins, ends = np.array(rest, dtype=np.float64).reshape(-1, 4).T
    rows = Rows(
        np.array(features).reshape(-1, len(FEATURES)),
        moves,
        costs,
        begins.astype(np.int64),
        ends.astype(np.int64),
    )
    return rows, ties / seen if seen else 0.0


def train(rows: Rows, seed: int) -> xgboost.Booster:
    """Fit the model."""
    data = xgboost.DMatrix(rows.features, rows.ups, feature_names=list(FEATURES), nthread=1)
    return xgboost.train({**PARAMETERS, "seed": seed}, data, ROUNDS)


def hash_of(bars: Mapping[str, Quoted]) -> str:
    """BLAKE2b-256 of all the bars, hexadecimal."""
    digest = hashlib.blake2b(digest_size=32)
    for name, each in bars.items():
        digest.update(name.encode())
        digest.update(np.array([msgspec.structs.astuple(bar) for bar in each.bars]).tobytes())
        digest.update(np.array(each.spreads).tobytes())
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
) -> dict[str, Quoted]:
    """Bars of the files, or of the synthetic feed where there are none, with a progress bar."""
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        if files:
            total = sum(map(count_ticks, files))
            ticks = merge([read_ticks(path) for path in files])
            return build_bars(progress.track(ticks, total, description="ticks"), timeframe)
        minutes = -(-(count + 1) * TIMEFRAME_US[timeframe] // MINUTE_US)
        specs = [load_specs()[name] for name in SYMBOLS]
        batches = progress.track(
            synthetic_ticks(specs, seed, minutes),
            minutes,
            description="minutes",
        )
        bars = build_bars((tick for batch in batches for tick in batch), timeframe)
        return {name: Quoted(q.bars[:count], q.spreads[:count]) for name, q in bars.items()}


def load_specs() -> dict[str, SymbolSpec]:
    """The specifications in the repository's symbols file."""
    report = ProblemReport(str(ROOT / "config" / "symbols.yaml"))
    symbols = load_symbols(Path(report.file), report)
    if symbols is None or report.problems:
        raise ConfigError(tuple(report.problems))
    return symbols.specs


def point_of(symbol: str) -> float:
    """The price step of a symbol; where symbols.yaml has none of that name, that of most pairs."""
    spec = load_specs().get(symbol)
    return spec.point if spec is not None else 1e-5


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

    The last 30 % of the time are kept out of the training, and the figures are of those.
    """
    try:
        run(files, count, timeframe, seed, out)
    except Mt5crsError as error:
        raise click.ClickException(str(error)) from error


def run(files: Sequence[Path], count: int, timeframe: Timeframe, seed: int, out: Path) -> None:
    """Train, print the figures, and write the model and its description."""
    bars = read_bars(files, timeframe, seed, count)
    counts = {name: len(quoted.bars) for name, quoted in bars.items()}
    short = [f"{name} has {count}" for name, count in counts.items() if count < WINDOW + 50]
    if short:
        raise click.ClickException(f"{WINDOW + 50} bars a symbol are needed; {', '.join(short)}")
    made = {name: make_rows(quoted, timeframe, point_of(name)) for name, quoted in bars.items()}
    cut_us = cut_of(rows for rows, _ in made.values())
    parts = {name: rows.split(cut_us) for name, (rows, _) in made.items()}
    trained = pool(former for former, _ in parts.values())
    tested = {name: later for name, (_, later) in parts.items() if len(later)}
    if not tested or trained.ups.all() or not trained.ups.any():
        raise click.ClickException("too few bars that rose or fell; give longer files")
    booster = train(trained, seed)
    base_rate = float(trained.ups.mean())
    figures = {
        name: score(rows.moves, rows.costs, predict(booster, rows), base_rate, one_symbol=True)
        for name, rows in tested.items()
    }
    pooled = pool(tested.values())
    figures["pooled"] = score(
        pooled.moves, pooled.costs, predict(booster, pooled), base_rate, one_symbol=False
    )
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
            "bars": counts,
            "ties": {name: round(ties, 4) for name, (_, ties) in made.items()},
            "blake2": hash_of(bars),
        },
        "split": f"at {format_iso(cut_us)} for all symbols: {TRAIN_SHARE:.0%} before it",
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
        "label": "the next bar's close is higher than this bar's; neither ties nor session gaps",
    }


def predict(booster: xgboost.Booster, rows: Rows) -> Floats:
    """Probabilities of a rise, shape (n,)."""
    return np.asarray(booster.inplace_predict(rows.features), dtype=np.float64)


if __name__ == "__main__":
    main()
