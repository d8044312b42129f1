"""The feature API of our own: the bars are a strategy's, and every question has its answer."""

import http.client
import json
import math
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_shared.configuration.structs import Config, GlobalConfig, StrategyConfig
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.process.paths import VarPaths
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.features import BASIC, FEATURES, compute
from mt5crs_worker.features.replies import read_reply
from mt5crs_worker.features.serving.application import make_application
from mt5crs_worker.features.serving.bar_series import BarSeries, NotThereError
from mt5crs_worker.features.serving.market_reader import MarketReader
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.strategy import HOLD, Signal, Strategy
from mt5crs_worker.trading.journal import read_checkpoint
from tests.unit.gateway_cases import SYMBOLS

START_US = 1_700_000_040_000_000
MINUTE_US = 60_000_000


def ugly_market(count: int, seed: int = 5) -> Iterator[Tick]:
    """Ticks with what real ones have: crossed, zero, NaN, doubled, late, early and far ones."""
    dice, price, at = random.Random(seed), 1.1, START_US
    for _ in range(count):
        at += dice.choice([100_000, 700_000, 2_000_000])
        price += dice.gauss(0.0, 0.0001)
        bid, ask, when = round(price, 5), round(price + 0.00002, 5), at
        match dice.randrange(40):
            case 0:
                bid, ask = ask, bid
            case 1:
                bid = 0.0
            case 2:
                bid = math.nan
            case 3:
                when = at - 90_000_000
            case 4:
                when = at + 3_600_000_000
            case 5:
                bid, ask = 2 * bid, 2 * ask
        yield Tick("EURUSD", when, bid, ask)


class Nobody:
    """No order is ever sent here."""


def strategy(timeframe: str = "S5") -> StrategyInstance:
    config = StrategyConfig(
        name="euro",
        symbol="EURUSD",
        timeframe=timeframe,  # type: ignore[arg-type]
        strategy="tests.unit.test_feature_server:Idle",
    )
    return StrategyInstance(config, SYMBOLS["EURUSD"], Nobody(), 10_000.0, "USD")  # type: ignore[arg-type]


class Idle(Strategy):
    """Decides nothing; its bars are what is looked at."""

    def on_bar(self, bars: BarWindow) -> Signal:
        return HOLD


@pytest.mark.parametrize("seed", range(4))
def test_the_features_are_those_of_the_strategy_at_every_bar(seed: int) -> None:
    instance, series = strategy(), BarSeries("EURUSD", "S5")
    compared = 0
    for tick in ugly_market(4_000, seed):
        closed = instance.bars
        instance.on_tick(tick)
        series.take(tick)
        # The strategy's first bar may have begun before its first tick, and is not here.
        if instance.bars != closed and instance.window.full and instance.bars > 256:
            last = instance.window.last
            assert last is not None
            told = series.features(None)
            assert told.start_us == last.start_us
            assert told.values == tuple(compute(instance.window).tolist())
            compared += 1
    assert compared > 100


def test_a_series_that_begins_at_a_checkpoint_has_the_bars_of_that_strategy() -> None:
    ticks = list(ugly_market(4_000))
    instance = strategy()
    for tick in ticks[:3_000]:
        instance.on_tick(tick)
    series = BarSeries("EURUSD", "S5", instance.checkpoint(None, 0, instance.get_status()))
    assert series.features(None).values == tuple(compute(instance.window).tolist())
    for tick in ticks[3_000:]:
        instance.on_tick(tick)
        series.take(tick)
    assert series.features(None).values == tuple(compute(instance.window).tolist())


def test_an_earlier_bar_is_told_as_it_was_then() -> None:
    instance, series = strategy(), BarSeries("EURUSD", "S5")
    then: dict[int, tuple[float, ...]] = {}
    for tick in ugly_market(4_000):
        closed = instance.bars
        instance.on_tick(tick)
        series.take(tick)
        if instance.bars != closed and instance.bars > 300 and instance.window.last is not None:
            then[instance.window.last.start_us + 5_000_000] = tuple(
                compute(instance.window).tolist()
            )
    for end_us, values in list(then.items())[-40:]:
        assert series.features(end_us).values == values
        assert series.features(end_us).end_us == end_us


def plain(count: int) -> list[Tick]:
    """A tick a minute."""
    return [
        Tick("EURUSD", START_US + n * MINUTE_US, 1.1 + 0.001 * math.sin(n), 1.1002)
        for n in range(count)
    ]


def series_of(count: int) -> BarSeries:
    made = BarSeries("EURUSD", "M1")
    for tick in plain(count):
        made.take(tick)
    return made


def test_a_bar_that_no_tick_has_closed_is_not_told() -> None:
    series = series_of(300)
    open_end = START_US + 300 * MINUTE_US
    assert series.features(open_end - 1).end_us == open_end - MINUTE_US
    with pytest.raises(NotThereError, match="is not closed yet: the newest tick is of 2023-11-15"):
        series.features(open_end)
    assert series.features(None).end_us == open_end - MINUTE_US


def test_too_few_bars_are_counted() -> None:
    # The first bar is left out, and the last one is open.
    with pytest.raises(NotThereError, match="EURUSD M1 has 254 of 256 closed bars up to 2023"):
        series_of(256).features(None)
    assert series_of(258).features(None)


class Client:
    """Asks a server at a port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10.0)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


@contextmanager
def served(app: FastAPI) -> Iterator[Client]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield Client(listener.getsockname()[1])
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    series = {("EURUSD", "M1"): series_of(300), ("GBPUSD", "M1"): BarSeries("GBPUSD", "M1")}
    series["EURUSD", "M5"] = BarSeries("EURUSD", "M5")
    with served(make_application(series)) as made:  # type: ignore[arg-type]
        yield made


M1 = {"X-Timeframe": "M1"}
END = format_iso(START_US + 299 * MINUTE_US)


def ask(client: Client, said: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    body = json.dumps(said).encode()
    return client("POST", "/features/latest", body, M1 if headers is None else headers)


def test_health_says_what_is_here(client: Client) -> None:
    status, answer = client("GET", "/health")
    assert status == 200
    first = answer["series"][0]
    assert (first["symbol"], first["timeframe"], first["closed_bars"]) == ("EURUSD", "M1", 298)


def test_one_question_is_answered_in_both_shapes(client: Client) -> None:
    status, said = ask(client, {"symbol": "EURUSD", "timestamp": END})
    assert status == 200
    assert tuple(said["features"]) == FEATURES
    assert {name: said[name] for name in FEATURES} == said["features"]
    assert (said["status"], said["symbol"], said["timestamp"]) == ("success", "EURUSD", END)
    assert said["bar_end"] == END
    reply = read_reply(json.dumps(said).encode(), "EURUSD")
    assert reply.values == tuple(said["features"].values())


def test_without_a_time_the_newest_closed_bar_is_told(client: Client) -> None:
    assert ask(client, {"symbol": "EURUSD"})[1]["bar_end"] == END


def test_a_moment_may_be_written_in_several_ways(client: Client) -> None:
    seconds = (START_US + 299 * MINUTE_US) / 1e6
    shifted = END.replace("Z", "+00:00")
    for written in (END, shifted, seconds, int(seconds)):
        status, said = ask(client, {"symbol": "EURUSD", "timestamp": written})
        assert (status, said["bar_end"]) == (200, END)


def test_many_symbols_are_answered_at_once(client: Client) -> None:
    asked = {"symbols": ["EURUSD", "GBPUSD", "EURUSX"], "features": list(BASIC)}
    status, said = ask(client, asked)
    assert status == 200
    assert tuple(said["data"]["EURUSD"]) == BASIC
    assert (said["data"]["GBPUSD"], said["data"]["EURUSX"]) == (None, None)
    assert said["errors"]["GBPUSD"].startswith("GBPUSD M1 has 0 of 256 closed bars")
    assert "did you mean EURUSD?" in said["errors"]["EURUSX"]
    assert said["execution_time_ms"] >= 0.0
    assert read_reply(json.dumps(said).encode(), "EURUSD").shape == "c"


@pytest.mark.parametrize(
    ("said", "headers", "status", "words"),
    [
        (
            {"symbol": "EURUSX"},
            M1,
            404,
            "no enabled strategy trades 'EURUSX'; did you mean EURUSD?",
        ),
        ({"symbol": "EURUSD"}, {}, 422, "EURUSD has bars of M1, M5: say which in the header"),
        ({"symbol": "EURUSD"}, {"X-Timeframe": "H1"}, 404, "no enabled strategy has 'H1' bars of"),
        ({"symbol": "GBPUSD"}, {}, 503, "GBPUSD M1 has 0 of 256 closed bars up to never"),
        ({"symbol": "EURUSD", "timestamp": "soon"}, M1, 422, "timestamp 'soon' is no time; write"),
        ({"symbol": "EURUSD", "timestamp": -5}, M1, 422, "is no time"),
        ({"symbol": "EURUSD", "timestamp": 1e300}, M1, 422, "is no time"),
        ({"symbol": "EURUSD", "time": END}, M1, 422, "unknown field `time`"),
        ({"symbols": ["EURUSD"], "features": ["rsi14"]}, M1, 422, "did you mean rsi_14?"),
        ({"symbols": ["EURUSD"] * 2_000}, M1, 422, "2000 symbols; at most 1000"),
        ([], M1, 422, "ask {"),
        (None, M1, 422, "ask {"),
    ],
)
def test_what_cannot_be_answered_is_told_with_what_would_be(
    client: Client, said: Any, headers: dict[str, str], status: int, words: str
) -> None:
    found, answer = ask(client, said, headers)
    assert found == status
    assert answer["status"] == "error"
    assert words in answer["message"]


def test_a_bar_that_is_still_open_is_refused_after_a_moment(client: Client) -> None:
    status, said = ask(client, {"symbol": "EURUSD", "timestamp": "2099-01-01T00:00:00Z"})
    assert status == 503
    assert "without a timestamp the newest closed bar is told" in said["message"]


def test_a_question_may_not_be_endless(client: Client) -> None:
    status, answer = client("POST", "/features/latest", b" " * 70_000)
    assert (status, answer["message"]) == (413, "a question of more than 65,536 bytes")


@given(st.binary(max_size=100))
def test_any_bytes_get_an_answer(client: Client, body: bytes) -> None:
    status, answer = client("POST", "/features/latest", body)
    assert status in (404, 422)
    assert answer["status"] == "error"


def test_bars_that_nobody_follows_any_more_are_not_told() -> None:
    series = {("EURUSD", "M1"): series_of(300)}
    with served(make_application(series, lambda: "the market is gone")) as client:  # type: ignore[arg-type]
        gone = (503, {"status": "error", "message": "the market is gone"})
        assert client("GET", "/health") == gone
        assert ask(client, {"symbol": "EURUSD"}) == gone


def test_other_programs_are_told_what_may_be_asked(client: Client) -> None:
    said = client("GET", "/openapi.json")[1]["paths"]["/features/latest"]["post"]["requestBody"]
    kinds = said["content"]["application/json"]["schema"]["oneOf"]
    assert [sorted(kind["properties"]) for kind in kinds] == [
        ["symbol", "timestamp"],
        ["features", "symbols"],
    ]


def test_no_page_of_it_loads_anything_from_elsewhere(client: Client) -> None:
    assert client("GET", "/docs")[0] == client("GET", "/redoc")[0] == 404


def test_the_files_of_the_installation_are_left_as_they_are(tmp_path: Path) -> None:
    """Whoever only reads a checkpoint makes nothing."""
    assert read_checkpoint(tmp_path / "euro.db") is None
    (tmp_path / "euro.db").write_bytes(b"no journal")
    assert read_checkpoint(tmp_path / "euro.db") is None
    assert [path.name for path in tmp_path.iterdir()] == ["euro.db"]


def test_a_reader_that_fails_says_so_and_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_reader: MarketReader) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(MarketReader, "_turn", fail)
    config = Config(
        path="",
        strategies=(StrategyConfig(name="euro", symbol="EURUSD", strategy="m:C"),),
        globals=GlobalConfig(zmq_market_url=f"ipc://{tmp_path}/market"),
        symbols=SYMBOLS,
    )
    reader = MarketReader(config, VarPaths(tmp_path / "var"))
    reader.start()
    reader.stop()
    assert list(reader.series) == [("EURUSD", "M1")]
    assert "the market is not followed any more (ValueError: a bug" in reader.fault
    assert not (tmp_path / "var").exists(), "who only reads makes no folder"
