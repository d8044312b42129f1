"""Broker time made UTC.

MetaTrader's times are the wall time of the broker's server, written as if that were UTC. Which zone
that is it says nowhere. So it is measured, from quotes that arrive while they are watched, and
compared with the rule that it is made UTC by.
"""

import logging
import math
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from mt5crs_shared.errors import Mt5crsError

logger = logging.getLogger(__name__)

AUTO: Final = "auto"
NEW_YORK: Final = "new-york-close"
"""The rule of most brokers: New York's time and seven hours more, so that a day ends at 17:00
there: UTC+2 in winter, UTC+3 in summer by the clock of the United States."""

QUARTER_MS: Final = 900_000
"""Zones differ by multiples of it."""

DAY_S: Final = 86_400.0

SAMPLES: Final = 3
"""Quotes that have to arrive while watched, before a measurement counts."""

WATCHED_S: Final = 5.0
"""Seconds that they have to span."""

STEADY_MS: Final = 2_000
"""By so much the server's clock may run apart from ours meanwhile: a terminal that catches up
after a weekend brings quotes that are new to it and old."""

EXACT_MS: Final = 30_000
"""A clock further from a quarter of an hour than this is wrong, ours or theirs."""

_FIXED: Final = re.compile(r"([+-])(\d\d):(\d\d)\Z")


class ServerClockError(Mt5crsError):
    """The server's zone is not known, or is another one than the configuration says."""


class FixedZone(msgspec.Struct, frozen=True):
    """The same in summer and winter."""

    name: str
    seconds: int

    def offset_s(self, utc_s: float) -> int:
        """Seconds, at a moment."""
        return self.seconds


class NamedZone(msgspec.Struct, frozen=True):
    """That of a place, and some hours more."""

    name: str
    place: str
    hours: int = 0

    def offset_s(self, utc_s: float) -> int:
        """Seconds, at a moment."""
        offset = datetime.fromtimestamp(utc_s, UTC).astimezone(ZoneInfo(self.place)).utcoffset()
        return round((offset or timedelta()).total_seconds()) + self.hours * 3600


ZoneRule = FixedZone | NamedZone
"""By how much the server's clock is ahead of UTC, at any moment."""


def fixed_zone(seconds: int) -> FixedZone:
    """The rule of a clock that is so far ahead of UTC, whatever the season."""
    sign = "-" if seconds < 0 else "+"
    return FixedZone(f"{sign}{abs(seconds) // 3600:02}:{abs(seconds) // 60 % 60:02}", seconds)


def zone_rule(text: str) -> ZoneRule:
    """The rule that a configuration names: new-york-close, a place such as Europe/Athens, +02:00.

    Raises:
        ServerClockError: It is none of these.
    """
    if text == NEW_YORK:
        return NamedZone(NEW_YORK, "America/New_York", 7)
    if found := _FIXED.match(text):
        seconds = int(found[2]) * 3600 + int(found[3]) * 60
        return fixed_zone(-seconds if found[1] == "-" else seconds)
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ServerClockError(
            f"{text!r} is no zone: {AUTO}, {NEW_YORK}, a place such as Europe/Athens,"
            " or an offset such as +02:00 is expected"
        ) from error
    return NamedZone(text, text)


class _Sample(msgspec.Struct, frozen=True):
    ours_ms: float
    server_ms: int


class ServerClock:
    """The server's clock: measured, and made UTC.

    Args:
        zone: As in the configuration.
        remembered: The rule that an earlier process had found; empty: none.
        remember: Told of the rule that was found.
        now: This machine's clock, seconds since the epoch.

    Attributes:
        trouble: Why its times cannot be believed; empty: they can.
        measured: By how many seconds it was ahead of UTC when it was measured; None: not yet.

    Raises:
        ServerClockError: The zone is none.
    """

    def __init__(
        self,
        zone: str,
        remembered: str = "",
        remember: Callable[[str], None] = lambda name: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._auto = zone == AUTO
        named = remembered if self._auto else zone
        self._rule = zone_rule(named) if named else None
        self._remember = remember
        self._now = now
        self._last: dict[str, int] = {}
        self._samples: list[_Sample] = []
        self.measured: int | None = None
        self.trouble = "" if self._rule else "the server's zone is not known before quotes arrive"

    @property
    def zone(self) -> str:
        """The rule's name; empty: none is known."""
        return self._rule.name if self._rule else ""

    def offset_s(self) -> int | None:
        """By how many seconds the server's clock is ahead of UTC now; None: not known."""
        return self._rule.offset_s(self._now()) if self._rule and not self.trouble else None

    def to_us(self, server_ms: int) -> int:
        """A time of the server in us since the epoch, UTC.

        Where the server's clock shows it twice, since it is set back in between, the later one;
        what it never shows, since it is set forward, counts as if it had not been yet.

        Raises:
            ServerClockError: Its zone is not known.
        """
        if self._rule is None or self.trouble:
            raise ServerClockError(self.trouble)
        wall_s = server_ms / 1000.0
        before, after = (self._rule.offset_s(wall_s + day) for day in (-DAY_S, DAY_S))
        shown = [o for o in (before, after) if self._rule.offset_s(wall_s - o) == o]
        return server_ms * 1000 - min(shown, default=before) * 1_000_000

    def to_us_or_zero(self, server_ms: int) -> int:
        """The same; 0 where it is not known, or no time."""
        if server_ms <= 0 or self._rule is None or self.trouble:
            return 0
        return self.to_us(server_ms)

    def to_server_s(self, time_us: int) -> int:
        """A moment as the package's functions take it: whole seconds of the server's wall time.

        They take none before 1970.

        Raises:
            ServerClockError: Its zone is not known.
        """
        if self._rule is None or self.trouble:
            raise ServerClockError(self.trouble)
        utc_s = time_us / 1e6
        return max(0, math.floor(utc_s) + self._rule.offset_s(utc_s))

    def start_over(self) -> None:
        """Forget quotes that were watched: the terminal was away, and may bring old ones now."""
        self._last.clear()
        self._samples.clear()

    def observe(self, symbol: str, server_ms: int) -> None:
        """A symbol's newest quote, as often as somebody looks.

        Only one that has changed since the last look says what time it is there, and only where
        several of them go on as fast as our own clock: the quotes of a closed market are old.
        """
        last = self._last.get(symbol)
        if last is None or server_ms <= last:
            self._last.setdefault(symbol, server_ms)
            return
        self._last[symbol] = server_ms
        self._samples.append(_Sample(self._now() * 1000.0, server_ms))
        if len(self._samples) < SAMPLES:
            return
        first, newest = self._samples[0], self._samples[-1]
        ours = newest.ours_ms - first.ours_ms
        if abs(newest.server_ms - first.server_ms - ours) > STEADY_MS:
            del self._samples[:-1]
        elif ours >= WATCHED_S * 1000.0:
            self._measure(newest)
            del self._samples[:-1]

    def _measure(self, sample: _Sample) -> None:
        ahead = sample.server_ms - sample.ours_ms
        quarters = round(ahead / QUARTER_MS)
        wrong_ms = ahead - quarters * QUARTER_MS
        if abs(wrong_ms) > EXACT_MS:
            self._say(
                f"this machine's clock and the server's differ by {abs(wrong_ms) / 1000:.0f} s"
                " beside the zone: switch on Windows' time synchronisation"
            )
            return
        self.measured = quarters * (QUARTER_MS // 1000)
        utc_s = sample.ours_ms / 1000.0
        if self._rule is not None and self._rule.offset_s(utc_s) == self.measured:
            self._say("")
        elif self._auto:
            self._find(utc_s, self.measured)
        else:
            assert self._rule is not None, "the configuration names one"
            there = fixed_zone(self.measured).name
            rule = fixed_zone(self._rule.offset_s(utc_s)).name
            self._say(
                f"the server's clock is at UTC{there}, and server_zone says"
                f" {self._rule.name}, which is UTC{rule} now: set server_zone to its zone"
            )

    def _find(self, utc_s: float, measured: int) -> None:
        usual = zone_rule(NEW_YORK)
        fits = usual.offset_s(utc_s) == measured
        found: ZoneRule = usual if fits and self._rule is None else fixed_zone(measured)
        if self._rule is not None:
            logger.warning("the server's zone was taken for %s, and is not", self._rule.name)
        logger.info("the server's clock is at UTC%s: %s", fixed_zone(measured).name, found.name)
        self._rule = found
        self._remember(found.name)
        self._say("")

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            logger.error("%s", trouble)
        self.trouble = trouble
