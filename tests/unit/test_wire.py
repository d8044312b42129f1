"""Every frame shape that publishers of this family send, and what is no tick."""

import json
import math
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_shared.market import wire
from mt5crs_shared.market.ticks import Tick

NOW = 1_767_261_600_000_000


@pytest.mark.parametrize(
    ("frames", "time_us"),
    [
        pytest.param(
            [
                b'EURUSD {"type": "tick", "symbol": "EURUSD", "timestamp": '
                b'"2026-01-01T10:00:00.123456Z", "bid": 1.1, "ask": 1.10005, "last": 1.100025, '
                b'"volume": 123}'
            ],
            1_767_261_600_123_456,
            id="T1",
        ),
        pytest.param(
            [
                b'{"symbol": "EURUSD", "bid": 1.1, "ask": 1.10005, "volume": 3, "spread": 0.5, '
                b'"timestamp": 1704067200.12, "type": "tick"}'
            ],
            1_704_067_200_120_000,
            id="T2",
        ),
        pytest.param(
            [
                b"EURUSD",
                b'{"symbol": "EURUSD", "price": 1.1, "bid": 1.1, "ask": 1.10005, '
                b'"timestamp": 1704067200, "source": "x"}',
            ],
            1_704_067_200_000_000,
            id="T3",
        ),
        pytest.param(
            [b'{"type":"TICK","symbol":"EURUSD","bid":1.10000,"ask":1.10005}'], None, id="T4"
        ),
        pytest.param(
            [b'{"type":"TICK","symbol":"EURUSD","bid":1.1,"ask":1.10005,"time":1704067200123}'],
            1_704_067_200_123_000,
            id="T5",
        ),
    ],
)
def test_every_known_shape_is_read(frames: list[bytes], time_us: int | None) -> None:
    tick = wire.decode(frames, NOW)
    assert (tick.symbol, tick.bid, tick.ask) == ("EURUSD", 1.1, 1.10005)
    assert tick.timed is (time_us is not None)
    assert tick.time_us == (time_us if time_us is not None else NOW)


def test_a_suffixed_symbol_stays_what_it_is() -> None:
    tick = wire.decode([b'EURUSD.s {"symbol":"EURUSD.s","bid":1,"ask":2}'], NOW)
    assert tick.symbol == "EURUSD.s"


@pytest.mark.parametrize("number", [1_704_067_200, 1_704_067_200_000, 1_704_067_200_000_000])
def test_an_epoch_number_is_taken_by_its_size(number: int) -> None:
    body = json.dumps({"symbol": "A", "bid": 1, "ask": 2, "timestamp": number}).encode()
    assert wire.decode([body], NOW).time_us == 1_704_067_200_000_000


def test_a_time_without_a_zone_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TZ", "America/New_York")
    time.tzset()
    try:
        assert wire.parse_iso("2026-01-01T05:00:00") == 1_767_261_600_000_000
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "frames",
    [
        [b""],
        [b"EURUSD"],
        [b"EURUSD {"],
        [b'{"symbol": "EURUSD", "bid": NaN, "ask": 1.1}'],
        [b'{"symbol": "EURUSD", "bid": 1e999, "ask": 1.1}'],
        [b'{"symbol": "EURUSD", "bid": "1.1", "ask": 1.1}'],
        [b'{"symbol": "EURUSD", "ask": 1.1}'],
        [b'{"symbol": "EURUSD", "bid": 1.1, "ask": 1.1, "timestamp": "yesterday"}'],
        [b'{"symbol": "EURUSD", "bid": 1.1, "ask": 1.1, "timestamp": 1e999}'],
        [b'{"symbol": "EURUSD", "bid": null, "ask": 1.1}'],
        [b"\xff\xfe\x00"],
        [b"a", b"b", b"c"],
    ],
)
def test_what_is_no_tick_is_refused(frames: list[bytes]) -> None:
    with pytest.raises(wire.BadFrameError):
        wire.decode(frames, NOW)


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=3))
def test_no_bytes_raise_anything_else(frames: list[bytes]) -> None:
    try:
        tick = wire.decode(frames, NOW)
    except wire.BadFrameError:
        return
    assert math.isfinite(tick.bid)


@given(
    st.integers(0, 4_102_444_800_000_000),
    st.floats(1e-6, 1e6),
    st.floats(1e-6, 1e6),
    st.floats(0, 1e9),
)
def test_what_we_publish_is_read_back_bit_for_bit(
    time_us: int, bid: float, ask: float, volume: float
) -> None:
    tick = Tick("EURUSD", time_us, bid, ask, volume)
    assert wire.decode([wire.encode(tick)], NOW) == tick


def test_the_subscriptions_cover_every_shape_as_publishers_write_it() -> None:
    prefixes = wire.subscriptions("EURUSD")
    heads = [
        wire.encode(Tick("EURUSD", 0, 1.0, 1.0)),
        json.dumps({"symbol": "EURUSD", "bid": 1}).encode(),
        b'{"symbol":"EURUSD","bid":1}',
        b'{"type":"TICK","symbol":"EURUSD","bid":1}',
        json.dumps({"type": "tick", "symbol": "EURUSD"}).encode(),
    ]
    for head in heads:
        assert any(head.startswith(prefix) for prefix in prefixes), head
