"""The feature API: whether who asks it for features would get them."""

import pkgutil
from collections.abc import Callable, Iterator
from typing import Protocol

from mt5crs_shared.configuration.structs import Config, StrategyConfig
from mt5crs_supervisor.commands.doctor.finding import Finding, fault, fine, warning

COMMAND = "mt5crs_worker.features.trial:try_api"
"""Who asks; by name only, since the supervisor imports no worker."""

ADVICE = "start it (`features serve` is one of ours), mend it, or set global.feature_api_url"


class Tried(Protocol):
    """What came of one question; see `mt5crs_worker.features.trial.ApiTrial`."""

    @property
    def shape(self) -> str:
        """How the API spoke."""

    @property
    def seconds(self) -> float:
        """How long that took."""

    @property
    def fault(self) -> str:
        """Why it gave nothing."""


def look_at_feature_api(config: Config) -> Iterator[Finding]:
    """Ask once for each symbol and timeframe that a strategy asks for.

    Args:
        config: The configuration.
    """
    url = config.globals.feature_api_url
    asking: dict[tuple[str, str], list[StrategyConfig]] = {}
    for strategy in config.enabled:
        if strategy.features == "api":
            asking.setdefault((strategy.symbol, strategy.timeframe), []).append(strategy)
    for (symbol, timeframe), strategies in asking.items():
        ask: Callable[[StrategyConfig, str], Tried] = pkgutil.resolve_name(COMMAND)
        # Whoever waits the least has to get them, too.
        tried = ask(min(strategies, key=lambda s: s.feature_api.timeout), url)
        what = f"{url}, {symbol} {timeframe}"
        if not tried.fault:
            took = f"in {1000.0 * tried.seconds:.0f} ms"
            yield fine("features", f"{what}: 18 features in shape {tried.shape} {took}")
        elif held := [s.name for s in strategies if s.feature_api.on_failure == "hold"]:
            decide = f"{', '.join(held)} would decide nothing"
            yield fault("features", f"{what}: {tried.fault}; {decide}", ADVICE)
        else:
            yield warning("features", f"{what}: {tried.fault}; they are computed here", ADVICE)
