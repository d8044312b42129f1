"""What a model is worth on bars that it has not seen: figures, each with its standard error."""

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

CONFIDENT: Final = 0.55
"""The threshold whose trades are among the figures."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


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


def error_of_area(area: float, rises: int, falls: int) -> float:
    """Standard error of an area under the curve (Hanley and McNeil)."""
    if not rises or not falls:
        return float("nan")
    first, second = area / (2.0 - area), 2.0 * area**2 / (1.0 + area)
    spread = (rises - 1) * (first - area**2) + (falls - 1) * (second - area**2)
    return math.sqrt((area * (1.0 - area) + spread) / (rises * falls))


class Figure(msgspec.Struct, frozen=True):
    """A figure and its standard error; None: it has none."""

    value: float
    error: float | None = None

    def __str__(self) -> str:
        return f"{self.value:g}" if self.error is None else f"{self.value:g} ± {self.error:g}"


def mean_of(values: Floats) -> Figure:
    """A mean with its standard error."""
    if len(values) < 2:
        return Figure(float(values.mean()) if len(values) else 0.0)
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    return Figure(round(float(values.mean()), 4), round(error, 4))


def score(
    moves: Floats, costs: Floats, probabilities: Floats, base_rate: float, one_symbol: bool
) -> dict[str, Any]:
    """Figures of one set of bars; see `FIGURES` for what they are.

    Args:
        moves: By how many points the next bar closed higher, never 0.
        costs: The spread, in points.
        probabilities: What the model says of the bars.
        base_rate: The share of rises in the training: what somebody says who knows no more.
        one_symbol: They are of one symbol, whose points can be added up.
    """
    ups = moves > 0.0
    area = area_under_curve(ups, probabilities)
    known = math.log(base_rate), math.log(1.0 - base_rate)
    figures = {
        "bars": Figure(len(moves)),
        "rose": mean_of(ups.astype(np.float64)),
        "majority": Figure(round(max(float(ups.mean()), 1.0 - float(ups.mean())), 4)),
        "accuracy": mean_of(((probabilities > 0.5) == ups).astype(np.float64)),
        "auc": Figure(
            round(area, 4), round(error_of_area(area, int(ups.sum()), int((~ups).sum())), 4)
        ),
        "base_log_loss": Figure(round(float(-np.where(ups, *known).mean()), 4)),
        "log_loss": mean_of(-np.log(np.where(ups, probabilities, 1.0 - probabilities))),
    }
    buys, sells = probabilities > CONFIDENT, 1.0 - probabilities > CONFIDENT
    figures |= {"buys": Figure(int(buys.sum())), "sells": Figure(int(sells.sum()))}
    if one_symbol:
        made = np.where(buys, moves, -moves) - costs
        figures["net_points"] = mean_of(made[buys | sells])
    return {name: msgspec.to_builtins(figure) for name, figure in figures.items()}


FIGURES: Final = {
    "bars": "bars, ties left out",
    "rose": "share that rose",
    "majority": "right by always saying the likelier side",
    "accuracy": "right by saying the model's side",
    "auc": "AUC (0.5: knows nothing)",
    "base_log_loss": "log loss of the training's share of rises",
    "log_loss": "log loss of the model",
    "buys": f"BUY, p over {CONFIDENT}",
    "sells": f"SELL, 1 - p over {CONFIDENT}",
    "net_points": "points a trade of one bar, after the spread",
}


def show(figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the figures as a table, with standard errors."""
    table = Table(title="out of sample: the last 30 % of the time")
    table.add_column("")
    for name in figures:
        table.add_column(name, justify="right")
    for key, title in FIGURES.items():
        cells = [msgspec.convert(f[key], Figure) if key in f else "-" for f in figures.values()]
        table.add_row(title, *map(str, cells))
    Console(width=120).print(table)
