"""A strategy's way to a feature API: a real server, and everything that goes wrong with one."""

import errno
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from mt5crs_shared.configuration.structs import FeatureApiConfig, StrategyConfig
from mt5crs_shared.market.bars import Bar
from mt5crs_shared.market.wire import format_iso
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.features import compute
from mt5crs_worker.features.api_source import ApiFeatures, bar_key
from mt5crs_worker.features.breaker import FAILURES, FIRST_PAUSE
from mt5crs_worker.features.client import MOST_REQUESTS, FeatureClient
from mt5crs_worker.features.http_request import HttpRequest, RequestError
from mt5crs_worker.features.source import KeptFeatures, Obtained
from mt5crs_worker.trading.journal import FEATURES_KEPT, Journal
from tests import feature_api
from tests.feature_api import ScriptedApi, numbers, says, sends, shape_a, shape_b, shape_c, spoilt
from tests.unit.test_features import random_bars, window_of

MINUTE_US = 60_000_000
TIMEOUT, SHORT = 10.0, 0.5
"""Seconds: an answer that comes may take its time on a busy machine; one that never does, not."""

NEVER_WHOLE = ("silent", "a byte now and then", "a head now and then")


def wait(request: HttpRequest, seconds: float) -> None:
    """As a worker waits, without anybody to serve meanwhile."""
    select.select([request], [], [], min(seconds, 0.05))


def window() -> BarWindow:
    return window_of(random_bars(3, 1.1, 0.0005))


def next_bar(bars: BarWindow) -> None:
    """One more closed bar."""
    last = bars.last
    assert last is not None
    bars.append(msgspec.structs.replace(last, start_us=last.start_us + MINUTE_US))


def end_of(bars: BarWindow) -> str:
    assert bars.last is not None
    return format_iso(bars.last.start_us + MINUTE_US)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "euro.db", 1)
    yield made
    made.close()


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as made:
        yield made


def source(
    url: str,
    journal: Journal,
    on_failure: str = "hold",
    clock: Callable[[], float] = time.monotonic,
    how: Callable[[HttpRequest, float], object] = wait,
    timeout: float = TIMEOUT,
) -> ApiFeatures:
    settings = msgspec.convert({"timeout": timeout, "on_failure": on_failure}, FeatureApiConfig)
    config = StrategyConfig(name="euro", symbol="EURUSD", features="api", feature_api=settings)
    return ApiFeatures(config, url, journal, how, clock)


def test_a_bar_is_asked_for_by_the_moment_of_its_end(api: ScriptedApi, journal: Journal) -> None:
    bars = window()
    found = source(api.url, journal).of(bars)
    assert found is not None
    assert found.tolist() == list(numbers("EURUSD", end_of(bars)).values())
    line = "POST /features/latest HTTP/1.1"
    assert api.heard == [(line, {"symbol": "EURUSD", "timestamp": end_of(bars)})]
    assert "X-Timeframe: M1" in api.heads[0]


def test_an_address_may_have_a_path(api: ScriptedApi, journal: Journal) -> None:
    assert source(f"{api.url}/v1/", journal).of(window()) is not None
    assert api.heard[0][0] == "POST /v1/features/latest HTTP/1.1"


@pytest.mark.parametrize("shape", [shape_a, shape_b])
def test_both_answers_to_the_single_question_are_taken(
    api: ScriptedApi, journal: Journal, shape: Callable[[dict[str, Any]], Any]
) -> None:
    api.act = says(shape)
    bars, asking = window(), source(api.url, journal)
    found = asking.of(bars)
    assert found is not None
    assert found.tolist() == list(numbers("EURUSD", end_of(bars)).values())
    assert asking.take() == Obtained("api")
    assert asking.take() is None


def test_a_server_of_shape_c_is_found_out_once(api: ScriptedApi, journal: Journal) -> None:
    api.act = says(shape_c)
    bars, asking = window(), source(api.url, journal)
    first = asking.of(bars)
    next_bar(bars)
    second = asking.of(bars)
    assert first is not None and second is not None
    assert first[:11].tolist() == list(feature_api.basic("now").values())
    assert second[16] == bars.closes[-1] / bars.closes[-2] - 1.0, "returns_1d is of our own bars"
    assert ["symbols" in asked for _, asked in api.heard] == [False, True, True]


def test_a_bar_is_asked_for_once_whatever_came_of_it(api: ScriptedApi, journal: Journal) -> None:
    bars, asking = window(), source(api.url, journal)
    first = asking.of(bars)
    api.act = says(spoilt(rsi_14=None))
    again = asking.of(bars)
    assert first is not None and again is not None
    assert again.tobytes() == first.tobytes()
    next_bar(bars)
    assert asking.of(bars) is None
    api.act = says(shape_a)
    assert asking.of(bars) is None, "what was not there when it was decided is not there later"
    assert len(api.heard) == 2


def test_another_process_decides_on_what_the_first_one_had(
    api: ScriptedApi, tmp_path: Path
) -> None:
    bars = window()
    first = Journal(tmp_path / "euro.db", 1)
    had = source(api.url, first).of(bars)
    assert had is not None
    # Killed here: nothing is closed, no checkpoint was saved.
    api.act = says(lambda asked: shape_a({**asked, "timestamp": "another"}))
    second = Journal(tmp_path / "euro.db", 2)
    found = source(api.url, second).of(bars)
    assert found is not None
    assert found.tobytes() == had.tobytes()
    assert len(api.heard) == 1
    for journal in (first, second):
        journal.close()


def test_a_bar_that_was_built_anew_is_another_one(api: ScriptedApi, journal: Journal) -> None:
    bars, asking = window(), source(api.url, journal)
    asking.of(bars)
    last = bars.last
    assert last is not None
    bars.drop_from(last.start_us)
    bars.append(msgspec.structs.replace(last, ticks=last.ticks + 1))
    asking.of(bars)
    assert len(api.heard) == 2


HAZARDS = {
    "null": (says(spoilt(rsi_14=None)), "features.rsi_14 is null"),
    "NaN": (says(spoilt(rsi_14=float("nan"))), "no JSON"),
    "another symbol": (
        says(lambda asked: {**shape_b(asked), "symbol": "GBPUSD"}),
        "of symbol 'GBPUSD', where EURUSD was asked for",
    ),
    "no success": (says(lambda _: {"status": "error", "message": "warming up"}), "'warming up'"),
    "500": (says(lambda _: {"detail": "boom"}, 500), "500 Words: 'boom'"),
    "500 of HTML": (
        sends(b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>"),
        "502 Bad Gateway: '<html>'",
    ),
    "404": (says(lambda _: {"detail": "Not Found"}, 404), "404 Words"),
    "redirect": (says(lambda _: "", 307), "307 Words: it is somewhere else"),
    "no HTTP": (sends(b"EURUSD 1.1 1.2\r\n\r\n"), "no HTTP, or cut off (BadStatusLine"),
    "hangs up": (sends(b""), "no HTTP, or cut off (RemoteDisconnected"),
    "half a reply": (sends(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"features"'), "no JSON"),
    "64 MB": (feature_api.floods, "more than 65,536 bytes"),
    "silent": (feature_api.is_silent, "in time"),
    "a byte now and then": (feature_api.drips, "no whole reply in time"),
    "a head now and then": (feature_api.drips_headers, "no whole reply in time"),
}


@pytest.mark.parametrize("name", HAZARDS)
def test_what_goes_wrong_is_told_in_time_and_holds_the_bar(
    api: ScriptedApi, journal: Journal, name: str
) -> None:
    api.act, message = HAZARDS[name]
    bars = window()
    asking = source(api.url, journal, timeout=SHORT if name in NEVER_WHOLE else TIMEOUT)
    begun = time.monotonic()
    assert asking.of(bars) is None
    assert time.monotonic() - begun < 20 * SHORT
    obtained = asking.take()
    assert obtained is not None
    assert obtained.source == "none"
    assert obtained.fault.startswith(f"{api.url}/features/latest: ")
    assert message in obtained.fault
    assert obtained.words.startswith("held, without features: ")
    _no_thread_is_left()


def _no_thread_is_left() -> None:
    """What was given up does not go on: its socket is shut."""
    until = time.monotonic() + 10.0
    while any(thread.name == "feature-api" for thread in threading.enumerate()):
        assert time.monotonic() < until, "a request that was given up goes on"
        time.sleep(0.01)  # between two looks


def test_nobody_there_is_told_at_once(api: ScriptedApi, journal: Journal) -> None:
    api.stop()
    asking = source(api.url, journal)
    assert asking.of(window()) is None
    obtained = asking.take()
    assert obtained is not None
    assert "nobody listens there (connection refused)" in obtained.fault


def test_a_host_that_nobody_knows_is_told(journal: Journal) -> None:
    asking = source("http://no-such-host.invalid:8000", journal)
    assert asking.of(window()) is None
    obtained = asking.take()
    assert obtained is not None
    assert "name is not known here" in obtained.fault or "in time" in obtained.fault


def test_a_resolver_that_hangs_costs_the_time_out_and_a_few_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hangs = threading.Event()

    def resolve(*_: object, **__: object) -> list[object]:
        hangs.wait(30.0)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    settings = FeatureApiConfig(timeout=0.1)
    config = StrategyConfig(name="euro", symbol="EURUSD", features="api", feature_api=settings)
    client = FeatureClient(config, "http://localhost:1", wait)
    said = []
    for _ in range(MOST_REQUESTS + 2):
        begun = time.monotonic()
        with pytest.raises(RequestError) as refused:
            client.ask(MINUTE_US)
        assert time.monotonic() - begun < 2.0
        said.append(str(refused.value))
    late = ["no whole reply in time"] * MOST_REQUESTS
    assert said == late + ["4 requests hang still; does the host's name resolve?"] * 2
    hangs.set()
    _no_thread_is_left()


def test_a_machine_without_descriptors_or_threads_costs_the_bar_alone(
    api: ScriptedApi, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_descriptor(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    bars, asking = window(), source(api.url, journal)
    for place, name, failing in (
        (socket, "socketpair", no_descriptor),
        (threading.Thread, "start", no_thread),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(place, name, failing)
            assert asking.of(bars) is None
        next_bar(bars)
    assert asking.of(bars) is not None


def test_https_is_spoken_where_it_is_written(api: ScriptedApi, journal: Journal) -> None:
    asking = source(api.url.replace("http:", "https:"), journal, timeout=20.0)
    assert asking.of(window()) is None
    obtained = asking.take()
    assert obtained is not None
    assert "SSL" in obtained.fault


def test_the_features_are_computed_here_where_that_was_asked_for(
    api: ScriptedApi, journal: Journal
) -> None:
    api.act = says(spoilt(rsi_14=None))
    bars, asking = window(), source(api.url, journal, "local")
    found = asking.of(bars)
    assert found is not None
    assert found.tobytes() == compute(bars).tobytes()
    obtained = asking.take()
    assert obtained is not None
    assert obtained.words.startswith("features computed here: http://")


def test_whoever_fails_again_and_again_is_left_alone_for_a_while(
    api: ScriptedApi, journal: Journal
) -> None:
    now = [1_000.0]
    asking = source(api.url, journal, clock=lambda: now[0])
    api.act = says(lambda _: {}, 500)
    bars = window()
    for _ in range(FAILURES + 2):
        assert asking.of(bars) is None
        next_bar(bars)
    assert len(api.heard) == FAILURES
    obtained = asking.take()
    assert obtained is not None
    assert (
        "not asked for a while after 3 or more failures in a row; the last: http" in obtained.fault
    )
    api.act = says(shape_a)
    now[0] += FIRST_PAUSE
    assert asking.of(bars) is not None
    assert len(api.heard) == FAILURES + 1


def test_a_server_that_comes_back_is_asked_again(api: ScriptedApi, journal: Journal) -> None:
    bars, asking = window(), source(api.url, journal)
    answers = []
    for is_there in (True, False, True, False, True):
        if is_there and answers[-1:] != [True]:
            api.stop()
            api.start()
        elif not is_there:
            api.stop()
        answers.append(asking.of(bars) is not None)
        next_bar(bars)
    assert answers == [True, False, True, False, True]


def test_who_waits_is_asked_for_nothing_but_waiting(api: ScriptedApi, journal: Journal) -> None:
    """The process goes on serving: its turns come from the wait, many within one request."""
    turns = []
    gone_on = threading.Event()
    api.act = lambda handler, asked: (gone_on.wait(10.0), handler.reply(shape_a(asked)))[1]  # type: ignore[func-returns-value]

    def turn(request: HttpRequest, seconds: float) -> None:
        turns.append(seconds)
        if len(turns) == 5:
            gone_on.set()
        select.select([request], [], [], 0.01)

    assert source(api.url, journal, how=turn).of(window()) is not None
    assert len(turns) >= 5
    assert all(0.0 < seconds <= TIMEOUT for seconds in turns)


class Stopped(BaseException):
    """As `StopRequested` is thrown out of a wait."""


def test_whoever_is_stopped_meanwhile_has_decided_nothing(
    api: ScriptedApi, journal: Journal
) -> None:
    api.act = feature_api.is_silent

    def stop(_request: HttpRequest, _seconds: float) -> None:
        raise Stopped

    bars = window()
    with pytest.raises(Stopped):
        source(api.url, journal, how=stop).of(bars)
    assert bars.last is not None
    assert journal.known_features(bar_key(bars.last, MINUTE_US)) is None
    _no_thread_is_left()


def test_the_journal_keeps_the_newest_answers_to_the_bit(journal: Journal) -> None:
    values = tuple(np.random.default_rng(1).normal(size=18).tolist())
    found = KeptFeatures(values, "")
    for number in range(5):
        journal.keep_features(bar_key(Bar(number, 1.0, 1.0, 1.0, 1.0, 1), MINUTE_US), found)
    assert journal.known_features(bar_key(Bar(4, 1.0, 1.0, 1.0, 1.0, 1), MINUTE_US)) == found
    assert journal.known_features(bar_key(Bar(4, 1.0, 1.0, 1.0, 1.0, 1), 1)) is None
    assert FEATURES_KEPT > 5


def test_an_answer_in_the_journal_that_somebody_has_damaged_is_asked_for_again(
    api: ScriptedApi, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "euro.db", 1)
    bars = window()
    source(api.url, journal).of(bars)
    journal._db.execute("UPDATE features SET body = x'00'")
    journal._db.commit()
    assert source(api.url, journal).of(bars) is not None
    assert len(api.heard) == 2
    journal.close()
