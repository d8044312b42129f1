"""Asks a feature API for the features of one bar, in the words that it understands."""

import time
from collections.abc import Callable
from typing import Final

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_worker.features.http_request import (
    HttpReply,
    HttpRequest,
    RequestError,
    Wait,
    finish,
    refused_in_words,
)
from mt5crs_worker.features.replies import Reply, batch_question, read_reply, single_question

PATH: Final = "/features/latest"

TIMEFRAME_HEADER: Final = "X-Timeframe"
"""Says how long the bars are that are meant, since no shape has a field for it."""

ANOTHER_QUESTION: Final = (400, 422)
"""What a server answers that knows the other question alone."""

MOST_REQUESTS: Final = 4
"""That may be under way: one that was given up ends with its socket, but a resolver of names cannot
be called back."""


class FeatureClient:
    """Asks one API about one symbol.

    It begins with the question for one symbol; a server that refuses it and answers the other one
    is asked that from then on.

    Args:
        config: The strategy's entry: symbol, timeframe, time-out.
        url: The API.
        wait: See `http_request.finish`.
        monotonic: The monotonic clock, seconds.
    """

    def __init__(
        self,
        config: StrategyConfig,
        url: str,
        wait: Wait,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._symbol = config.symbol
        self._timeout = config.feature_api.timeout
        self._headers = {TIMEFRAME_HEADER: config.timeframe}
        self._url = url
        self._wait = wait
        self._monotonic = monotonic
        self._asks_batches = False
        self._requests: list[HttpRequest] = []

    def ask(self, end_us: int) -> Reply:
        """Ask for the features of the bar that ends at a moment, us since the epoch.

        Raises:
            RequestError: There was no reply within the time-out, or it is a refusal.
            ReplyError: It cannot be used.
        """
        questions = [single_question(self._symbol, end_us), batch_question(self._symbol)]
        until = self._monotonic() + self._timeout
        reply = self._fetch(questions[self._asks_batches], until)
        if reply.status in ANOTHER_QUESTION:
            other = self._fetch(questions[not self._asks_batches], until)
            if other.status == 200:
                reply = other
                self._asks_batches = not self._asks_batches
        if reply.status != 200:
            raise RequestError(refused_in_words(reply))
        return read_reply(reply.body, self._symbol)

    def _fetch(self, question: bytes, until: float) -> HttpReply:
        """Ask one question, and wait for the whole reply."""
        self._requests = [request for request in self._requests if request.under_way]
        if len(self._requests) >= MOST_REQUESTS:
            raise RequestError(
                f"{MOST_REQUESTS} requests hang still; does the host's name resolve?"
            )
        left = max(until - self._monotonic(), 0.001)
        request = HttpRequest(self._url, PATH, question, self._headers, left)
        self._requests.append(request)
        return finish(request, until, self._wait, self._monotonic)
