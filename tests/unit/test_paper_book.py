from pathlib import Path

import msgspec
import pytest

from mt5crs_services.gateway.quotes import market as market_module
from mt5crs_shared.messages import PositionClosed
from mt5crs_shared.storage.ledger_queries import total
from mt5crs_shared.trading.orders import Code, Side
from tests.unit.gateway_cases import Office, config, order, tick


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "ledger.db")


@pytest.mark.parametrize(
    ("side", "slippage", "price"),
    [
        ("BUY", 0.0, 1.1001),
        ("SELL", 0.0, 1.1),
        ("BUY", 3.0, 1.10013),
        ("SELL", 3.0, 1.09997),
    ],
)
def test_a_market_order_fills_on_its_own_quote(
    tmp_path: Path, side: Side, slippage: float, price: float
) -> None:
    office = Office(tmp_path / "ledger.db", config(slippage_points=slippage))
    office.feed(tick(0), tick(1_000, 1.2, 1.2001))
    assert office.open(tick(0), side).open_price == price


@pytest.mark.parametrize(
    ("side", "touching", "code", "price"),
    [
        # The gap over a stop is the trader's; a target is never better than asked.
        ("BUY", (1.0890, 1.0891), Code.STOP_LOSS, 1.0890),
        ("BUY", (1.0900, 1.0901), Code.STOP_LOSS, 1.0900),
        ("BUY", (1.1350, 1.1351), Code.TAKE_PROFIT, 1.1200),
        ("SELL", (1.1210, 1.1211), Code.STOP_LOSS, 1.1211),
        ("SELL", (1.0850, 1.0851), Code.TAKE_PROFIT, 1.0900),
        # Crossed quotes touch as well.
        ("BUY", (1.0899, 1.0895), Code.STOP_LOSS, 1.0899),
    ],
)
def test_a_stop_or_target_ends_a_position(
    office: Office, side: Side, touching: tuple[float, float], code: Code, price: float
) -> None:
    low_high = {"stop_loss": 1.09, "take_profit": 1.12}
    if side == "SELL":
        low_high = {"stop_loss": 1.12, "take_profit": 1.09}
    office.feed(tick(0))
    position = office.open(tick(0), side, **low_high)
    office.feed(tick(1_000, 1.0999, 1.1), tick(2_000, *touching), tick(3_000, 1.05, 1.0501))
    office.settle()
    out = office.fills()[-1]
    assert (out.code, out.price, out.time_us) == (code, price, tick(2_000).time_us)
    assert out.order_id == f"{position.ticket}:{code.lower()}"
    assert office.position("euro") is None
    assert office.core.execution.take_mail() == [
        ("euro", PositionClosed("euro", position.ticket, out))
    ]


def test_a_stop_has_slippage_and_a_target_has_none(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", config(slippage_points=2.0))
    office.feed(tick(0))
    office.open(tick(0), stop_loss=1.09, take_profit=1.12)
    office.open(tick(0), strategy="other", stop_loss=1.08, take_profit=1.105)
    office.feed(tick(1_000, 1.106, 1.1061), tick(2_000, 1.089, 1.0891))
    office.settle()
    assert {f.strategy: f.price for f in office.fills()[2:]} == {"other": 1.105, "euro": 1.08898}


def test_where_one_tick_reaches_both_the_stop_counts(office: Office) -> None:
    office.feed(tick(0))
    position = office.open(tick(0), stop_loss=1.0999, take_profit=1.1002)
    closed = office.touch(position, tick(1_000, 1.0998, 1.1003))
    assert closed.fill is not None
    assert closed.fill.code is Code.STOP_LOSS


def test_a_bad_tick_ends_nothing(office: Office) -> None:
    office.feed(tick(0))
    office.open(tick(0), stop_loss=1.09)
    office.feed(tick(1_000, 0.5, 0.5001), tick(-5_000, 1.08, 1.0801), tick(2_000, 0.0, 1.1))
    office.settle()
    assert office.position("euro") is not None


def test_the_opening_quote_may_come_again_before_the_own_stream_is_there(office: Office) -> None:
    # Three equal ticks; the strategy bought on the last one, and its stop was hit before.
    office.feed(tick(0))
    equal = tick(5_000)
    office.open(equal, occurrence=2, stop_loss=1.09)
    office.feed(equal, equal, tick(5_000, 1.08, 1.0801), equal)
    office.settle()
    assert office.position("euro") is not None
    office.feed(tick(6_000, 1.0899, 1.09))
    office.settle()
    assert office.fills()[-1].time_us == tick(6_000).time_us


def test_an_opening_tick_that_never_comes_is_passed_by_a_later_one(office: Office) -> None:
    office.feed(tick(0))
    office.open(tick(1_000), stop_loss=1.09)
    office.feed(tick(1_000, 1.08, 1.0801))
    office.settle()
    assert office.position("euro") is not None
    office.feed(tick(1_001, 1.08, 1.0801))
    office.settle()
    assert office.fills()[-1].code is Code.STOP_LOSS


def test_ticks_without_a_time_are_recognised_by_their_content(office: Office) -> None:
    office.feed(tick(0, timed=False))
    office.open(tick(900, 1.1002, 1.1003, timed=False), stop_loss=1.09)
    office.feed(
        tick(800, 1.0899, 1.09, timed=False),
        tick(1_100, 1.1002, 1.1003, timed=False),
        tick(1_300, 1.0898, 1.09, timed=False),
    )
    office.settle()
    assert office.fills()[-1].price == 1.0898


def test_the_strategy_has_its_say_before_a_touch_is_booked(office: Office) -> None:
    office.feed(tick(0))
    position = office.open(tick(0), stop_loss=1.09)
    office.feed(tick(1_000, 1.101, 1.1011), tick(2_000, 1.08, 1.0801))
    office.core.execution.turn(caught_up=True)
    assert office.position("euro") == position
    # Its order on the tick before the touch is still on its way.
    closed = office.submit(order(tick(1_000, 1.101, 1.1011), "SELL", ticket=position.ticket))
    assert closed.fill is not None
    assert closed.fill.price == 1.101


def test_an_order_after_the_touch_finds_the_position_closed(office: Office) -> None:
    office.feed(tick(0))
    position = office.open(tick(0), stop_loss=1.09)
    office.feed(tick(1_000, 1.08, 1.0801), tick(2_000, 1.1, 1.1001))
    result = office.submit(order(tick(2_000), "SELL", ticket=position.ticket))
    assert (result.code, office.fills()[-1].code) == (Code.NO_POSITION, Code.STOP_LOSS)
    assert "STOP_LOSS" in result.detail


def test_a_disabled_strategy_is_not_waited_for(office: Office) -> None:
    office.feed(tick(0))
    office.open(tick(0), strategy="asleep", stop_loss=1.09)
    office.feed(tick(1_000, 1.08, 1.0801))
    office.core.execution.turn(caught_up=True)
    assert office.position("asleep") is None


@pytest.mark.parametrize(
    ("strategy", "opened", "closed", "profit"),
    [
        ("euro", tick(0, 1.1, 1.1001), tick(9_000, 1.1051, 1.1052), 50.0),
        # 0.5 yen on 10,000 USD, at the closing tick's own mid of 150.505.
        (
            "yen",
            tick(0, 149.99, 150.0, "USDJPY"),
            tick(9_000, 150.5, 150.51, "USDJPY"),
            33.221488,
        ),
        # 50 pounds at the newest GBPUSD mid a second before the deal, 1.25.
        (
            "cross",
            tick(0, 0.8499, 0.85, "EURGBP"),
            tick(9_000, 0.855, 0.8551, "EURGBP"),
            62.5,
        ),
    ],
)
def test_profit_is_told_in_the_accounts_currency(
    office: Office, strategy: str, opened: object, closed: object, profit: float
) -> None:
    office.feed(tick(-1_000_000, 1.24, 1.26, "GBPUSD"), tick(-1, 1.5, 1.5, "GBPUSD"))
    position = office.open(opened, strategy=strategy)  # type: ignore[arg-type]
    result = office.submit(order(closed, "SELL", strategy, ticket=position.ticket))  # type: ignore[arg-type]
    assert result.fill is not None
    assert result.fill.profit == profit


def test_commission_is_charged_at_both_deals_and_the_balance_is_their_sum(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", config(commission_per_lot=3.5))
    position = office.open(tick(0), lots=0.01)
    office.submit(order(tick(1_000), "SELL", lots=0.01, ticket=position.ticket))
    report = office.core.report()
    fills = office.fills()
    assert [f.commission for f in fills] == [0.035, 0.035]
    made = total([f.profit for f in fills] + [-f.commission for f in fills])
    assert made == -0.17
    assert report.balance == report.equity == 9_999.83
    assert {m.strategy: m.realised for m in report.strategies} == {
        "euro": -0.17,
        "other": 0.0,
        "yen": 0.0,
        "cross": 0.0,
        "small": 0.0,
    }


def test_the_account_is_valued_at_the_last_good_quotes(office: Office) -> None:
    office.feed(tick(0))
    office.open(tick(0), stop_loss=1.05)
    office.feed(tick(1_000, 1.102, 1.1021), tick(2_000, 1.2, 1.19), tick(3_000, 0.0, 1.0))
    report = office.core.report()
    money = next(m for m in report.strategies if m.strategy == "euro")
    assert money.floating == 19.0
    assert (report.equity, report.margin, report.free_margin) == (10_019.0, 110.01, 9_908.99)


def test_the_largest_loss_is_closed_when_equity_is_half_of_the_margin(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", config(balance=250.0))
    office.feed(tick(0))
    office.open(tick(0), lots=0.1)
    loser = office.open(tick(0, 1.1, 1.1002), strategy="other", lots=0.12)
    office.feed(tick(1_000, 1.0937, 1.0938))
    office.core.execution.turn(caught_up=False)
    assert len(office.fills()) == 2
    office.feed(tick(2_000, 1.0936, 1.0937))
    office.core.execution.turn(caught_up=True)
    assert [f.ticket for f in office.fills()[2:]] == [loser.ticket]
    assert office.fills()[-1].code is Code.STOP_OUT
    assert office.position("euro") is not None


def test_tickets_count_a_strategys_own_positions(office: Office) -> None:
    tickets = []
    for number, strategy in enumerate(("euro", "other", "euro")):
        at = tick(1_000 * number)
        position = office.open(at, strategy=strategy)
        tickets.append(position.ticket)
        office.submit(order(at, "SELL", strategy, ticket=position.ticket))
    office.restart()
    tickets.append(office.open(tick(9_000)).ticket)
    assert tickets == [7_000_001, 8_000_001, 7_000_002, 7_000_003]


def test_a_stop_hit_while_the_gateway_was_dead_is_found_on_the_tape(office: Office) -> None:
    office.feed(tick(0))
    position = office.open(tick(0), stop_loss=1.09, take_profit=1.12)
    office.tape["EURUSD"] += [tick(1_000, 1.089, 1.0891), tick(2_000, 1.13, 1.1301)]
    office.restart()
    assert office.position("euro") == position
    office.settle()
    out = office.fills()[-1]
    assert (out.code, out.time_us) == (Code.STOP_LOSS, tick(1_000).time_us)


@pytest.mark.parametrize("save", [True, False])
def test_a_touch_outlives_a_crash_far_behind_it(
    office: Office, save: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market_module, "POINT_EVERY", 5)
    office.restart()
    office.feed(tick(0))
    office.open(tick(0), stop_loss=1.09)
    office.feed(tick(1_000, 1.089, 1.0891))
    office.feed(*(tick(2_000 + n) for n in range(40)))
    if save:
        office.core.save()
    office.restart()
    office.settle()
    assert office.fills()[-1].time_us == tick(1_000).time_us


def test_a_killed_gateway_serves_strategies_that_are_behind_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market_module, "POINT_EVERY", 5)
    office.restart()
    office.feed(*(tick(1_000 * n) for n in range(52)), tick(52_500, 1.08, 1.0801))
    office.core.save()
    office.restart()
    assert office.places["EURUSD"] == 53
    office.open(tick(48_000), stop_loss=1.09)
    office.settle()
    assert office.fills()[-1].time_us == tick(52_500).time_us


def test_a_second_crash_while_reading_again_loses_no_stop(office: Office) -> None:
    office.feed(tick(0), tick(1_000))
    office.open(tick(1_000), stop_loss=1.09)
    office.tape["EURUSD"] += [tick(2_000, 1.08, 1.0801), tick(3_000)]
    office.ledger.close()
    office.start()
    office.feed(office.tape["EURUSD"][0], known=True)
    office.core.save()
    office.restart()
    office.settle()
    assert office.fills()[-1].time_us == tick(2_000).time_us


@pytest.mark.parametrize("lost", [slice(0, 2), slice(3, 5), slice(0, 5)])
def test_a_tape_that_has_lost_some_ticks_does_not_end_a_position_twice_or_never(
    office: Office, lost: slice
) -> None:
    office.feed(*(tick(1_000 * n) for n in range(6)))
    office.open(tick(5_000), stop_loss=1.09)
    office.core.save()
    del office.tape["EURUSD"][lost]
    office.tape["EURUSD"] += [tick(7_000, 1.0999, 1.1), tick(8_000, 1.08, 1.0801)]
    office.restart()
    office.settle()
    assert office.fills()[-1].time_us == tick(8_000).time_us


def test_a_tape_that_has_more_than_was_seen_does_not_stop_a_position_out_before_it_opened(
    office: Office,
) -> None:
    office.feed(*(tick(1_000 * n) for n in range(6)))
    office.open(tick(5_000), stop_loss=1.09)
    office.core.save()
    office.tape["EURUSD"][2:2] = [tick(1_500, 1.08, 1.0801), tick(1_600, 1.08, 1.0801)]
    office.restart()
    office.settle()
    assert office.position("euro") is not None
    office.feed(tick(7_000, 1.08, 1.0801))
    office.settle()
    assert office.position("euro") is None


def test_a_strategy_too_far_behind_is_guarded_from_the_newest_tick(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market_module, "KEEP", 10)
    office.restart()
    office.feed(*(tick(1_000 * n, 1.08, 1.0801) for n in range(50)))
    office.open(tick(500), stop_loss=1.09)
    office.settle()
    assert office.position("euro") is not None
    office.feed(tick(99_000, 1.08, 1.0801))
    office.settle()
    assert office.position("euro") is None


def test_with_a_latency_an_order_fills_on_a_later_tick(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", config(latency_ms=2.0))
    office.feed(tick(0))
    request = order(tick(0), stop_loss=1.09)
    assert office.ask_submit(request) is None
    office.feed(tick(1_900, 1.2, 1.2001), tick(2_000, 1.16, 1.15), tick(2_100, 1.15, 1.1501))
    [(strategy, answer)] = office.core.execution.take_mail()
    assert strategy == "euro"
    assert office.submit(request) == answer.result  # type: ignore[union-attr]
    assert office.fills()[0].price == 1.1501
    # The strategy keeps what the ledger has: the quote that it was filled on.
    opened = answer.result.position  # type: ignore[union-attr]
    assert opened == office.position("euro") == office.ledger.open_positions()[0].position
    assert (opened.open_bid, opened.open_ask) == (1.15, 1.1501)
    # Ahead of the strategy, the own stream has the later tick already: answered at once.
    position = office.position("euro")
    assert position is not None
    office.feed(tick(5_000, 1.151, 1.1511), tick(8_000, 1.152, 1.1521))
    closed = office.submit(order(tick(5_000, 1.151, 1.1511), "SELL", ticket=position.ticket))
    assert closed.fill is not None
    assert closed.fill.price == 1.152


def test_an_order_that_waits_for_its_tick_outlives_a_crash(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", config(latency_ms=2.0))
    office.feed(tick(0))
    office.ask_submit(order(tick(0)))
    office.tape["EURUSD"] += [tick(1_000), tick(2_500, 1.12, 1.1201), tick(3_000)]
    office.restart()
    assert [f.price for f in office.fills()] == [1.1201]


def test_a_position_whose_symbol_left_the_configuration_is_guarded(office: Office) -> None:
    position = office.open(tick(0, 149.99, 150.0, "USDJPY"), strategy="yen", stop_loss=149.0)
    office.config = msgspec.structs.replace(office.config, strategies=(), symbols={})
    office.restart()
    assert list(office.market.symbols) == ["USDJPY"]
    assert office.position("yen") == position
    office.feed(tick(1_000, 148.9, 148.91, "USDJPY"))
    office.core.execution.turn(caught_up=False)
    assert office.position("yen") is None
    assert [money.strategy for money in office.core.report().strategies] == ["yen"]
