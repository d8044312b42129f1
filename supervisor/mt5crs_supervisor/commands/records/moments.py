"""Moments as people type them."""

import contextlib
import re
from datetime import UTC, datetime, timedelta

from mt5crs_supervisor.commands.failures import CommandError, ExitCode

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def begin_of(since: str | None) -> datetime | None:
    """The moment that ``--since`` means; None: from the beginning on.

    Raises:
        CommandError: It means none.
    """
    return moment_of(since, datetime.now(UTC)) if since is not None else None


def moment_of(text: str, now: datetime) -> datetime:
    """The moment that ``2h``, ``22:00`` or ``2026-11-25T22:00`` means, in local time.

    Args:
        text: What was typed. A time of the day is the last one that has been.
        now: This moment.

    Raises:
        CommandError: It means none.
    """
    span = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    clock = re.fullmatch(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", text)
    with contextlib.suppress(ValueError, OverflowError):
        if span is not None:
            return now - timedelta(**{_UNITS[span[2]]: float(span[1])})
        if clock is not None:
            hour, minute, second = (int(part or 0) for part in clock.groups())
            today = now.astimezone().replace(hour=hour, minute=minute, second=second, microsecond=0)
            return today if today <= now else today - timedelta(days=1)
        return datetime.fromisoformat(text).astimezone()
    raise CommandError(
        f"--since {text}: expected a span (30m, 2h, 1d), a time (22:00) or a moment"
        " (2026-11-25T22:00), in local time",
        ExitCode.USAGE,
    )
