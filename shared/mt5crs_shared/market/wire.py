"""Ticks on the wire: what publishers of this family send, decoded to :class:`Tick`.

The shapes are those of the table in `wire_formats`. What all of them share is here: which prices
and times can be a quote's, and what a time means that names no zone.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from math import isfinite

import msgspec

from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire_formats import (
    FORMATS,
    MAX_FRAME,
    READERS,
    SHOWN,
    BadFrameError,
    Fields,
)

WIDER = tuple(dict.fromkeys(begin.encode() for known in FORMATS for begin in known.wider))
"""The ZMQ prefixes that bring frames in which the symbol stands further back, of all symbols.

A reader needs them until its symbols have come by their own `subscriptions`.
"""

_LATEST_US = 4_102_444_800_000_000
"""A quote's time lies between the years 1970 and 2100."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WALL_EPOCH = _EPOCH.replace(tzinfo=None)
_MICROSECOND = timedelta(microseconds=1)
_NONE = timedelta(0)


class Ignored(msgspec.Struct, frozen=True):
    """A message that is no tick. The reader counts it and goes on with the next one.

    Attributes:
        reason: Of which kind the fault is, for counting: a plural that follows a number.
        detail: What is wrong.
    """

    reason: str
    detail: str = ""


OTHER_SYMBOL = Ignored("of other symbols")
"""A frame that a longer symbol's prefix has let through; no fault of it."""

SECOND_SHAPE = Ignored("in a second shape", "its symbol has come in another one")
"""A frame whose symbol comes by a prefix of its own as well; see `WIDER`."""


def decode(frames: list[bytes], received_us: int, zone: tzinfo | None = None) -> Tick | Ignored:
    """Turn one received message into a tick. It raises nothing, whatever was received.

    Args:
        frames: The parts of one ZMQ message, as `recv_multipart` gives them.
        received_us: When it was received, us since the epoch; the tick's time where the
            message has none.
        zone: Where the publisher's clock is; None: numbers count from 1970 in UTC, and texts
            without a zone are local time of this machine.

    Returns:
        The tick, or why there is none: the message is not of one of the known shapes, or no
        quote; it is too large, without a price that is a finite number, or with a time that is
        none.
    """
    if len(frames) > 2 or len(frames[-1]) > MAX_FRAME:
        return _outsized(frames)
    try:
        for read in READERS:
            fields = read(frames)
            if fields is not None:
                break
        else:
            return Ignored("of an unknown shape", "it is none of the table in docs/wire.md")
        time_us = _believable_time_us(fields, received_us, zone)
    except BadFrameError as error:
        return Ignored(error.reason, error.detail)
    bid, ask, volume = fields.bid, fields.ask, fields.volume
    if not isfinite(bid + ask):
        return Ignored("without a price", f"bid {bid}, ask {ask}")
    if volume is None or not isfinite(volume):
        volume = 0.0
    if time_us is None:
        return Tick(fields.symbol, received_us, bid, ask, volume, False)
    return Tick(fields.symbol, time_us, bid, ask, volume, True)


def _outsized(frames: list[bytes]) -> Ignored:
    if len(frames) > 2:
        return Ignored("of an unknown shape", f"{len(frames)} parts; 1 or 2 were expected")
    return Ignored("too large", f"{len(frames[-1])} bytes; a tick has at most {MAX_FRAME}")


def _believable_time_us(fields: Fields, received_us: int, zone: tzinfo | None) -> int | None:
    # A `time_msc` of 0 is one that its publisher does not know.
    stamp = fields.timestamp if fields.timestamp is not None else fields.time_msc or fields.time
    if stamp is None:
        return None
    try:
        if not isinstance(stamp, str):
            time_us = _of_number(stamp, received_us, zone)
        else:
            try:
                moment = datetime.fromisoformat(stamp)
            except ValueError:
                moment = _of_mql(stamp)
            if moment.tzinfo is not None:
                time_us = (moment - _EPOCH) // _MICROSECOND
            elif zone is None:
                time_us = (moment.astimezone() - _EPOCH) // _MICROSECOND
            else:
                time_us = _on_clock(moment, zone, received_us)
    except (ValueError, OverflowError, OSError) as error:
        raise BadFrameError("with a bad time", f"{str(stamp)[:SHOWN]!r}: {error}") from error
    if not 0 <= time_us <= _LATEST_US:
        raise BadFrameError("with a bad time", f"{str(stamp)[:SHOWN]!r}: not from 1970 to 2100")
    return time_us


def _of_mql(text: str) -> datetime:
    """A time as MQL writes it: ``2026.11.23 07:11:27``."""
    if text[4:5] != "." or text[7:8] != ".":
        raise ValueError("neither ISO 8601 nor like 2026.11.23 07:11:27")
    return datetime.fromisoformat(text.replace(".", "-", 2))


def _of_number(number: float, received_us: int, zone: tzinfo | None) -> int:
    # Seconds, ms, us or ns, by the size: 1e11 s is the year 5138.
    if number < 1e11:
        time_us = round(number * 1e6)
    elif number < 1e14:
        time_us = round(number * 1e3)
    else:
        time_us = round(number if number < 1e17 else number * 1e-3)
    if zone is None:
        return time_us
    return _on_clock(_WALL_EPOCH + timedelta(microseconds=time_us), zone, received_us)


def _on_clock(shown: datetime, zone: tzinfo, received_us: int) -> int:
    """When a clock of a zone shows this, in us since the epoch.

    Where it shows that twice, since it is set back in between, the moment nearer to the receipt is
    meant. What it never shows, since it is set forward, counts as if it had not been yet.
    """
    # Not by `replace(tzinfo=...)`, which takes three times as long. A zone of `zoneinfo` that is
    # asked about a moment always has an answer, whatever its type says.
    first = second = (shown - _WALL_EPOCH) // _MICROSECOND
    first -= (zone.utcoffset(shown) or _NONE) // _MICROSECOND
    second -= (zone.utcoffset(shown.replace(fold=1)) or _NONE) // _MICROSECOND
    return second if second > first and received_us - first > second - received_us else first


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


def to_the_second(time_us: int) -> str:
    """A time for people, in UTC: ``2026-01-01 10:00:00``."""
    return format_iso(time_us)[:19].replace("T", " ")


def encode(tick: Tick) -> bytes:
    """The T1 frame of a tick: the topic, a blank, and the JSON that our own feeds publish."""
    return (
        f'{tick.symbol} {{"type": "tick", "symbol": "{tick.symbol}", '
        f'"timestamp": "{format_iso(tick.time_us)}", "bid": {tick.bid!r}, "ask": {tick.ask!r}, '
        f'"last": {tick.mid!r}, "volume": {tick.volume!r}}}'
    ).encode()


def subscriptions(symbol: str) -> tuple[bytes, ...]:
    """The ZMQ prefixes under which the ticks of one symbol arrive, in every shape that names it.

    A prefix also lets longer symbols through (``EURUSD`` brings ``EURUSD.s``): compare the
    symbol of the decoded tick. Frames in which other things come first need `WIDER`.
    """
    beginnings = dict.fromkeys(begin for known in FORMATS for begin in known.beginnings)
    return tuple(begin.replace("SYMBOL", symbol).encode() for begin in beginnings)
