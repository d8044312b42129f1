"""Rules that look at the market and at the time, and remember nothing."""

import csv
import functools
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_shared.trading.orders import Code

Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

_DAYS: tuple[Day, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MINUTE_US = 60_000_000


class MaxSpread(Rule[NoState], frozen=True, forbid_unknown_fields=True):
    """Opens nothing while the spread is wider than so many points.

    Attributes:
        points: The widest spread, in the last digit of the price.
    """

    points: Annotated[float, Meta(gt=0.0)]

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        spread = (proposal.tick.ask - proposal.tick.bid) / proposal.symbol.point
        # A spread of exactly so many points is a hair more or less in binary numbers.
        if spread <= self.points + 1e-6:
            return None
        return Refusal(
            Code.RISK, f"max_spread: the spread is {spread:.1f} points, at most {self.points:g}"
        )


class TradingHours(Rule[NoState], frozen=True, forbid_unknown_fields=True):
    """Opens positions between two times of the day only.

    Attributes:
        begin: The first minute, ``07:00``.
        end: The first minute that is over; before `begin`: on the next day.
        days: Days on which it begins.
        time_zone: Where that clock is.
    """

    begin: str
    end: str
    days: tuple[Day, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri")
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse times and a zone that are none."""
        for name in ("begin", "end"):
            _time_of_day(name, getattr(self, name))
        zone_of(self.time_zone)

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        now = local(proposal.tick.time_us, self.time_zone)
        clock, day = now.time(), now.weekday()
        begin, end = time.fromisoformat(self.begin), time.fromisoformat(self.end)
        over_midnight = end <= begin
        if over_midnight and clock < end:
            inside, day = True, (day - 1) % 7
        else:
            inside = clock >= begin if over_midnight else begin <= clock < end
        if inside and _DAYS[day] in self.days:
            return None
        hours = f"{self.begin} to {self.end} on {', '.join(self.days)} ({self.time_zone})"
        return Refusal(Code.RISK, f"trading_hours: it is {now:%a %H:%M}, and not {hours}")


class NewsWindow(msgspec.Struct, frozen=True):
    """One line of a file of news.

    Attributes:
        begin_us: Event time, us since the epoch.
        end_us: Likewise.
        what: For people.
        currencies: Whose symbols it concerns; empty: all.
    """

    begin_us: int
    end_us: int
    what: str
    currencies: frozenset[str]


class News(Rule[NoState], frozen=True, forbid_unknown_fields=True):
    """Opens nothing around the moments that a file names.

    The file is CSV with the columns ``begin,end,what,currencies``: moments in ISO 8601 (UTC where
    they name no zone), a few words, and the currencies concerned, separated by blanks; none: all.
    It is read when the gateway starts.

    Attributes:
        file: That file, as seen from where the system was started.
        before_minutes: Minutes before `begin` that count too.
        after_minutes: Minutes after `end` that count too.
    """

    file: str
    before_minutes: Annotated[float, Meta(ge=0.0)] = 0.0
    after_minutes: Annotated[float, Meta(ge=0.0)] = 0.0

    def __post_init__(self) -> None:
        """Refuse a file that cannot be read."""
        news_windows(self.file)

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        now, symbol = proposal.tick.time_us, proposal.symbol
        own = {symbol.base_currency, symbol.quote_currency}
        for window in news_windows(self.file):
            begin = window.begin_us - self.before_minutes * _MINUTE_US
            end = window.end_us + self.after_minutes * _MINUTE_US
            if begin <= now < end and (not window.currencies or window.currencies & own):
                return Refusal(Code.RISK, f"news: {window.what}")
        return None


def _time_of_day(name: str, text: str) -> None:
    try:
        time.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{name}: {text!r} is no time of day; expected one as 07:00") from error


@functools.cache
def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name.

    Raises:
        ValueError: There is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone; expected one such as Europe/Athens") from error


def local(time_us: int, zone: str) -> datetime:
    """An event time on the clock of a zone."""
    return datetime.fromtimestamp(time_us / 1e6, zone_of(zone))


@functools.cache
def news_windows(file: str) -> tuple[NewsWindow, ...]:
    """The windows of a file of news.

    Raises:
        ValueError: It cannot be read; with the line.
    """
    try:
        with Path(file).expanduser().open(newline="") as lines:
            rows = csv.DictReader(lines, strict=True)
            return tuple(_window(row, f"{file}:{rows.line_num}") for row in rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{file} cannot be read: {error}") from error


def _window(row: dict[str, str], place: str) -> NewsWindow:
    try:
        begin, end = (_moment(row[name]) for name in ("begin", "end"))
        what, currencies = row["what"] or "", row.get("currencies") or ""
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        expected = "expected begin,end,what,currencies with moments in ISO 8601"
        raise ValueError(f"{place}: {expected} ({error})") from error
    if end < begin:
        raise ValueError(f"{place}: it ends before it begins")
    return NewsWindow(begin, end, what, frozenset(currencies.upper().split()))


def _moment(text: str) -> int:
    found = datetime.fromisoformat(text.strip())
    aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1e6)
