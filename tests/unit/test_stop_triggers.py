"""Which ticks of the gateway's stream end a position, where the publisher's clock runs ahead."""

from pathlib import Path

import pytest

from mt5crs_services.gateway.brokers.paper import stop_triggers
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_services.gateway.quotes.market import SymbolMarket
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Code, Position
from tests.unit.gateway_cases import Office, order

SPEC = SymbolSpec("EURUSD", 1e5, 5, 0.01, 0.01, 100.0, "USD", "EUR")
SECOND, DAY = 1_000_000, 86_400_000_000
BEGIN = 1_767_571_200 * SECOND
AHEAD = range(10, 14)
"""Seconds in which the publisher's clock was two days ahead."""


def tick(second: int, bid: float = 1.1) -> Tick:
    ahead = 2 * DAY if second in AHEAD else 0
    return Tick("EURUSD", BEGIN + second * SECOND + ahead, bid, bid + 0.0001)


def ended_at(stream: list[Tick], opening: Tick) -> Tick | None:
    """The tick that ends a position whose opening tick the stream has still to show."""
    position = Position(
        ticket=1,
        strategy="euro",
        symbol="EURUSD",
        magic=7,
        side="BUY",
        lots=0.1,
        open_price=opening.ask,
        open_time_us=opening.time_us,
        stop_loss=1.095,
        take_profit=0.0,
    )
    holding, market = OpenPosition(position, opening, 1.0), SymbolMarket(SPEC, None, 1)
    for one in stream:
        market.add(one)
        stop_triggers.look_at(holding, market, one)
        if holding.touch is not None:
            return holding.touch.tick
    return None


def test_a_dip_before_the_opening_ends_nothing_though_the_clock_had_run_ahead() -> None:
    stream = [tick(second, 1.09 if second == 20 else 1.1) for second in range(68)]
    assert ended_at(stream, stream[-1]) is None


def test_one_after_the_opening_does() -> None:
    stream = [tick(second, 1.09 if second in (20, 70) else 1.1) for second in range(80)]
    assert ended_at(stream, stream[67]) == stream[70]


def test_an_opening_that_the_stream_never_shows_is_known_by_later_times() -> None:
    stream = [tick(second, 1.09 if second in (20, 70) else 1.1) for second in range(80)]
    opening = stream.pop(67)
    assert ended_at(stream, opening) == stream[69]


def test_a_position_opened_while_the_clock_was_ahead_is_guarded_when_it_is_back() -> None:
    stream = [tick(second, 1.09 if second == 20 else 1.1) for second in range(30)]
    assert ended_at(stream, stream[13]) == stream[20]


@pytest.mark.parametrize("killed", [False, True])
def test_what_a_clock_that_ran_ahead_seemed_to_end_is_open_when_it_is_back(
    tmp_path: Path, killed: bool
) -> None:
    """It reads its stream again, and stands where the clock was ahead when an order comes."""
    stream = [tick(second, 1.12 if second in AHEAD else 1.1) for second in range(30)]
    office = Office(tmp_path / "ledger.db")
    office.feed(*stream[:14])
    position = office.open(stream[28], take_profit=1.115, stop_loss=1.05)
    office.core.save()
    if killed:
        office.restart()
    office.feed(*stream[14:])
    assert office.position("euro") == position
    closed = office.submit(order(stream[29], "SELL", ticket=position.ticket))
    assert closed.code is Code.FILLED, closed


def test_a_dip_before_the_opening_ends_nothing_for_the_next_gateway_either(tmp_path: Path) -> None:
    stream = [tick(second, 1.04 if second == 20 else 1.1) for second in range(30)]
    office = Office(tmp_path / "ledger.db")
    office.feed(*stream[:14])
    position = office.open(stream[28], take_profit=1.115, stop_loss=1.05)
    office.core.save()
    office.restart()
    office.feed(*stream[14:])
    closed = office.submit(order(stream[29], "SELL", ticket=position.ticket))
    assert closed.code is Code.FILLED, closed
