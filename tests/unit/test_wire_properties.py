"""What holds of any quote in every shape, and of any bytes."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_shared.market import wire
from mt5crs_shared.market.ticks import Tick
from tests.unit.test_wire import ATHENS, EXAMPLES, NOW, claimants, clock, read

symbols = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._#-]{0,31}", fullmatch=True).filter(
    # `tick.` in front of a symbol is no part of it.
    lambda symbol: not symbol.startswith("tick.")
)
moments = st.integers(0, 4_102_444_800_000_000)
prices = st.floats(1e-6, 1e6)


@given(moments, prices, prices, st.floats(0, 1e9))
def test_what_we_publish_is_read_back_bit_for_bit(
    time_us: int, bid: float, ask: float, volume: float
) -> None:
    tick = Tick("EURUSD", time_us, bid, ask, volume)
    assert read(wire.encode(tick)) == tick


def _json(tick: Tick, *keys: str) -> str:
    """A body with some keys first, or instead of the symbol."""
    fields = {
        "token": "t",
        "symbol": tick.symbol,
        "bid": tick.bid,
        "ask": str(tick.ask),
        "volume": tick.volume,
        "timestamp": wire.format_iso(tick.time_us),
    }
    return json.dumps({key: fields[key] for key in (*keys, *list(fields)[2:])})


WRITERS: dict[str, Callable[[Tick], list[str]]] = {
    "T2": lambda t: [_json(t, "symbol")],
    "T3": lambda t: [t.symbol, _json(t, "symbol")],
    "T7": lambda t: [f"tick.{t.symbol}", _json(t, "symbol")],
    "T8": lambda t: [f"tick.demo.{t.symbol}", _json(t, "token", "symbol")],
    "T8 in one frame": lambda t: [f"tick.{t.symbol} {_json(t, 'symbol')}"],
    "T10": lambda t: [f"TICK:{t.symbol} {_json(t, 'symbol')}"],
    "T11": lambda t: [_json(t, "token", "symbol")],
    "T12": lambda t: [t.symbol, _json(t)],
    "T12 in one frame": lambda t: [f"{t.symbol} {_json(t)}"],
    "T13": lambda t: [f"{t.symbol}|{_json(t, 'symbol')}"],
    "T13 with TICK": lambda t: [f"TICK|{t.symbol}|{_json(t)}"],
}


@pytest.mark.parametrize("name", WRITERS)
@given(symbols, moments, prices, prices)
def test_every_json_shape_is_read_back(
    name: str, symbol: str, time_us: int, bid: float, ask: float
) -> None:
    tick = Tick(symbol, time_us, bid, ask, 3.0)
    frames = [text.encode() for text in WRITERS[name](tick)]
    assert read(*frames) == tick
    assert frames[0].startswith(wire.subscriptions(symbol) + wire.WIDER)


@given(symbols, st.integers(0, 4_102_444_800), st.integers(1, 10**9), st.integers(1, 10**9))
def test_prices_without_json_are_read_back(symbol: str, second: int, bid: int, ask: int) -> None:
    shown = f"{bid / 1e5:.5f};{ask / 1e5:.5f}"
    tick = Tick(symbol, NOW, bid / 1e5, ask / 1e5, 0.0, timed=False)
    assert read(f"{symbol}:|:{shown}".encode()) == tick
    assert read(f"{symbol} {shown}".encode()) == tick
    timed = Tick(symbol, second * 1_000_000, bid / 1e5, ask / 1e5)
    assert read(f"{symbol}&{second};{shown}".encode()) == timed


@given(st.datetimes(datetime(1971, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)))
def test_what_a_clock_in_a_zone_shows_is_the_moment(moment: datetime) -> None:
    time_us = round(moment.timestamp()) * 1_000_000
    shown = datetime.fromtimestamp(time_us / 1e6, UTC).astimezone(ATHENS).replace(tzinfo=None)
    for stamp in clock(shown.isoformat()):
        body = json.dumps({"symbol": "A", "bid": 1, "ask": 2, "time": stamp}).encode()
        # A number is told from ms by its size: before 1973 ms look like seconds.
        if stamp == clock(shown.isoformat())[1] and moment.year < 1974:
            continue
        assert read(body, received_us=time_us, zone=ATHENS).time_us == time_us


def is_sound(frames: list[bytes]) -> bool:
    for zone in (None, ATHENS, timezone.max):
        tick = wire.decode(frames, NOW, zone)
        if isinstance(tick, wire.Ignored):
            assert tick.reason and len(tick.detail) < 1_000
            continue
        assert tick.symbol and math.isfinite(tick.bid) and math.isfinite(tick.ask)
        assert 0 <= tick.time_us <= 4_102_444_800_000_000 and math.isfinite(tick.volume)
    return True


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=3))
def test_no_bytes_raise_anything(frames: list[bytes]) -> None:
    assert is_sound(frames)
    assert len(claimants(frames)) <= 1


@given(st.data())
def test_no_damage_to_a_frame_raises_anything(data: st.DataObject) -> None:
    _, example = data.draw(st.sampled_from(EXAMPLES))
    frames = list(example.frames)
    which = data.draw(st.integers(0, len(frames) - 1))
    body = bytearray(frames[which])
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(begin, min(begin + 8, len(body))))
        body[begin:end] = data.draw(st.binary(max_size=6) | st.sampled_from(PIECES))
    frames[which] = bytes(body)
    assert is_sound(frames)
    assert len(claimants(frames)) <= 1


PIECES = [
    *(b"{", b"}", b" {", b"|{", b"|", b";", b"&", b":|:", b"\0", b'"', b"null", b"1e999", b"-1"),
    *(b"NaN", b"[" * 2_000, b'{"a":' * 1_500, b"9" * 400, b'"\\ud800"', b"tick.", b"TICK|"),
    *(b'"0001-01-01"', b'"9999-12-31T23:59:59"', b'"9999.12.31 23:59"', b"-62135596800"),
]
