"""How strategies' returns go together: Pearson's coefficient of what they made in each period."""

import statistics
from collections.abc import Mapping, Sequence

from mt5crs_shared.trading.trades import Trade

DAY, HOUR = 86_400, 3_600

LEAST = 5
"""Periods below which nothing can be said."""


def period_of(begin: float, end: float) -> int:
    """Seconds of a period: a day, or an hour where the span has fewer than ten days."""
    return DAY if end - begin >= 10 * DAY else HOUR


def correlations(
    trades: Mapping[str, Sequence[Trade]], period: int
) -> dict[str, dict[str, float | None]]:
    """The coefficient of each pair of strategies; None: it cannot be said.

    A period in which one of them closed nothing counts as 0; one in which nobody did is left out.

    Args:
        trades: By strategy.
        period: Seconds; a trade belongs to the one that it was closed in.
    """
    nets: dict[str, dict[int, float]] = {}
    for name, own in trades.items():
        sums = nets.setdefault(name, {})
        for trade in own:
            at = trade.closed_us // (period * 1_000_000)
            sums[at] = sums.get(at, 0.0) + trade.net
    periods = sorted({at for sums in nets.values() for at in sums})
    series = {name: [sums.get(at, 0.0) for at in periods] for name, sums in nets.items()}
    return {
        one: {other: _coefficient(series[one], series[other]) for other in series} for one in series
    }


def _coefficient(one: Sequence[float], other: Sequence[float]) -> float | None:
    if len(one) < LEAST:
        return None
    try:
        return round(statistics.correlation(one, other), 3)
    except statistics.StatisticsError:  # One of them never changed.
        return None
