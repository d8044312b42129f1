"""Ticks on the wire: what publishers of this family send, decoded to :class:`Tick`.

Six frame shapes are in use (T1 to T6 of ``docs/wire.md``): with a topic in front or without,
one frame or two, with an ISO time, an epoch time or no time at all.
"""

import math
from datetime import UTC, datetime, timedelta

import msgspec

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.ticks import Tick

OTHER_SYMBOL = "of other symbols"
"""Why a frame is left out that a longer symbol's prefix has let through; no fault of it."""

SHOWN = 120
"""Bytes of a refused frame that are shown."""

MAX_FRAME = 8_192
"""Bytes of the largest frame that is looked into; a quote has some hundred."""

_TIMES_US = (0, 4_102_444_800_000_000)
"""A quote's time lies between the years 1970 and 2100."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# An epoch number is taken as seconds, ms, us or ns by its size: 1e11 s is the year 5138.
_EPOCH_UNITS = ((1e17, 1e-3), (1e14, 1.0), (1e11, 1e3), (-math.inf, 1e6))


class BadFrameError(Mt5crsError):
    """A frame that is no tick. The reader counts it and goes on with the next one.

    Args:
        reason: Of which kind the fault is, for counting: a plural that follows a number.
        detail: What is wrong.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class _Body(msgspec.Struct):
    symbol: str
    bid: float
    ask: float
    volume: float = 0.0
    timestamp: str | float | None = None
    time: float | None = None


_decode_body = msgspec.json.Decoder(_Body).decode


def decode(frames: list[bytes], received_us: int) -> Tick:
    """Turn one received message into a tick.

    Args:
        frames: The parts of one ZMQ message, as `recv_multipart` gives them.
        received_us: When it was received, us since the epoch; the tick's time where the
            message has none.

    Raises:
        BadFrameError: It is not one of the known shapes, or no quote: too large, without a price
            that is a finite number, or with a time that is none.
    """
    if not 1 <= len(frames) <= 2:
        raise BadFrameError("of an unknown shape", f"{len(frames)} parts; 1 or 2 were expected")
    body = frames[-1]
    if len(body) > MAX_FRAME:
        raise BadFrameError("too large", f"{len(body)} bytes; a tick has at most {MAX_FRAME}")
    if len(frames) == 1 and not body.startswith(b"{"):
        body = body.partition(b" ")[2]
    try:
        fields = _decode_body(body)
    except Exception as error:
        # Anything may stand there, nested a thousand deep for instance; it is this frame's fault.
        raise BadFrameError("of an unknown shape", f"{error}: {body[:SHOWN]!r}") from error
    if not (math.isfinite(fields.bid) and math.isfinite(fields.ask)):
        raise BadFrameError("without a price", f"{body[:SHOWN]!r}")
    time_us = _believable_time_us(fields, body)
    return Tick(
        symbol=fields.symbol,
        time_us=received_us if time_us is None else time_us,
        bid=fields.bid,
        ask=fields.ask,
        volume=fields.volume if math.isfinite(fields.volume) else 0.0,
        timed=time_us is not None,
    )


def _believable_time_us(fields: _Body, body: bytes) -> int | None:
    try:
        time_us = _time_us(fields)
    except (ValueError, OverflowError, OSError) as error:
        raise BadFrameError("with a bad time", f"{error}: {body[:SHOWN]!r}") from error
    earliest, latest = _TIMES_US
    if time_us is not None and not earliest <= time_us <= latest:
        raise BadFrameError("with a bad time", f"not from 1970 to 2100: {body[:SHOWN]!r}")
    return time_us


def _time_us(fields: _Body) -> int | None:
    stamp = fields.timestamp if fields.timestamp is not None else fields.time
    if stamp is None:
        return None
    if isinstance(stamp, str):
        return parse_iso(stamp)
    factor = next(factor for least, factor in _EPOCH_UNITS if stamp >= least)
    return round(stamp * factor)


def parse_iso(text: str) -> int:
    """Microseconds since the epoch of an ISO 8601 time; without a zone it is local time.

    Raises:
        ValueError: It is no ISO 8601 time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.astimezone()
    return (moment - _EPOCH) // _MICROSECOND


def format_iso(time_us: int) -> str:
    """The ISO 8601 form of a time, in UTC with microseconds: ``2026-01-01T10:00:00.123456Z``."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def encode(tick: Tick) -> bytes:
    """The T1 frame of a tick: the topic, a blank, and the JSON that our own feeds publish."""
    return (
        f'{tick.symbol} {{"type": "tick", "symbol": "{tick.symbol}", '
        f'"timestamp": "{format_iso(tick.time_us)}", "bid": {tick.bid!r}, "ask": {tick.ask!r}, '
        f'"last": {tick.mid!r}, "volume": {tick.volume!r}}}'
    ).encode()


def subscriptions(symbol: str) -> tuple[bytes, ...]:
    """The ZMQ prefixes under which the ticks of one symbol arrive, in every known shape.

    A prefix also lets longer symbols through (``EURUSD`` brings ``EURUSD.s``): compare the
    symbol of the decoded tick.
    """
    bodies = (
        f'{{"symbol": "{symbol}"',
        f'{{"symbol":"{symbol}"',
        f'{{"type": "tick", "symbol": "{symbol}"',
        f'{{"type":"tick","symbol":"{symbol}"',
        f'{{"type": "TICK", "symbol": "{symbol}"',
        f'{{"type":"TICK","symbol":"{symbol}"',
    )
    return (symbol.encode(), *(body.encode() for body in bodies))
