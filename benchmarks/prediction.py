"""One prediction of one row: tables of all trees against XGBoost's own `inplace_predict`.

Models of several sizes are asked both ways, alternating, in one run. Writes its section to
docs/benchmarks.md.
"""

import statistics
import time
from collections.abc import Callable

import click
import numpy as np
import xgboost

from benchmarks.tables import report, table
from mt5crs_worker.features import FEATURES
from mt5crs_worker.tree_ensemble import TreeEnsemble, tables_of

MODELS = ((100, 3), (100, 6), (300, 6), (1_000, 6))
"""Boosting rounds, and levels of a tree."""

AT_ONCE = 200
"""Predictions that are timed together."""


def trained(rounds: int, levels: int) -> xgboost.Booster:
    """A model of this size, of made-up data."""
    random = np.random.default_rng(1)
    rows = random.normal(size=(20_000, len(FEATURES)))
    labels = rows[:, 0] + random.normal(size=len(rows)) > 0.0
    settings = {"objective": "binary:logistic", "max_depth": levels, "nthread": 1}
    return xgboost.train(settings, xgboost.DMatrix(rows, labels), rounds)


def timed(predict: Callable[[], object]) -> float:
    """Microseconds for one."""
    began = time.perf_counter()
    for _ in range(AT_ONCE):
        predict()
    return (time.perf_counter() - began) / AT_ONCE * 1e6


def row_of(rounds: int, levels: int, repeat: int) -> list[str]:
    """One model's row of the table."""
    model = trained(rounds, levels)
    began = time.perf_counter()
    tables = TreeEnsemble(tables_of(model, rounds))
    made = (time.perf_counter() - began) * 1e3
    row = np.random.default_rng(2).normal(size=len(FEATURES))
    used = (0, rounds)
    pairs = [
        (
            timed(lambda: tables.probability(row)),
            timed(lambda: model.inplace_predict(row.reshape(1, -1), iteration_range=used)),
        )
        for _ in range(repeat)
    ]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    return [
        f"{rounds} trees of {levels} levels",
        f"{ratio:.1f}",
        f"{ours:.1f}",
        f"{theirs:.1f}",
        f"{made:.0f}",
    ]


@click.command()
@click.option("--repeat", default=31, show_default=True, help="Times that both are timed.")
def main(repeat: int) -> None:
    """Time both on models of several sizes."""
    rows = [row_of(*model, repeat) for model in MODELS]
    head = ["model", "times faster", "tables, us", "inplace_predict, us", "made once in, ms"]
    report("one prediction", f"medians of {repeat}, alternating.", head, rows)
    click.echo(table(head, rows))


if __name__ == "__main__":
    main()
