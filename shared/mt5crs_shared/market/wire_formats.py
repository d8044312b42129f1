"""The shapes in which publishers send a quote: a table, with one function for each.

A function is given the parts of one message. It answers with the fields that stand there, or with
None where the message is of another shape. No message is of two shapes.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from mt5crs_shared.errors import Mt5crsError

SHOWN = 120
"""Bytes of a refused frame that are shown."""

MAX_FRAME = 8_192
"""Bytes of the largest frame that is looked into; a quote has some hundred."""

MOST_OPENED = 500
"""Brackets and braces that are opened in a JSON text that is looked into.

A quote has one, and some 400 with 200 levels of the book on each side. How deep a text may nest
that can be read is another matter in each version of Python, and in each depth of its stack: all
readers are to take the same.
"""

KINDS = ("tick", "TICK", "quote", "QUOTE", "price", "PRICE")
"""What `type` may say where no topic says that it is a quote."""

_BRACE = ord("{")
_SYMBOL = rb"([A-Za-z0-9][A-Za-z0-9._#-]{0,31})"
_PIPED = re.compile(rb"(?:TICK\|)?" + _SYMBOL + rb"\|(?=\{)")
_NUMBER = rb"(-?\d{1,18}(?:\.\d{1,18})?)"
_PRICES = re.compile(
    _SYMBOL + rb"(?: |:\|:|&(\d{1,18}(?:\.\d{1,9})?);)" + _NUMBER + rb";" + _NUMBER + rb"\0*"
)
_TOPIC = re.compile(rb"(?:tick\.|TICK:)?" + _SYMBOL)


class BadFrameError(Mt5crsError):
    """A message that is no quote. `wire.decode` answers with `Ignored`, the reader counts it.

    Args:
        reason: Of which kind the fault is, for counting: a plural that follows a number.
        detail: What is wrong.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Fields(msgspec.Struct, kw_only=True, gc=False):
    """What a frame says of a quote, as it stands there; numbers may be written as text.

    The order is that of T1, which msgspec finds them fastest in.

    Attributes:
        type: What kind of message it is.
        symbol: Exact symbol; empty: the topic alone has it.
        timestamp: When it was: a number since 1970, or a text.
        bid: Best bid.
        ask: Best ask.
        volume: Volume.
        time_msc: The time in ms, as the MetaTrader5 package has it beside `time`.
        time: The time.
    """

    type: Any = None
    symbol: str = ""
    timestamp: str | float | None = None
    bid: float
    ask: float
    volume: float | None = None
    time_msc: str | float | None = None
    time: str | float | None = None


class Example(msgspec.Struct, frozen=True):
    """A message as a publisher sends it.

    Attributes:
        name: Its name in the docs.
        what: The parts of it, in words.
        frames: The message.
        symbol: What it quotes.
        timed: It says when.
    """

    name: str
    what: str
    frames: tuple[bytes, ...]
    symbol: str = "EURUSD"
    timed: bool = True


class Format(msgspec.Struct, frozen=True):
    """One shape.

    Attributes:
        read: From a message's parts to its fields; None: it is of another shape.
        beginnings: How a message of one symbol begins; SYMBOL stands for it.
        wider: How one begins whose symbol stands further back.
        examples: What publishers send in this shape.
    """

    read: Callable[[list[bytes]], Fields | None]
    beginnings: tuple[str, ...]
    examples: tuple[Example, ...]
    wider: tuple[str, ...] = ()


_decode_fields = msgspec.json.Decoder(Fields, strict=False).decode


def _fields(text: bytes) -> Fields:
    """The fields of a JSON text."""
    if text.count(b"{") + text.count(b"[") > MOST_OPENED:
        why = f"more than {MOST_OPENED} lists and objects; a quote is one object"
        raise BadFrameError("of an unknown shape", why)
    try:
        return _decode_fields(text)
    except Exception as error:
        return _without_nul(text, error)


def _without_nul(text: bytes, error: Exception) -> Fields:
    """The fields of a text that cannot be read, where only its end, as C and MQL write it, is why.

    Anything may stand there; it is this frame's fault.
    """
    if text.endswith(b"\0"):
        return _fields(text.rstrip(b"\0"))
    raise BadFrameError("of an unknown shape", str(error)) from error


def _agree(topic: bytes, fields: Fields) -> Fields:
    """The fields, where a topic that is not their symbol names it too, or alone."""
    symbol = fields.symbol.encode()
    if not symbol:
        alone = _TOPIC.fullmatch(topic)
        if alone is None:
            raise BadFrameError("without a symbol", "neither topic nor body has one")
        fields.symbol = alone[1].decode()
    elif symbol != topic and not _names(topic, symbol):
        said = f"the topic is {topic[:SHOWN]!r}, the body says {symbol[:SHOWN]!r}"
        raise BadFrameError("with two symbols", said)
    return fields


def _names(topic: bytes, symbol: bytes) -> bool:
    """Whether a topic that is not the symbol itself names it: ``tick.`` may add a broker."""
    return topic == b"TICK:" + symbol or (
        topic.startswith(b"tick.") and topic.endswith(b"." + symbol)
    )


def topic_then_json(frames: list[bytes]) -> Fields | None:
    """One frame: a topic, blanks, JSON."""
    if len(frames) != 1:
        return None
    topic, _, text = frames[0].partition(b" ")
    if not topic or not text or _BRACE in topic:
        return None
    if text[0] != _BRACE and text.lstrip()[:1] != b"{":
        return None
    fields = _fields(text)
    return fields if fields.symbol.encode() == topic else _agree(topic, fields)


def bare_json(frames: list[bytes]) -> Fields | None:
    """One frame: JSON, in which the symbol may stand anywhere."""
    if len(frames) != 1 or frames[0][:1] != b"{":
        return None
    fields = _fields(frames[0])
    if not fields.symbol:
        raise BadFrameError("without a symbol", "there is no topic, and the body has none")
    if isinstance(fields.type, str) and fields.type not in KINDS:
        raise BadFrameError("of another type", f"its type is {fields.type[:SHOWN]!r}")
    return fields


def topic_and_json(frames: list[bytes]) -> Fields | None:
    """Two frames: a topic, JSON."""
    if len(frames) != 2:
        return None
    return _agree(frames[0].rstrip(b"\0"), _fields(frames[1]))


def piped_json(frames: list[bytes]) -> Fields | None:
    """One frame: a topic, a bar, JSON."""
    found = _PIPED.match(frames[0]) if len(frames) == 1 else None
    return _agree(found[1], _fields(frames[0][found.end() :])) if found else None


def prices(frames: list[bytes]) -> Fields | None:
    """One frame: the symbol, bid and ask, as the DWX connector sends them."""
    found = _PRICES.fullmatch(frames[0]) if len(frames) == 1 else None
    if found is None:
        return None
    symbol, seconds, bid, ask = found.groups()
    stamp = None if seconds is None else float(seconds)
    return Fields(symbol=symbol.decode(), timestamp=stamp, bid=float(bid), ask=float(ask))


FORMATS = (
    Format(
        topic_then_json,
        ("SYMBOL", "tick.SYMBOL", "TICK:SYMBOL"),
        (
            Example(
                "T1",
                "one text frame, topic first",
                (
                    b'EURUSD {"type": "tick", "symbol": "EURUSD", "timestamp": '
                    b'"2026-01-01T10:00:00.123456Z", "bid": 1.1, "ask": 1.10005, '
                    b'"last": 1.100025, "volume": 123}',
                ),
            ),
            Example(
                "T8",
                "one text frame, `tick.` in front of the symbol; also as two frames",
                (
                    b'tick.EURUSD {"type":"tick","symbol":"EURUSD","bid":1.10000,"ask":1.10008,'
                    b'"timestamp":1795418048}',
                ),
            ),
            Example(
                "T10",
                "one text frame, `TICK:` in front of the symbol",
                (
                    b'TICK:EURUSD {"symbol": "EURUSD", "bid": 1.1, "ask": 1.10005, '
                    b'"spread": 0.00005, "timestamp": 1704067200.12, "volume": 100}',
                ),
            ),
        ),
    ),
    Format(
        bare_json,
        (
            '{"symbol": "SYMBOL"',
            '{"symbol":"SYMBOL"',
            '{"type": "tick", "symbol": "SYMBOL"',
            '{"type":"tick","symbol":"SYMBOL"',
            '{"type": "TICK", "symbol": "SYMBOL"',
            '{"type":"TICK","symbol":"SYMBOL"',
        ),
        (
            Example(
                "T2",
                "one JSON frame, no topic",
                (
                    b'{"symbol": "EURUSD", "bid": 1.1, "ask": 1.10005, "volume": 1, '
                    b'"spread": 0.00005, "timestamp": 1704067200.12, "type": "tick"}',
                ),
            ),
            Example(
                "T4",
                "one JSON frame, no topic, no time",
                (b'{"type":"TICK","symbol":"EURUSD","bid":1.08500,"ask":1.08515}',),
                timed=False,
            ),
            Example(
                "T5",
                "one JSON frame, no topic, the broker's time",
                (
                    b'{"type":"TICK","symbol":"EURUSD","bid":1.08500,"ask":1.08515,'
                    b'"time":1704067200123}',
                ),
            ),
            Example(
                "T6",
                "any of these with a suffixed symbol",
                (b'{"type":"TICK","symbol":"EURUSD.s","bid":1.08500,"ask":1.08515}',),
                symbol="EURUSD.s",
                timed=False,
            ),
            Example(
                "T11",
                "one JSON frame in which other keys come first",
                (
                    b'{"token": "abc", "symbol": "EURUSD", "bid": 1.1, "ask": 1.10005, '
                    b'"timestamp": "2026-11-23T07:11:27+00:00"}',
                ),
            ),
        ),
        wider=("{",),
    ),
    Format(
        topic_and_json,
        ("SYMBOL", "tick.SYMBOL", "TICK:SYMBOL"),
        (
            Example(
                "T3",
                "two frames",
                (
                    b"EURUSD",
                    b'{"symbol": "EURUSD", "price": 1.1, "bid": 1.1, "ask": 1.10005, '
                    b'"timestamp": 1704067200, "source": "mt5"}',
                ),
            ),
            Example(
                "T7",
                "two frames, `tick.` in front of the symbol",
                (
                    b"tick.EURUSD",
                    b'{"symbol": "EURUSD", "price": 1.1, "bid": 1.1, "ask": 1.10008, '
                    b'"timestamp": 1795418048.9}',
                ),
            ),
            Example(
                "T8",
                "two frames, a broker between `tick.` and the symbol",
                (
                    b"tick.demo.EURUSD",
                    b'{"broker_id": "demo", "type": "tick", "symbol": "EURUSD", "bid": 1.10000, '
                    b'"ask": 1.10008, "timestamp": 1795418048}',
                ),
            ),
            Example(
                "T12",
                "two frames, or a topic and a blank; the symbol stands in the topic only",
                (
                    b"EURUSD",
                    b'{"time": 1795417887, "bid": 1.1, "ask": 1.10005, "last": 0.0, "volume": 0, '
                    b'"time_msc": 1795417887123, "flags": 6, "volume_real": 0.0}',
                ),
            ),
        ),
        wider=("tick.",),
    ),
    Format(
        piped_json,
        ("SYMBOL", "TICK|SYMBOL"),
        (
            Example(
                "T13",
                "one text frame, a bar between topic and JSON",
                (b'EURUSD|{"symbol":"EURUSD","bid":1.1,"ask":1.10005,"time":1704067200}',),
            ),
            Example(
                "T13",
                "one text frame, bars, `TICK` in front",
                (
                    b'TICK|EURUSD|{"symbol":"EURUSD","bid":"1.10000","ask":"1.10005",'
                    b'"volume":null,"time":"2026.11.23 07:11:27"}',
                ),
            ),
        ),
    ),
    Format(
        prices,
        ("SYMBOL",),
        (
            Example(
                "T9",
                "one text frame without JSON, no time",
                (b"EURUSD:|:1.100030;1.100040",),
                timed=False,
            ),
            Example(
                "T9",
                "one text frame without JSON, no time",
                (b"EURUSD 1.100030;1.100040",),
                timed=False,
            ),
            Example("T9", "one text frame without JSON", (b"EURUSD&1795417887;1.100030;1.100040",)),
        ),
    ),
)
"""Every shape that is read; tried in this order."""

READERS = tuple(known.read for known in FORMATS)
"""Its functions."""
