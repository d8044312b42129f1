"""Who is told what, and when; pure."""

from datetime import datetime, time
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from mt5crs_shared.configuration.notify_structs import (
    NotifyConfig,
    NotifyRuleConfig,
    QuietHoursConfig,
)
from mt5crs_shared.events import NOT_TOLD
from mt5crs_shared.storage.story import StoryLine

GATHER = 10.0
"""Seconds from the first line that waits to its message: what happens together is told together."""

GROWTH = 1.5
"""So much longer the next one waits for each message of the last hour."""

LONGEST, LONGEST_URGENT = 600.0, 60.0
"""Seconds that lines wait at most, and that urgent ones do."""

FIRST_RETRY, LONGEST_RETRY = 5.0, 600.0
"""Seconds after which a message that could not be sent is tried again: doubled each time."""


def told_to(line: StoryLine, config: NotifyConfig) -> dict[str, bool]:
    """The destinations that are told of a line, and whether it is urgent to them."""
    found: dict[str, bool] = {}
    for rule in config.own_rules:
        if _wants(rule, line):
            for name in rule.to or [destination.name for destination in config.to]:
                found[name] = found.get(name, False) or rule.urgent
    return found


def _wants(rule: NotifyRuleConfig, line: StoryLine) -> bool:
    kind = line.kind in rule.kinds if rule.kinds else line.kind not in NOT_TOLD
    return kind and any(fnmatchcase(line.name, pattern) for pattern in rule.names or ["*"])


def is_quiet(hours: QuietHoursConfig | None, now: datetime) -> bool:
    """Whether only what is urgent is told.

    Args:
        hours: The quiet hours; None: there are none.
        now: This moment, with a time zone.
    """
    if hours is None:
        return False
    local = now.astimezone(ZoneInfo(hours.time_zone) if hours.time_zone else None).time()
    begin, end = time.fromisoformat(hours.begin), time.fromisoformat(hours.end)
    if begin < end:
        return begin <= local < end
    return local >= begin or local < end


def wait_before_message(recent: int, urgent: bool) -> float:
    """Seconds that lines wait for others to join them.

    Args:
        recent: Messages to that destination within the last hour.
        urgent: One of the lines is.
    """
    return min(GATHER * GROWTH**recent, LONGEST_URGENT if urgent else LONGEST)


def wait_before_retry(attempts: int) -> float:
    """Seconds until a message that failed so many times is tried again."""
    return min(FIRST_RETRY * 2.0 ** min(attempts - 1, 20), LONGEST_RETRY)
