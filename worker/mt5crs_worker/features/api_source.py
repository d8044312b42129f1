"""A model's features from an API: asked once a bar, kept with the bar, decided on once."""

import logging
import struct
import time
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import zmq

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.bars import TIMEFRAME_US, Bar
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.features.breaker import FAILURES, CircuitBreaker
from mt5crs_worker.features.client import PATH, FeatureClient
from mt5crs_worker.features.computing import compute
from mt5crs_worker.features.http_request import HttpRequest, RequestError, Wait
from mt5crs_worker.features.replies import ReplyError, values_of
from mt5crs_worker.features.source import KeptFeatures, Obtained

logger = logging.getLogger(__name__)

_KEY: Final = struct.Struct("<qqddddq")


class FeatureLog(Protocol):
    """Where the answers for bars are kept, so that no later process decides on others."""

    def known_features(self, bar: bytes) -> KeptFeatures | None:
        """What was found out for a bar; None: nothing yet."""

    def keep_features(self, bar: bytes, found: KeptFeatures) -> None:
        """Have it kept before this returns."""


class ApiFeatures:
    """Asks for the features of each closed bar, at most once in all processes of a strategy.

    Whatever comes of it is in the journal before anything is decided on it: a process that is fed
    the same ticks again decides on the same numbers, or on the same lack of them.

    Args:
        config: The strategy's entry.
        url: The API.
        log: The strategy's journal.
        wait: Keeps the process alive until a request can be read; see `http_request.finish`.
        monotonic: The monotonic clock, seconds.
    """

    def __init__(
        self,
        config: StrategyConfig,
        url: str,
        log: FeatureLog,
        wait: Wait,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_failure = config.feature_api.on_failure
        self._length_us = TIMEFRAME_US[config.timeframe]
        self._url = url
        self._log = log
        self._monotonic = monotonic
        self._client = FeatureClient(config, url, wait, monotonic)
        self._breaker = CircuitBreaker()
        self._last_fault = ""
        self._obtained: Obtained | None = None

    def of(self, bars: BarWindow) -> npt.NDArray[np.float64] | None:
        """The 18 features of the newest bar; None: there are none, and nothing is decided.

        Raises:
            FeatureError: The worker had to compute them, and cannot.
            JournalError: What was found out cannot be kept.
        """
        bar = bars.last
        assert bar is not None, "a model is asked when its bars are there"
        key = bar_key(bar, self._length_us)
        found = self._log.known_features(key)
        if found is None:
            found = self._ask(bar, bars)
            self._log.keep_features(key, found)
        if found.values is not None:
            self._obtained = Obtained("api")
            return np.array(found.values)
        if self._on_failure == "local":
            self._obtained = Obtained("local", found.fault)
            return compute(bars)
        self._obtained = Obtained("none", found.fault)
        return None

    def take(self) -> Obtained | None:
        """Where the features came from that were asked for since the last call; None: none were."""
        taken, self._obtained = self._obtained, None
        return taken

    def _ask(self, bar: Bar, bars: BarWindow) -> KeptFeatures:
        if self._breaker.pause_left(self._monotonic()) > 0.0:
            fault = f"not asked for a while after {FAILURES} or more failures in a row; the last: "
            return KeptFeatures(None, fault + self._last_fault)
        try:
            reply = self._client.ask(bar.start_us + self._length_us)
            values = tuple(values_of(reply, bars.closes).tolist())
        except (RequestError, ReplyError) as error:
            self._breaker.failed(self._monotonic())
            self._last_fault = f"{self._url}{PATH}: {error}"
            logger.warning("the feature API gave nothing: %s", self._last_fault)
            return KeptFeatures(None, self._last_fault)
        self._breaker.succeeded()
        return KeptFeatures(values, "")


def bar_key(bar: Bar, length_us: int) -> bytes:
    """What a bar is, to the last bit: one that was let go and built anew is another one."""
    return _KEY.pack(length_us, *msgspec.structs.astuple(bar))


def wait_with(poller: zmq.Poller, pump: Callable[[float, zmq.Poller], object]) -> Wait:
    """A wait that serves the supervisor meanwhile.

    Args:
        poller: Wakes for the supervisor.
        pump: Waits with a poller, and serves.
    """

    def wait(request: HttpRequest, seconds: float) -> None:
        poller.register(request.fileno(), zmq.POLLIN)
        try:
            pump(seconds, poller)
        finally:
            poller.unregister(request.fileno())

    return wait
