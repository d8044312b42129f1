"""Follows the market for the bars that are asked about: what the tape has, then live ticks."""

import logging
import threading
from collections.abc import Iterable

import zmq

from mt5crs_shared.configuration.structs import Config, StrategyConfig
from mt5crs_shared.configuration.values import Timeframe
from mt5crs_shared.market.market_socket import new_context
from mt5crs_shared.market.stream import TickStream
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.wording import describe_error
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.features.serving.bar_series import BarSeries
from mt5crs_worker.trading.journal import Checkpoint, identity_of, read_checkpoint

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.2
"""Seconds after which the reader looks whether it is to end."""

Key = tuple[str, Timeframe]


class MarketReader:
    """A thread that feeds the bars of every symbol and timeframe that an enabled strategy has.

    Each begins where the newest checkpoint of such a strategy is, as a fresh process of it would;
    without one with the tape's oldest tick.

    Args:
        config: The configuration.
        paths: The installation, whose tape is asked.

    Attributes:
        series: The bars, by symbol and timeframe.
        fault: Why they are not followed any more; empty: they are.
    """

    def __init__(self, config: Config, paths: VarPaths) -> None:
        self.series: dict[Key, BarSeries] = {}
        self.fault = ""
        self._context = new_context()
        self._poller = zmq.Poller()
        self._streams: list[tuple[BarSeries, TickStream]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="market", daemon=True)
        for key, strategies in _by_bars(config.enabled).items():
            begun = _newest_checkpoint(strategies, paths)
            series = BarSeries(*key, begun)
            stream = TickStream(
                self._context,
                config.globals.zmq_market_url,
                {series.symbol: begun.mark if begun is not None else None},
                [paths.endpoint("tape")],
                own_feed=config.globals.feed is not None,
                zone=config.globals.market.zone,
                keys=config.globals.market_keys,
            )
            stream.register(self._poller)
            self.series[key] = series
            self._streams.append((series, stream))

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._turn()
        except Exception as error:
            logger.exception("the market is not followed any more")
            self.fault = (
                f"the market is not followed any more ({describe_error(error)}); start"
                " `features serve` again"
            )
        finally:
            # A feed of ours would wait for one who is connected and does not read.
            for _, stream in self._streams:
                stream.close()

    def _turn(self) -> None:
        due = min((stream.timeout() for _, stream in self._streams), default=LOOK_EVERY)
        events = dict(self._poller.poll(round(1000 * min(due, LOOK_EVERY))))
        for series, stream in self._streams:
            for batch in stream.read(events):
                for tick in batch.ticks:
                    series.take(tick)


def _by_bars(strategies: Iterable[StrategyConfig]) -> dict[Key, list[StrategyConfig]]:
    found: dict[Key, list[StrategyConfig]] = {}
    for strategy in strategies:
        found.setdefault((strategy.symbol, strategy.timeframe), []).append(strategy)
    return found


def _newest_checkpoint(strategies: Iterable[StrategyConfig], paths: VarPaths) -> Checkpoint | None:
    """Of the strategies with the same bars, the one that has most of them, up to the latest."""
    found = []
    for strategy in strategies:
        saved = read_checkpoint(paths.journal(strategy.name))
        if saved is None or saved.identity != identity_of(strategy) or saved.mark is None:
            continue
        try:
            window = BarWindow.from_bytes(saved.window)
        except ValueError:
            continue
        newest = window.last.start_us if window.last is not None else 0
        found.append((len(window), newest, saved))
    return max(found, key=lambda one: one[:2])[2] if found else None
