"""Why a strategy cannot do its work fully: what `status` says beside DEGRADED."""

from datetime import UTC, datetime

from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market.stream import TickStream
from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_shared.wording import remedy
from mt5crs_worker.process import market_hours

REFUSED_AFTER = 5.0
"""Seconds without a tick after which frames that were refused are the likely reason."""

BEHIND = 2.0
"""Seconds with ticks always waiting after which the strategy counts as behind its feed.

So it does where ticks have come that long ago that could not be taken yet.
"""

REWOUND = 50
"""Late ticks in a row that mean: the feed's clock went back."""


def trouble_of(config: Config, counts: StrategyMetrics) -> str:
    """What a strategy's code raises, or its features lack, again and again; empty: nothing."""
    enough = config.globals.supervisor.degraded_after_errors
    times, fills = counts.errors_in_a_row, counts.fill_errors_in_a_row
    lacking = counts.feature_faults_in_a_row
    if times >= enough:
        what = f"x{times} in a row in its code, nothing is decided"
    elif fills >= enough:
        what = f"its on_fill failed so on the last {fills} deals; it trades on"
    elif lacking >= enough:
        (strategy,) = config.strategies
        here = strategy.feature_api.on_failure == "local"
        done = "they are computed here" if here else "nothing is decided"
        bars = f"no features of the API for the last {lacking} bars, {done}"
        return f"{bars}: {counts.last_feature_fault}"
    else:
        return ""
    name = config.strategies[0].name
    # The error first: a narrow window shows the beginning.
    return f"{counts.last_error}: {what}; see `logs {name}`, {remedy(name)}"


def of_waiting(stream: TickStream, silent_for: float) -> str:
    """Ticks that have come and cannot be taken; empty: there are none, or not for long."""
    if silent_for > BEHIND and (withheld := stream.withheld):
        return f"no tick was taken for {silent_for:.0f} s: {withheld}"
    return ""


def of_market(
    config: Config, stream: TickStream, silent_for: float, rewound: int, newest_us: int
) -> str:
    """What is wrong with the market as one strategy sees it; empty: nothing.

    Args:
        config: With the strategy as its only one.
        stream: Its market.
        silent_for: Seconds without a tick.
        rewound: Late ticks in a row.
        newest_us: Event time of the newest tick that was taken.
    """
    if stream.absence:
        return stream.absence
    if waits := of_waiting(stream, silent_for):
        return waits
    (strategy,) = config.strategies
    if silent_for > REFUSED_AFTER and (refused := str(stream.refusals)):
        return f"frames come, but none is a tick of {strategy.symbol}: {refused}; see docs/wire.md"
    base = config.symbols[strategy.symbol].base_currency
    limit = config.globals.supervisor.feed_silent_after
    if silent := market_hours.silence(silent_for, limit, datetime.now(UTC), base):
        return silent
    if rewound >= REWOUND:
        newest = datetime.fromtimestamp(newest_us / 1e6, UTC)
        return (
            f"the feed's clock went back: ticks older than {newest:%Y-%m-%d %H:%M:%S} were taken"
            " already, and are left out; another market needs another --var-dir"
        )
    if stream.behind > BEHIND and not stream.simulated:
        return f"behind the feed: ticks have been waiting for {stream.behind:.0f} s"
    return ""
