"""Broker time made UTC: by a rule, which is measured and never guessed from a closed market."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_services.mt5_gateway.terminal.server_clock import (
    NEW_YORK,
    ServerClock,
    ServerClockError,
    zone_rule,
)
from tests.unit.mt5_cases import Moment

WINTER = datetime(2026, 1, 14, 12, tzinfo=UTC).timestamp()
SUMMER = datetime(2026, 7, 15, 12, tzinfo=UTC).timestamp()


def watched(
    clock: ServerClock, time: Moment, ahead_s: float, seconds: float = 8.0, pace: float = 1.0
) -> None:
    """Quotes that arrive once a second, at a server whose clock is so far ahead."""
    start = time.at
    for _ in range(round(seconds) + 1):
        clock.observe("EURUSD", round((start + (time.at - start) * pace + ahead_s) * 1000))
        time.wait(1.0)


@pytest.mark.parametrize(("at", "hours"), [(WINTER, 2), (SUMMER, 3)])
def test_the_usual_zone_is_measured_and_recognised(at: float, hours: int) -> None:
    found: list[str] = []
    time = Moment(at)
    clock = ServerClock("auto", remember=found.append, now=time)
    with pytest.raises(ServerClockError, match="not known"):
        clock.to_us(0)
    watched(clock, time, hours * 3600)
    assert (found, clock.offset_s(), clock.trouble) == ([NEW_YORK], hours * 3600, "")
    assert clock.to_us(round((at + hours * 3600) * 1000)) == round(at * 1e6)


def test_another_zone_is_taken_as_it_is(at: float = WINTER) -> None:
    time = Moment(at)
    clock = ServerClock("auto", now=time)
    watched(clock, time, -5 * 3600 + 0.4)
    assert (clock.zone, clock.measured) == ("-05:00", -18_000)


def test_what_was_found_is_known_to_the_next_process_before_quotes_come() -> None:
    clock = ServerClock("auto", NEW_YORK, now=Moment(SUMMER))
    assert clock.offset_s() == 3 * 3600


def test_a_wrong_memory_is_put_right() -> None:
    time = Moment(WINTER)
    clock = ServerClock("auto", NEW_YORK, now=time)
    watched(clock, time, 0.0)
    assert clock.zone == "+00:00"


def test_quotes_of_a_closed_market_say_nothing() -> None:
    time = Moment(WINTER)
    clock = ServerClock("auto", now=time)
    friday = round((WINTER - 86_400) * 1000)
    for _ in range(100):
        clock.observe("EURUSD", friday)
        time.wait(1.0)
    assert clock.measured is None


def test_old_quotes_that_a_terminal_catches_up_with_say_nothing() -> None:
    time = Moment(WINTER)
    clock = ServerClock("auto", now=time)
    watched(clock, time, 7200.0 - 50_000.0, seconds=60.0, pace=300.0)
    assert clock.measured is None
    clock.observe("EURUSD", round((time.at - 90_000.0) * 1000))
    clock.start_over()
    clock.observe("EURUSD", round((time.at - 80_000.0) * 1000))
    time.wait(30.0)
    clock.observe("EURUSD", round((time.at - 70_000.0) * 1000))
    assert clock.measured is None
    watched(clock, time, 7200.0, seconds=20.0)
    assert clock.measured == 7200


def test_a_wrong_clock_of_this_machine_is_told_and_makes_no_zone() -> None:
    time = Moment(WINTER)
    clock = ServerClock("auto", now=time)
    watched(clock, time, 7200.0 + 95.0)
    assert (clock.measured, clock.offset_s()) == (None, None)
    assert "differ by 95 s" in clock.trouble
    time.wait(95.0)
    watched(clock, time, 7200.0)
    assert (clock.measured, clock.trouble) == (7200, "")


def test_a_zone_of_the_configuration_that_is_wrong_stops_the_times() -> None:
    time = Moment(WINTER)
    clock = ServerClock("Europe/London", now=time)
    watched(clock, time, 7200.0)
    assert "UTC+02:00" in clock.trouble and "UTC+00:00" in clock.trouble
    with pytest.raises(ServerClockError):
        clock.to_us(round(WINTER * 1000))
    assert clock.to_us_or_zero(round(WINTER * 1000)) == 0


def test_summer_begins_while_it_runs() -> None:
    change = datetime(2026, 3, 8, 7, tzinfo=UTC).timestamp()
    time = Moment(change - 3600.0)
    clock = ServerClock("auto", now=time)
    watched(clock, time, 7200.0)
    time.at = change + 100.0
    watched(clock, time, 10_800.0)
    assert (clock.zone, clock.offset_s(), clock.trouble) == (NEW_YORK, 10_800, "")


@pytest.mark.parametrize("name", [NEW_YORK, "Europe/Athens", "+02:00", "-03:30", "UTC"])
@given(at=st.integers(946_684_800, 2_208_988_800))
def test_there_and_back(name: str, at: int) -> None:
    clock = ServerClock(name, now=Moment(float(at)))
    server_s = clock.to_server_s(at * 1_000_000)
    assert server_s == at + zone_rule(name).offset_s(float(at))
    back = clock.to_us(server_s * 1000) // 1_000_000
    # What a clock shows twice, since it is set back in between, is taken for the later one.
    assert back == at or (back == at + 3600 and clock.to_server_s(back * 1_000_000) == server_s)


def test_nothing_is_asked_for_from_before_1970() -> None:
    assert ServerClock("-05:00", now=Moment(WINTER)).to_server_s(0) == 0


@given(at=st.integers(946_684_800, 2_208_988_800))
def test_the_usual_zone_ends_its_day_at_five_in_new_york(at: int) -> None:
    there = datetime.fromtimestamp(at, ZoneInfo("America/New_York"))
    shown = datetime.fromtimestamp(at + zone_rule(NEW_YORK).offset_s(float(at)), UTC)
    assert (shown.hour - there.hour) % 24 == 7


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "+2", "../etc/passwd", "new york"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ServerClockError, match="no zone"):
        zone_rule(name)
