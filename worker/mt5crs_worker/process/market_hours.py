"""When a market is open: a feed that is silent outside of a session is no fault."""

from datetime import datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ROLLOVER: Final = 17
"""Hour in New York at which a trading day ends and the next one begins."""

METALS: Final = frozenset({"XAU", "XAG", "XPT", "XPD"})
"""Bases that pause for an hour at each rollover."""

FRIDAY, SATURDAY, SUNDAY = 4, 5, 6


def _new_york() -> tzinfo:
    try:
        return ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        # A system without zone data: an hour off in summer.
        return timezone(timedelta(hours=-5))


def is_open(moment: datetime, base_currency: str) -> bool:
    """Whether a symbol trades: Sunday to Friday, from 17:00 to 17:00 in New York.

    Args:
        moment: With a time zone.
        base_currency: The symbol's; metals pause from 17:00 to 18:00.
    """
    local = moment.astimezone(_new_york())
    day, hour = local.weekday(), local.hour
    if day == SATURDAY or (day == FRIDAY and hour >= ROLLOVER):
        return False
    if day == SUNDAY and hour < ROLLOVER:
        return False
    return not (base_currency in METALS and hour == ROLLOVER)


def silence(seconds: float, limit: float, now: datetime, base_currency: str) -> str:
    """What is wrong with a feed that has been silent; empty: nothing.

    Args:
        seconds: How long no tick has come.
        limit: How long that is all right, in an open session.
        now: Wall time, with a time zone.
        base_currency: The symbol's.
    """
    if seconds <= limit:
        return ""
    # Counted from the opening: nothing comes over a weekend.
    if not (is_open(now, base_currency) and is_open(now - timedelta(seconds=limit), base_currency)):
        return ""
    return f"the feed is silent: no tick for {seconds:.0f} s"
