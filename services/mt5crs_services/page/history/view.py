"""What the page shows of a span of time."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from mt5crs_services.page.history.correlation import correlations, period_of
from mt5crs_shared.trading.trades import Earned, Span, Trade, earned, grouped_by, net_curve

POINTS = 800
"""Points of a curve at most: more are thinned out, both ends and the deepest fall stay."""

TRADES = 500
"""Trades that are listed, the newest; the file has all of them."""

SPANS: tuple[Span, ...] = ("strategy", "day", "hour", "weekday", "symbol", "exit")


class AskedTrades(msgspec.Struct, frozen=True):
    """Which trades are meant.

    Attributes:
        since: Event time of the closing, Unix seconds; None: from the first on.
        until: Likewise, before which; None: to the last.
        strategy: Of this one alone; empty: of all.
        symbol: Of this one alone; empty: of all.
    """

    since: float | None = None
    until: float | None = None
    strategy: str = ""
    symbol: str = ""


class Curve(msgspec.Struct, frozen=True):
    """A running net: see `trades.CurvePoint`; its points are time (Unix seconds), net, below."""

    name: str
    points: tuple[tuple[float, float, float], ...]


class HistoryView(msgspec.Struct, frozen=True):
    """All of it.

    Attributes:
        together: What all of them come to; None: there are none.
        groups: By what they have in common, by its name.
        curves: All together under the empty name, then each strategy.
        period: Seconds of a period of the correlation.
        correlation: See `correlation.correlations`.
        trades: The newest of them.
        strategies: Names that can be asked for.
        symbols: Likewise.
        files: Kinds of file that the trades can be had as.
    """

    together: Earned | None
    groups: dict[str, tuple[Earned, ...]]
    curves: tuple[Curve, ...]
    period: int
    correlation: dict[str, dict[str, float | None]]
    trades: tuple[Trade, ...]
    strategies: tuple[str, ...]
    symbols: tuple[str, ...]
    files: tuple[str, ...]


def meant(trades: Iterable[Trade], asked: AskedTrades) -> list[Trade]:
    """Those of some trades that were asked for."""
    wanted: list[Callable[[Trade], bool]] = []
    if asked.since is not None:
        begin = asked.since * 1e6
        wanted.append(lambda trade: trade.closed_us >= begin)
    if asked.until is not None:
        end = asked.until * 1e6
        wanted.append(lambda trade: trade.closed_us < end)
    if asked.strategy:
        wanted.append(lambda trade: trade.strategy == asked.strategy)
    if asked.symbol:
        wanted.append(lambda trade: trade.symbol == asked.symbol)
    return [trade for trade in trades if all(fits(trade) for fits in wanted)]


def history_of(
    every: Sequence[Trade], asked: AskedTrades, files: tuple[str, ...] = ("CSV",)
) -> HistoryView:
    """What the page shows of the trades that were asked for.

    Args:
        every: All trades, in the order they were closed.
        asked: Which of them.
        files: Kinds of file that they can be had as.
    """
    found = meant(every, asked)
    by_strategy = grouped_by(found, "strategy")
    period = period_of(found[0].closed_us / 1e6, found[-1].closed_us / 1e6) if found else 0
    return HistoryView(
        together=earned("together", found) if found else None,
        groups={
            span: tuple(earned(name, own) for name, own in grouped_by(found, span).items())
            for span in SPANS
        },
        curves=(
            Curve("", thinned_curve(found)),
            *(Curve(name, thinned_curve(own)) for name, own in by_strategy.items()),
        ),
        period=period,
        correlation=correlations(by_strategy, period) if len(by_strategy) > 1 else {},
        trades=tuple(found[-TRADES:]),
        strategies=tuple(sorted({trade.strategy for trade in every})),
        symbols=tuple(sorted({trade.symbol for trade in every})),
        files=files,
    )


def thinned_curve(trades: Sequence[Trade]) -> tuple[tuple[float, float, float], ...]:
    """The running net with at most so many points; of each stretch the deepest one is kept."""
    points = [(point.time_us / 1e6, point.net, point.below) for point in net_curve(trades)]
    if len(points) <= POINTS:
        return tuple(points)
    size = -(-len(points) // (POINTS // 2))
    kept = {0, len(points) - 1}
    for begin in range(0, len(points), size):
        stretch = range(begin, min(begin + size, len(points)))
        kept |= {stretch[-1], max(stretch, key=lambda at: points[at][2])}
    return tuple(points[at] for at in sorted(kept))
