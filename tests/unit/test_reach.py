"""What the gateway believes of a tick that a strategy names, and what its stream contradicts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mt5crs_services.gateway.quotes import market as market_module
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import Submit, Touched
from mt5crs_shared.trading.orders import Code
from tests.unit.gateway_cases import Office, order, tick

SECOND = 1_000_000
DAY = 86_400 * SECOND


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    opened = Office(tmp_path / "ledger.db")
    yield opened
    opened.ledger.close()


def three_ticks(office: Office) -> None:
    office.feed(tick(0), tick(2 * SECOND), tick(4 * SECOND, 1.101, 1.1011))


def test_a_price_that_the_stream_contradicts_is_refused_and_says_why(office: Office) -> None:
    three_ticks(office)
    forged = order(tick(SECOND, 0.5, 0.5001), lots=1.0)
    result = office.submit(forged)
    assert result.code is Code.UNKNOWN_TICK
    assert "0.5/0.5001 at 2023-11-14T22:13:21" in result.detail
    assert "1.1 to 1.1001 around then" in result.detail
    assert office.submit(forged) == result
    assert office.fills() == []


def test_so_is_one_at_which_a_position_is_to_be_closed(office: Office) -> None:
    three_ticks(office)
    position = office.open(tick(0), take_profit=1.2)
    forged = order(tick(3 * SECOND, 9.0, 9.0001), "SELL", ticket=position.ticket)
    assert office.submit(forged).code is Code.UNKNOWN_TICK
    answer = office.touch(position, tick(3 * SECOND, 9.0, 9.0001))
    assert answer.fill is None
    assert "out of reach" in answer.detail
    assert office.position("euro") == position


@pytest.mark.parametrize(
    "on",
    [
        tick(2 * SECOND),
        tick(3 * SECOND, 1.1005, 1.1006),
        tick(3 * SECOND, 1.109, 1.1091),
        tick(5 * SECOND, 1.1, 1.1001),
        tick(3600 * SECOND, 1.1, 1.1001),
        tick(-SECOND, 1.1, 1.1001),
    ],
    ids=["seen", "only the strategy heard it", "near", "ahead", "an hour ahead", "before"],
)
def test_a_tick_within_reach_is_believed(office: Office, on: Tick) -> None:
    three_ticks(office)
    assert office.submit(order(on)).code is Code.FILLED


@pytest.mark.parametrize("on", [tick(5 * SECOND, 1.2, 1.2001), tick(4 * SECOND + 2 * DAY)])
def test_a_tick_beyond_the_own_stream_waits_until_that_has_come_there(
    office: Office, on: Tick
) -> None:
    three_ticks(office)
    assert office.ask(Submit(order(on))) is None
    assert office.fills() == []
    office.feed(on)
    if office.market.symbols["EURUSD"].number(on, 0) is not None:
        assert office.submit(order(on)).code is Code.FILLED


def test_one_that_never_comes_is_refused_then(office: Office) -> None:
    three_ticks(office)
    forged = order(tick(5 * SECOND, 0.5, 0.5001))
    assert office.ask(Submit(forged)) is None
    office.feed(tick(6 * SECOND))
    assert office.submit(forged).code is Code.UNKNOWN_TICK


def test_a_touch_beyond_the_own_stream_waits_too(office: Office) -> None:
    three_ticks(office)
    position = office.open(tick(0), take_profit=1.2)
    far = tick(5 * SECOND, 1.3, 1.3001)
    assert office.ask(Touched("euro", 1, position.ticket, far)) is None
    assert office.position("euro") == position


def test_one_tick_from_the_future_ends_no_position_and_a_second_one_does(office: Office) -> None:
    three_ticks(office)
    position = office.open(tick(0), stop_loss=1.09)
    ahead = [tick(4 * SECOND + 2 * DAY + n * SECOND, 1.08, 1.0801) for n in (0, 1)]
    office.feed(ahead[0], tick(5 * SECOND), tick(6 * SECOND))
    office.settle()
    assert office.position("euro") == position
    # A strategy that has lost the good ticks before it takes it for confirmed: it was not.
    alone = office.touch(position, ahead[0])
    assert alone.fill is None and "its time is 2023-11-16" in alone.detail
    office.feed(*ahead)
    # Its strategy has it confirmed, too, and says so; nothing has to be waited for.
    closed = office.touch(position, ahead[1])
    assert closed.fill is not None and closed.fill.code is Code.STOP_LOSS
    assert office.position("euro") is None


def test_an_old_price_without_a_time_ends_no_position(office: Office) -> None:
    """Of frames without a time that price was heard before, and it says nothing of now."""
    office.feed(*(tick(n * 400_000, 1.3, 1.3001, timed=False) for n in range(9)))
    later = [tick(10**9 + n * 400_000, 1.1, 1.1001, timed=False) for n in range(9)]
    office.feed(*later)
    position = office.open(later[-1], take_profit=1.2)
    again = tick(10**9 + 10 * 400_000, 1.3, 1.3001, timed=False)
    assert office.ask_touch(position, again) is None
    assert office.position("euro") == position


def test_ticks_without_a_time_are_compared_with_all_of_that_second(office: Office) -> None:
    office.feed(*(tick(n * 400_000, 1.1 + n / 50, 1.1001 + n / 50, timed=False) for n in range(9)))
    heard = tick(1_500_000, 1.199, 1.1991, timed=False)
    assert office.submit(order(heard)).code is Code.FILLED
    forged = order(tick(1_500_000, 1.05, 1.0501, timed=False), strategy="other")
    assert office.submit(forged).code is Code.UNKNOWN_TICK


def test_a_gateway_that_begins_again_compares_with_what_it_saw_last(office: Office) -> None:
    three_ticks(office)
    office.core.save()
    office.ledger.close()
    office.start()
    assert office.ask(Submit(order(tick(5 * SECOND, 0.5, 0.5001)))) is None
    assert office.submit(order(tick(5 * SECOND, 1.101, 1.1011))).code is Code.FILLED


def test_of_a_time_that_is_not_remembered_only_far_prices_are_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market_module, "KEEP", 5)
    office.restart()
    office.feed(*(tick(n * SECOND) for n in range(100, 130)))
    assert office.submit(order(tick(SECOND, 1.15, 1.1501))).code is Code.FILLED
    forged = order(tick(SECOND, 0.5, 0.5001), strategy="other")
    assert office.submit(forged).code is Code.UNKNOWN_TICK


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"lots": 100.01}, Code.BAD_VOLUME, "between"),
        ({"lots": 60.0}, Code.BAD_VOLUME, "its max_position_size is 50"),
        ({"magic": 2**52}, Code.UNKNOWN_STRATEGY, "its magic number is 12"),
    ],
)
def test_an_order_beyond_its_strategys_limits_is_refused(
    office: Office, fields: dict[str, float], code: Code, said: str
) -> None:
    result = office.submit(order(tick(0), strategy="small", **fields))
    assert result.code is code
    assert said in result.detail
    assert office.submit(order(tick(1), strategy="small", lots=0.3)).code is Code.FILLED


def test_without_a_quote_of_the_converting_symbol_a_said_rate_waits(office: Office) -> None:
    opening = order(tick(2 * SECOND, 0.86, 0.8601, "EURGBP"), strategy="cross", rate=1e6)
    assert office.ask(Submit(opening)) is None
    office.feed(tick(0, 1.25, 1.25, "GBPUSD"))
    assert office.submit(opening).code is Code.FILLED
    assert office.ledger.open_positions()[0].rate == 1.25
