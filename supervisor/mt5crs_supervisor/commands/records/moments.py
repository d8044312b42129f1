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


def end_of(until: str | None) -> datetime | None:
    """The moment that ``--until`` means; None: there is no end.

    Raises:
        CommandError: It means none, or one that is over.
    """
    if until is None:
        return None
    now = datetime.now(UTC)
    end = moment_of(until, now, ahead=True)
    if end <= now:
        raise CommandError(f"--until {until}: that is over", ExitCode.USAGE)
    return end


def moment_of(text: str, now: datetime, ahead: bool = False) -> datetime:
    """The moment that ``2h``, ``22:00`` or ``2026-11-25T22:00`` means, in local time.

    Args:
        text: What was typed. A time of the day is the last one that has been, or the next one.
        now: This moment.
        ahead: Look into the future.

    Raises:
        CommandError: It means none.
    """
    span = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    clock = re.fullmatch(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", text)
    with contextlib.suppress(ValueError, OverflowError):
        if span is not None:
            length = timedelta(**{_UNITS[span[2]]: float(span[1])})
            return now + length if ahead else now - length
        if clock is not None:
            hour, minute, second = (int(part or 0) for part in clock.groups())
            today = now.astimezone().replace(hour=hour, minute=minute, second=second, microsecond=0)
            day = timedelta(days=1)
            if ahead:
                return today if today > now else today + day
            return today if today <= now else today - day
        return datetime.fromisoformat(text).astimezone()
    raise CommandError(
        f"--{'until' if ahead else 'since'} {text}: expected a span (30m, 2h, 1d), a time (22:00)"
        " or a moment (2026-11-25T22:00), in local time",
        ExitCode.USAGE,
    )
