"""Quotes of the terminal: every one published once, in UTC; and its history."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt5crs_services.mt5_gateway import ticks as module
from mt5crs_services.mt5_gateway.history import TerminalHistory
from mt5crs_services.mt5_gateway.requests import AskBars, AskTicks
from mt5crs_services.mt5_gateway.terminal.server_clock import ServerClock
from mt5crs_services.mt5_gateway.terminal.terminal import Login, Mt5Terminal, TerminalError
from mt5crs_services.mt5_gateway.terminal.terminal_view import TerminalView
from mt5crs_services.mt5_gateway.ticks import TickPoller
from mt5crs_shared.market import wire
from mt5crs_shared.market.ticks import Tick
from tests.mt5_standin.broker import Broker
from tests.mt5_standin.instruments import Instrument
from tests.mt5_standin.package import StandIn
from tests.unit.mt5_cases import Moment

START = 1_768_392_000.0


class Desk:
    def __init__(self, zone: str = "+02:00", symbols: tuple[str, ...] = ("EURUSD",)) -> None:
        self.time = Moment(START)
        self.broker = Broker(now=self.time)
        for name in symbols:
            self.broker.instruments.setdefault(name, Instrument(name))
            self.broker.quote(name, 1.1, 1.1001)
        self.package = StandIn(self.broker)
        self.terminal = Mt5Terminal(self.package, Login(), monotonic=self.time)
        self.terminal.attach()
        self.clock = ServerClock(zone, now=self.time)
        self.view = TerminalView(self.terminal, self.clock)
        self.poller = TickPoller(self.terminal, self.view, self.clock, symbols, self.time)
        self.history = TerminalHistory(self.terminal, self.view, self.clock, self.time)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_quote_is_published_as_t1_in_utc(desk: Desk) -> None:
    assert list(desk.poller.poll()) == []
    desk.time.wait(0.25)
    desk.broker.quote("EURUSD", 1.2, 1.2001)
    (tick,) = desk.poller.poll()
    assert tick == Tick("EURUSD", round((START + 0.25) * 1e6), 1.2, 1.2001, 0.0)
    frame = wire.encode(tick)
    assert frame.startswith(b'EURUSD {"type": "tick", "symbol": "EURUSD"')
    assert wire.decode([frame], 0) == tick
    assert list(desk.poller.poll()) == []


@settings(max_examples=60)
@given(
    gaps=st.lists(st.lists(st.integers(0, 1500), max_size=8), max_size=12),
    chunk=st.integers(2, 6),
)
def test_nothing_is_lost_and_nothing_comes_twice(gaps: list[list[int]], chunk: int) -> None:
    before, module.CHUNK = module.CHUNK, chunk  # type: ignore[misc]
    try:
        desk = Desk()
        taken = list(desk.poller.poll())
        price = 1.0
        for poll in gaps:
            for gap in poll:
                desk.time.wait(gap / 1000.0)
                price = round(price + 0.00001, 5)
                desk.broker.quote("EURUSD", price, price)
            taken += desk.poller.poll()
        published = [round(tick.bid, 5) for tick in taken]
        there = [bid for _, bid, _ in desk.broker.instruments["EURUSD"].ticks[1:]]
        assert published == there
    finally:
        module.CHUNK = before  # type: ignore[misc]


def test_quotes_wait_for_the_zone_and_none_is_lost() -> None:
    desk = Desk("auto")
    taken: list[Tick] = []
    for number in range(10):
        taken += desk.poller.poll()
        desk.time.wait(1.0)
        desk.broker.quote("EURUSD", 1.1 + number / 1e5, 1.2)
    taken += desk.poller.poll()
    assert desk.clock.zone == "new-york-close"
    assert [round(tick.bid, 5) for tick in taken] == [
        round(1.1 + number / 1e5, 5) for number in range(10)
    ]


def test_a_terminal_that_was_away_brings_what_came_meanwhile(desk: Desk) -> None:
    list(desk.poller.poll())
    desk.package.down = True
    assert list(desk.poller.poll()) == []
    for number in range(3):
        desk.time.wait(10.0)
        desk.broker.quote("EURUSD", 1.2 + number / 100, 1.3)
    desk.package.down = False
    desk.time.wait(30.0)
    assert desk.terminal.attach()
    assert [tick.bid for tick in desk.poller.poll()] == [1.2, 1.21, 1.22]


def test_a_symbol_that_is_not_there_holds_no_other_one_up() -> None:
    desk = Desk(symbols=("XXXYYY", "EURUSD"))
    del desk.broker.instruments["XXXYYY"]
    list(desk.poller.poll())
    desk.time.wait(1.0)
    desk.broker.quote("EURUSD", 1.2, 1.3)
    assert [tick.symbol for tick in desk.poller.poll()] == ["EURUSD"]
    assert "no symbol XXXYYY" in desk.poller.trouble["XXXYYY"]
    desk.broker.instruments["XXXYYY"] = Instrument("XXXYYY", selected=False)
    desk.time.wait(31.0)
    list(desk.poller.poll())
    assert desk.poller.trouble == {}
    assert desk.broker.instruments["XXXYYY"].selected


def test_any_number_of_symbols() -> None:
    names = tuple(f"SYM{number}" for number in range(200))
    desk = Desk(symbols=names)
    list(desk.poller.poll())
    desk.time.wait(0.001)
    for name in names:
        desk.broker.quote(name, 1.5, 1.6)
    assert [tick.symbol for tick in desk.poller.poll()] == list(names)


def with_bars(desk: Desk, count: int) -> None:
    opened = int(START) + 7200 - (count - 1) * 60
    desk.broker.instruments["EURUSD"].rates = [
        [opened + number * 60, 1.1, 1.2, 1.0, 1.15, 7, 8, 0] for number in range(count)
    ]


def test_bars_are_closed_ones_in_utc(desk: Desk) -> None:
    with_bars(desk, 10)
    desk.time.wait(20.0)
    report = desk.history.bars(AskBars("EURUSD", "M1", 3))
    starts = [round((START - 60 * back) * 1e6) for back in (3, 2, 1)]
    assert [bar.time_us for bar in report.bars] == starts
    assert report.bars[0].close == 1.15
    desk.time.wait(40.0)
    assert desk.history.bars(AskBars("EURUSD", "M1", 1)).bars[0].time_us == round(START * 1e6)


def test_bars_before_a_moment(desk: Desk) -> None:
    with_bars(desk, 10)
    before = round((START - 120) * 1e6)
    (bar,) = desk.history.bars(AskBars("EURUSD", "M1", 1, before)).bars
    assert bar.time_us == round((START - 180) * 1e6)


def test_ticks_of_the_history_come_in_pages_without_a_gap(desk: Desk) -> None:
    for number in range(25):
        desk.time.wait(0.0 if number % 3 else 0.4)
        desk.broker.quote("EURUSD", 1.0 + number / 1e5, 2.0)
    desk.time.wait(1.0)
    since, skip, found = round(START * 1e6), 0, []
    while True:
        report = desk.history.ticks(AskTicks("EURUSD", since, count=4, skip=skip))
        found += report.ticks
        if not report.more:
            break
        since = report.ticks[-1].time_us
        skip = sum(1 for tick in found if tick.time_us == since)
    there = [bid for _, bid, _ in desk.broker.instruments["EURUSD"].ticks]
    assert [tick.bid for tick in found] == there


def test_history_of_an_unknown_symbol_says_which(desk: Desk) -> None:
    with pytest.raises(TerminalError, match="no symbol NONE"):
        desk.history.bars(AskBars("NONE", "M1", 3))
