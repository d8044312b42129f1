"""What the tests of a trader's class need: bars made of prices, and its signals on them.

No process and no market: see "Trying it out" in ``docs/strategies.md``.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from mt5crs_shared.configuration.loading import load_config
from mt5crs_shared.configuration.values import Timeframe
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.bars import TIMEFRAME_US, Bar
from mt5crs_shared.wording import nearest
from mt5crs_worker.answers import Signal, ask_bar, plain_state
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.strategy import Strategy, load_strategy


class UnknownEntryError(Mt5crsError):
    """A test names a strategy that the configuration does not have."""


class StrategyTrial:
    """One entry of a configuration, asked bar by bar as its process would ask it.

    Args:
        config: The YAML file.
        name: The entry's name.

    Raises:
        ConfigError: The file is refused.
        UnknownEntryError: It has no such entry.
    """

    def __init__(self, config: Path, name: str) -> None:
        loaded = load_config(config)
        entries = {entry.name: entry for entry in loaded.strategies}
        if name not in entries:
            near = nearest(name, entries)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(entries)}"
            raise UnknownEntryError(f"{config} has no strategy called {name}; {hint}")
        self.entry = entries[name]
        self.symbol = loaded.symbols[self.entry.symbol]

    def strategy(self) -> Strategy:
        """A fresh object, as a fresh process makes it.

        Raises:
            StrategyError: Its class cannot be used.
            ModelError: Its model cannot be used.
        """
        return load_strategy(self.entry, self.symbol)

    def signals(self, bars: Iterable[Bar]) -> list[Signal]:
        """What it answers to each bar, from the one that completes its `warmup`.

        Deals are none: a class that goes by its `on_fill` is told of them by the test.

        Raises:
            AnswerError: It answers what is no signal.
            StateError: Its state cannot be kept.
        """
        return self._answered(bars, dies=False)

    def signals_through_deaths(self, bars: Iterable[Bar]) -> list[Signal]:
        """The same, where its process dies after each bar, and the next one has its `state`.

        A class that remembers anything elsewhere answers otherwise here.
        """
        return self._answered(bars, dies=True)

    def _answered(self, bars: Iterable[Bar], dies: bool) -> list[Signal]:
        strategy, window = self.strategy(), BarWindow()
        given = []
        for bar in bars:
            window.append(bar)
            if len(window) < strategy.warmup:
                continue
            given.append(ask_bar(strategy, window).signal)
            kept = msgspec.msgpack.encode(plain_state(strategy.state))
            if dies:
                strategy = self.strategy()
                strategy.state = msgspec.msgpack.decode(kept)
        return given


def bars_of(closes: Iterable[float], timeframe: Timeframe = "M1") -> list[Bar]:
    """Bars with these closes, one after the other; each opens where the one before closed."""
    made: list[Bar] = []
    for close in closes:
        before = made[-1].close if made else close
        high, low = max(before, close), min(before, close)
        start_us = len(made) * TIMEFRAME_US[timeframe]
        made.append(Bar(start_us, before, high, low, close, ticks=1))
    return made
