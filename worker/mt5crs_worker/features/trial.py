"""Asks a feature API once, for `doctor`: whether it answers, in which shape, and how fast."""

import select
import time

import msgspec

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.bars import TIMEFRAME_US
from mt5crs_worker.features.client import FeatureClient
from mt5crs_worker.features.http_request import HttpRequest, RequestError
from mt5crs_worker.features.replies import ReplyError


class ApiTrial(msgspec.Struct, frozen=True):
    """What came of one question.

    Attributes:
        shape: How the API spoke; empty: it gave no features.
        seconds: How long that took.
        fault: Why it gave none; empty: it did.
    """

    shape: str
    seconds: float
    fault: str


def try_api(config: StrategyConfig, url: str) -> ApiTrial:
    """Ask as a strategy would, for the bar that ended last.

    Args:
        config: The strategy's entry.
        url: The API.
    """
    length_us = TIMEFRAME_US[config.timeframe]
    now_us = time.time_ns() // 1000
    begun = time.monotonic()
    shape, fault = "", ""
    try:
        shape = FeatureClient(config, url, _wait).ask(now_us - now_us % length_us).shape
    except (RequestError, ReplyError) as error:
        fault = str(error)
    return ApiTrial(shape, time.monotonic() - begun, fault)


def _wait(request: HttpRequest, seconds: float) -> None:
    select.select([request], [], [], seconds)
