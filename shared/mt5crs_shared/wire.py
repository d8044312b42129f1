"""Ticks on the wire: what publishers of this family send, decoded to :class:`Tick`.

Six frame shapes are in use (T1 to T6 of ``docs/wire.md``): with a topic in front or without,
one frame or two, with an ISO time, an epoch time or no time at all.
"""

import math
from datetime import UTC, datetime, timedelta

import msgspec

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.ticks import Tick

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# An epoch number is taken as seconds, ms, us or ns by its size: 1e11 s is the year 5138.
_EPOCH_UNITS = ((1e17, 1e-3), (1e14, 1.0), (1e11, 1e3), (-math.inf, 1e6))


class BadFrameError(Mt5crsError):
    """A frame that is no tick. The reader counts it and goes on with the next one."""


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
        BadFrameError: It is not one of the known shapes, or a number in it is not finite.
    """
    if len(frames) > 2:
        raise BadFrameError(f"a message of {len(frames)} frames; 1 or 2 were expected")
    body = frames[-1]
    if len(frames) == 1 and not body.startswith(b"{"):
        body = body.partition(b" ")[2]
    try:
        fields = _decode_body(body)
        time_us = _time_us(fields)
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise BadFrameError(f"not a tick: {error}: {body[:120]!r}") from error
    if not (math.isfinite(fields.bid) and math.isfinite(fields.ask)):
        raise BadFrameError(f"a price that is no number: {body[:120]!r}")
    return Tick(
        symbol=fields.symbol,
        time_us=received_us if time_us is None else time_us,
        bid=fields.bid,
        ask=fields.ask,
        volume=fields.volume,
        timed=time_us is not None,
    )


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
