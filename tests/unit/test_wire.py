"""Every shape that publishers of this family send, and what is no tick."""

import json
import os
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from mt5crs_shared.market import wire
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire_formats import FORMATS, MOST_OPENED, BadFrameError, Example, Format

NOW = 1_767_261_600_000_000
ATHENS = ZoneInfo("Europe/Athens")
EXAMPLES = [(known, example) for known in FORMATS for example in known.examples]
each_example = pytest.mark.parametrize(
    ("known", "example"), EXAMPLES, ids=[f"{e.name} {e.what}" for _, e in EXAMPLES]
)


def read(*frames: bytes, received_us: int = NOW, zone: ZoneInfo | None = None) -> Tick:
    """The tick that a message must be."""
    tick = wire.decode(list(frames), received_us, zone)
    assert isinstance(tick, Tick), tick
    return tick


def refused(*frames: bytes) -> str:
    """Why a message is left out, which it must be."""
    ignored = wire.decode(list(frames), NOW)
    assert isinstance(ignored, wire.Ignored), ignored
    return ignored.reason


def us(text: str) -> int:
    return wire.parse_iso(text)


def claimants(frames: list[bytes]) -> list[str]:
    """The formats that a message belongs to, or that refuse it as theirs."""
    found = []
    for known in FORMATS:
        try:
            claimed = known.read(frames) is not None
        except BadFrameError:
            claimed = True
        found += [known.read.__name__] if claimed else []
    return found


@each_example
def test_every_example_is_read_by_its_own_function_alone(known: Format, example: Example) -> None:
    frames = list(example.frames)
    tick = read(*frames)
    assert (tick.symbol, tick.timed) == (example.symbol, example.timed)
    assert 1.08 < tick.bid < tick.ask < 1.11
    assert claimants(frames) == [known.read.__name__]


@each_example
def test_every_example_arrives_by_a_prefix(known: Format, example: Example) -> None:
    narrow = wire.subscriptions(example.symbol)
    by_wider = example.frames[0].startswith(wire.WIDER)
    assert example.frames[0].startswith(narrow) or by_wider
    # The prefixes of its own format are enough, but for those that the format calls wider.
    own = tuple(b.replace("SYMBOL", example.symbol).encode() for b in known.beginnings)
    wider = tuple(b.encode() for b in known.wider)
    assert example.frames[0].startswith(own + wider)


@each_example
def test_a_nul_at_the_end_is_no_fault(known: Format, example: Example) -> None:
    frames = [frame + b"\0" for frame in example.frames]
    assert read(*frames) == read(*example.frames)


@pytest.mark.parametrize(
    ("frames", "time_us"),
    [
        ((b"EURUSD:|:1.1;1.10005",), None),
        ((b"EURUSD 1.1;1.10005",), None),
        ((b"EURUSD&1704067200;1.1;1.10005",), 1_704_067_200_000_000),
        ((b'tick.EURUSD {"symbol":"EURUSD","bid":1.1,"ask":1.10005}',), None),
        ((b"tick.EURUSD", b'{"symbol":"EURUSD","bid":1.1,"ask":1.10005}'), None),
        ((b"tick.a.b.EURUSD", b'{"symbol":"EURUSD","bid":1.1,"ask":1.10005}'), None),
        ((b"TICK:EURUSD", b'{"symbol":"EURUSD","bid":1.1,"ask":1.10005}'), None),
        ((b'TICK:EURUSD {"bid":1.1,"ask":1.10005}',), None),
        ((b'tick.EURUSD {"bid":1.1,"ask":1.10005}',), None),
        ((b'EURUSD|{"bid":1.1,"ask":1.10005}',), None),
        ((b'TICK|EURUSD|{"bid":1.1,"ask":1.10005}',), None),
        ((b'EURUSD|{"more": {"a": 1}, "bid":1.1,"ask":1.10005}',), None),
        ((b'EURUSD   {"symbol":"EURUSD","bid":1.1,"ask":1.10005}',), None),
        ((b'{"more": {"symbol": "X"}, "symbol":"EURUSD","bid":1.1,"ask":1.10005}',), None),
        ((b'{"symbol":"EURUSD","bid":"1.1","ask":"1.10005","volume":null}',), None),
        ((b'{"symbol":"EURUSD","bid":1.1,"ask":1.10005,"volume":"7"}',), None),
        ((b'{"symbol":"EURUSD","bid":1.1,"ask":1.10005,"time":null}',), None),
    ],
)
def test_what_is_written_otherwise_is_the_same_quote(
    frames: tuple[bytes, ...], time_us: int | None
) -> None:
    tick = read(*frames)
    assert (tick.symbol, tick.bid, tick.ask) == ("EURUSD", 1.1, 1.10005)
    assert (tick.timed, tick.time_us) == (time_us is not None, time_us or NOW)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"timestamp": 1_704_067_200}, "2024-01-01T00:00:00Z"),
        ({"timestamp": 1_704_067_200_000}, "2024-01-01T00:00:00Z"),
        ({"timestamp": 1_704_067_200_000_000}, "2024-01-01T00:00:00Z"),
        ({"timestamp": 1_704_067_200_000_000_000}, "2024-01-01T00:00:00Z"),
        ({"timestamp": 1_704_067_200.25}, "2024-01-01T00:00:00.25Z"),
        ({"time": 1_704_067_200, "time_msc": 1_704_067_200_123}, "2024-01-01T00:00:00.123Z"),
        ({"time": 1_704_067_200, "time_msc": 0}, "2024-01-01T00:00:00Z"),
        ({"time": 1_704_067_200, "time_msc": None}, "2024-01-01T00:00:00Z"),
        ({"time": 1, "timestamp": "2026-11-23T07:11:27+02:00"}, "2026-11-23T05:11:27Z"),
        ({"time": "2026-11-23T07:11:27Z"}, "2026-11-23T07:11:27Z"),
        ({"time": "2026-11-23 07:11:27+00:00"}, "2026-11-23T07:11:27Z"),
        ({"time": "2026.11.23 07:11:27+00:00"}, "2026-11-23T07:11:27Z"),
    ],
)
def test_the_first_time_that_is_given_counts(times: dict[str, object], expected: str) -> None:
    body = json.dumps({"symbol": "A", "bid": 1, "ask": 2, **times}).encode()
    assert read(body).time_us == us(expected)


@pytest.mark.parametrize("text", ["2026-01-01T05:00:00", "2026.01.01 05:00:00", "2026.01.01 05:00"])
def test_a_time_without_a_zone_is_local(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TZ", "America/New_York")
    time.tzset()
    try:
        body = json.dumps({"symbol": "A", "bid": 1, "ask": 2, "time": text}).encode()
        assert read(body).time_us == 1_767_261_600_000_000
        assert wire.parse_iso("2026-01-01T05:00:00") == 1_767_261_600_000_000
    finally:
        monkeypatch.undo()
        time.tzset()


def clock(shown: str) -> list[object]:
    """A clock's time in every way that names no zone."""
    moment = datetime.fromisoformat(shown)
    seconds = int(moment.replace(tzinfo=UTC).timestamp())
    return [seconds, seconds * 1000, shown, f"{moment:%Y.%m.%d %H:%M:%S}"]


@pytest.mark.parametrize(
    ("shown", "received", "meant"),
    [
        # Winter and summer: two hours and three before UTC.
        ("2026-01-15T10:00:00", "2026-01-15T08:00:00Z", "2026-01-15T08:00:00Z"),
        ("2026-07-15T10:00:00", "2026-07-15T07:00:00Z", "2026-07-15T07:00:00Z"),
        # Received long after: only the hour that comes twice looks at that.
        ("2026-07-15T10:00:00", "2030-01-01T00:00:00Z", "2026-07-15T07:00:00Z"),
        # On 2026-10-25, at 4 in the morning, it is set back to 3.
        ("2026-10-25T02:59:59", "2026-10-24T23:59:59Z", "2026-10-24T23:59:59Z"),
        ("2026-10-25T03:30:00", "2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z"),
        ("2026-10-25T03:30:00", "2026-10-25T00:59:00Z", "2026-10-25T00:30:00Z"),
        ("2026-10-25T03:30:00", "2026-10-25T01:01:00Z", "2026-10-25T01:30:00Z"),
        ("2026-10-25T03:30:00", "2026-10-25T01:30:00Z", "2026-10-25T01:30:00Z"),
        ("2026-10-25T04:00:00", "2026-10-25T02:00:00Z", "2026-10-25T02:00:00Z"),
        # On 2026-03-29, at 3, it is set forward to 4: it never shows half past 3.
        ("2026-03-29T02:59:59", "2026-03-29T00:59:59Z", "2026-03-29T00:59:59Z"),
        ("2026-03-29T03:30:00", "2026-03-29T01:30:00Z", "2026-03-29T01:30:00Z"),
        ("2026-03-29T04:00:00", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"),
    ],
)
def test_a_time_without_a_zone_is_local_to_the_publishers_zone(
    shown: str, received: str, meant: str
) -> None:
    for stamp in clock(shown):
        body = json.dumps({"symbol": "A", "bid": 1, "ask": 2, "time": stamp}).encode()
        assert read(body, received_us=us(received), zone=ATHENS).time_us == us(meant), stamp
    seconds = clock(shown)[0]
    tick = read(f"A&{seconds};1.0;2.0".encode(), received_us=us(received), zone=ATHENS)
    assert tick.time_us == us(meant)


def test_a_zone_changes_no_time_that_names_its_own_and_no_time_of_receipt() -> None:
    for text in ("2026-07-15T10:00:00Z", "2026-07-15T12:00:00+02:00"):
        body = json.dumps({"symbol": "A", "bid": 1, "ask": 2, "timestamp": text}).encode()
        assert read(body, zone=ATHENS).time_us == us("2026-07-15T10:00:00Z")
    assert read(b"A 1.0;2.0", zone=ATHENS).time_us == NOW


@pytest.mark.parametrize(
    ("reason", "frames"),
    [
        ("of an unknown shape", (b"",)),
        ("of an unknown shape", (b"\0",)),
        ("of an unknown shape", (b"EURUSD",)),
        ("of an unknown shape", (b"EURUSD {",)),
        ("of an unknown shape", (b' {"symbol": "EURUSD", "bid": 1.1, "ask": 1.1}',)),
        ("of an unknown shape", (b'EURUSD:{"symbol": "EURUSD", "bid": 1.1, "ask": 1.1}',)),
        ("of an unknown shape", (b'quote.EURUSD|{"symbol":"EURUSD","bid":1,"ask":1} x',)),
        ("of an unknown shape", (b"\xff\xfe\x00",)),
        ("of an unknown shape", (b"a", b"b", b"c")),
        ("of an unknown shape", (b'{"symbol": "EURUSD", "ask": 1.1}',)),
        ("of an unknown shape", (b'{"symbol": "EURUSD", "bid": null, "ask": 1.1}',)),
        ("of an unknown shape", (b'{"symbol": "EURUSD", "bid": true, "ask": 1.1}',)),
        ("of an unknown shape", (b'{"symbol": "EURUSD", "bid": "1,1", "ask": 1.1}',)),
        ("of an unknown shape", (b'{"symbol": "EURUSD", "bid": "", "ask": 1.1}',)),
        ("of an unknown shape", (b'{"symbol": "EURUSD", "bid": "1_0", "ask": 1.1}',)),
        ("of an unknown shape", (b'{"symbol": 5, "bid": 1.1, "ask": 1.1}',)),
        ("of an unknown shape", (b"EURUSD:|:1.1",)),
        ("of an unknown shape", (b"EURUSD:|:1.1;nan",)),
        ("of an unknown shape", (b"EURUSD:|:1.1;1e5",)),
        ("of an unknown shape", (b"EURUSD 1.1;1.1;1.1",)),
        ("of an unknown shape", (b"EURUSD_M1:|:1795417887;1.1;1.2;1.0;1.1;7",)),
        ("of an unknown shape", (b"EURUSD&x;1.1;1.1",)),
        ("of an unknown shape", (b"EURUSD:|:" + b"1" * 5_000 + b";1.1",)),
        ("without a price", (b'{"symbol": "EURUSD", "bid": "NaN", "ask": 1.1}',)),
        ("without a price", (b'{"symbol": "EURUSD", "bid": "inf", "ask": "-inf"}',)),
        ("without a symbol", (b'{"bid": 1.1, "ask": 1.1}',)),
        ("without a symbol", (b'{"symbol": "", "bid": 1.1, "ask": 1.1}',)),
        ("without a symbol", (b"", b'{"bid": 1.1, "ask": 1.1}')),
        ("without a symbol", (b"EUR USD", b'{"bid": 1.1, "ask": 1.1}')),
        ("without a symbol", (b"EURUSD" * 20, b'{"bid": 1.1, "ask": 1.1}')),
        ("of another type", (b'{"type":"bar","symbol":"EURUSD","bid":1.1,"ask":1.1}',)),
        ("of another type", (b'{"type":"SIGNAL","symbol":"EURUSD","bid":1.1,"ask":1.1}',)),
        ("too large", (b"EURUSD " + b"x" * 10_000,)),
        ("too large", (b"EURUSD", b"x" * 10_000)),
    ],
)
def test_what_is_no_tick_is_left_out_with_a_reason(reason: str, frames: tuple[bytes, ...]) -> None:
    assert refused(*frames) == reason


@pytest.mark.parametrize(
    "times",
    [
        '"timestamp": "yesterday"',
        '"timestamp": ""',
        '"timestamp": 1e22',
        '"timestamp": -1e18',
        '"timestamp": "1704067200"',
        '"time": "20261123071127"',
        '"time": "2026.11.31 07:11:27"',
        '"time": "2026/11/23 07:11:27"',
        '"time": "1969.12.31 07:11:27"',
        '"time": "2026-01-01T10:00:00.05:00"',
        '"time_msc": "soon"',
    ],
)
@pytest.mark.parametrize("zone", [None, ATHENS], ids=["", "Athens"])
def test_a_time_that_is_none_is_left_out(times: str, zone: ZoneInfo | None) -> None:
    body = f'{{"symbol": "EURUSD", "bid": 1.1, "ask": 1.1, {times}}}'.encode()
    ignored = wire.decode([body], NOW, zone)
    assert isinstance(ignored, wire.Ignored)
    assert ignored.reason == "with a bad time"


@pytest.mark.parametrize(
    ("topic", "symbol"),
    [
        ("EURUSD", "EURUSD.s"),
        ("EURUSD.s", "EURUSD"),
        ("EURUSD", "eurusd"),
        ("EURUSD", "GBPUSD"),
        ("tick.EURUSD.s", "EURUSD"),
        ("tick.EURUSD", "EURUSD.s"),
        ("TICK:EURUSD.s", "EURUSD"),
        ("quote.EURUSD", "EURUSD"),
    ],
)
def test_topic_and_body_have_to_agree(topic: str, symbol: str) -> None:
    body = f'{{"symbol":"{symbol}","bid":1.1,"ask":1.1}}'
    assert refused(f"{topic} {body}".encode()) == "with two symbols"
    assert refused(topic.encode(), body.encode()) == "with two symbols"
    if not topic.startswith(("tick.", "TICK:", "quote.")):
        assert refused(f"{topic}|{body}".encode()) == "with two symbols"
        assert refused(f"TICK|{topic}|{body}".encode()) == "with two symbols"


@pytest.mark.parametrize("symbol", ["EURUSD.s", "EURUSDm", "US30#", "BRK-B", "1INCH_x"])
def test_a_suffixed_symbol_stays_what_it_is(symbol: str) -> None:
    body = f'{{"symbol":"{symbol}","bid":1.1,"ask":1.1}}'
    for text in (body, f"{symbol} {body}", f"tick.{symbol} {body}", f"{symbol}|{body}"):
        assert read(text.encode()).symbol == symbol
    bare = '{"bid":1.1,"ask":1.1}'
    for text in (f"{symbol} {bare}", f"tick.{symbol} {bare}", f"TICK|{symbol}|{bare}"):
        assert read(text.encode()).symbol == symbol
    for text in (f"{symbol} 1.1;1.1", f"{symbol}:|:1.1;1.1", f"{symbol}&1;1.1;1.1"):
        assert read(text.encode()).symbol == symbol
    assert read(symbol.encode(), bare.encode()).symbol == symbol


def nested(depth: int) -> bytes:
    """A quote with a field of no concern, in which lists lie in lists."""
    lists = b"[" * depth + b"]" * depth
    return b'EURUSD {"symbol": "EURUSD", "bid": 1.1, "ask": 1.1, "more": ' + lists + b"}"


def test_how_deep_a_quote_may_nest_is_the_same_in_every_version_of_python_and_at_every_depth() -> (
    None
):
    most = MOST_OPENED - 1  # beside the quote itself
    assert read(nested(most)).bid == 1.1
    for depth in (most + 1, 900, 1_000, 4_000):
        assert refused(nested(depth)) == "of an unknown shape"

    def deep_in_a_stack(calls: int) -> Tick:
        return deep_in_a_stack(calls - 1) if calls else read(nested(most))

    assert deep_in_a_stack(300).bid == 1.1
