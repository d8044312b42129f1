"""What a real account shows besides our own deals: others' positions, other balances, absences."""

import pytest

from mt5crs_shared import events
from mt5crs_shared.storage import account_log
from mt5crs_shared.trading.operator_requests import (
    Adopt,
    AskTrading,
    ClosePositions,
    Settle,
    TradingReport,
)
from mt5crs_shared.trading.orders import Code
from tests.bridges.office import BridgeDesk, hold, restart, settled
from tests.bridges.scripted_bridge import Faults
from tests.integration.test_bridges import BLIND, SEEING
from tests.unit.gateway_cases import order


def noted(desk: BridgeDesk, kind: str) -> list[str]:
    """What the account's owner is told."""
    found = account_log.read_account_events(desk.ledger._db)
    return [event.detail for event in found if event.kind == kind]


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_another_account_is_not_traded(desk: BridgeDesk) -> None:
    held = hold(desk)
    # The terminal is logged in somewhere else: nothing of ours is there, and other money.
    desk.bridge.book.forget(held.ticket)
    desk.bridge.book.deposit(250_000.0)
    desk.until(lambda: "another account" in desk.trouble, "it is seen")
    closing = order(desk.quote(), "SELL", ticket=held.ticket)
    result = desk.result(closing)
    assert result.code is Code.BRIDGE_AWAY
    assert "another account" in result.detail
    assert desk.position("euro") == held
    # Or else money was paid in, and the position was closed for nothing: somebody has looked.
    assert settled(desk, Settle("balance", True, "ann")) == ""
    word = f"`resolve {held.ticket} filled --price P`"
    desk.until(lambda: word in desk.trouble, "the closing that has moved no money")
    assert "no such position" in settled(desk, Settle("99", True, "ann"))
    assert "the broker lists it" in settled(desk, Settle(str(held.ticket), False, "ann"))
    typo = Settle(str(held.ticket), True, "ann", price=held.open_price * 100_000)
    assert "is not meant" in settled(desk, typo)
    for _ in range(2):  # The answer may be lost, and the same asked again.
        assert settled(desk, Settle(str(held.ticket), True, "ann", price=held.open_price)) == ""
    assert desk.position("euro") is None
    assert [(fill.code, fill.profit) for fill in desk.fills()[1:]] == [(Code.MANUAL, 0.0)]
    desk.ready()
    assert "what was expected" in settled(desk, Settle("balance", True, "ann"))
    (told,) = noted(desk, events.BALANCE)
    assert "+250,000.00 that no deal here explains" in told and "accepted by ann" in told


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_an_account_without_money_of_its_own_opens_nothing(desk: BridgeDesk) -> None:
    desk.ready()
    held = desk.result(order(desk.quote())).position
    assert held is not None
    desk.bridge.book.deposit(-desk.bridge.book.balance)
    desk.until(lambda: "was expected" in desk.trouble, "it is seen")
    assert settled(desk, Settle("balance", True, "ann")) == ""
    desk.ready()
    refused = desk.result(order(desk.quote("USDJPY"), strategy="yen", magic=9))
    assert refused.code is Code.NO_MARGIN, refused
    assert "the account's balance is 0.00 USD: nothing is opened before money" in refused.detail
    closed = desk.result(order(desk.quote(), "SELL", ticket=held.ticket))
    assert closed.code is Code.FILLED, closed


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_a_list_without_our_position_is_not_believed_while_no_money_has_moved(
    desk: BridgeDesk,
) -> None:
    """As a terminal tells it that is connecting."""
    desk.ready()
    opened = desk.result(order(desk.quote(), stop_loss=1.0)).position
    assert opened is not None
    hidden = desk.bridge.book.hide(opened.ticket)
    desk.until(lambda: "does not list position" in desk.trouble, "people are told")
    assert not desk.core.broker.ready and desk.position("euro") == opened
    desk.restart()
    desk.until(lambda: "does not list position" in desk.trouble, "by another gateway, too")
    desk.bridge.book.show(hidden)
    desk.ready()
    assert desk.position("euro") == opened and len(desk.fills()) == 1
    # And one that was booked as closed, at somebody's word, is closed by nobody when it is back.
    hidden = desk.bridge.book.hide(opened.ticket)
    desk.until(lambda: "does not list position" in desk.trouble, "people are told")
    assert settled(desk, Settle(str(opened.ticket), True, "ann")) == ""
    desk.bridge.book.show(hidden)
    desk.until(lambda: opened.ticket in desk.foreign, "it is nobody's")
    desk.ready()
    assert [p.ticket for p in desk.bridge.book.positions()] == [opened.ticket]
    desk.quote()
    assert settled(desk, Adopt(opened.ticket, "euro", "ann")) == ""
    closing = order(desk.quote(), "SELL", ticket=opened.ticket)
    assert desk.result(closing).code is Code.FILLED
    assert [fill.entry for fill in desk.fills()] == ["IN", "OUT", "IN", "OUT"]


@pytest.mark.parametrize("desk", ["open_close"], indirect=True)
def test_a_position_that_may_be_an_orders_with_another_volume_is_for_people(
    desk: BridgeDesk,
) -> None:
    desk.ready()
    restart(desk, Faults(dies=2.0))
    lost = order(desk.quote(), lots=0.5)
    desk.send(lost)
    desk.until(lambda: desk.bridge.died, "the bridge has died with it")
    ticket, _, _ = desk.bridge.book.deal("EURUSD", "BUY", 0.03, 0, "by hand")
    desk.bridge.start(Faults())
    desk.until(lambda: f"may have opened position {ticket}" in desk.trouble, "people are asked")
    desk.bridge.book.hide(ticket)
    desk.until(lambda: "is listed no more" in desk.trouble, "and asked on, once it is gone")
    assert lost.order_id not in desk.results
    assert settled(desk, Settle(lost.order_id, False, "ann")) == ""
    desk.until(lambda: lost.order_id in desk.results, "the strategy is told")
    assert desk.results[lost.order_id].code is Code.NOT_DEALT


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_another_account_is_seen_also_while_the_fate_of_an_order_is_not_known(
    desk: BridgeDesk,
) -> None:
    desk.ready()
    restart(desk, Faults(loses=1.0))
    lost, other = order(desk.quote()), order(desk.quote("USDJPY"), strategy="yen")
    desk.send(lost)
    desk.until(lambda: desk.bridge.book.deals(), "it is dealt")
    desk.bridge.kill()
    # The bridge comes back on an account with half of the money, and without the position.
    (ours,) = desk.bridge.book.positions()
    desk.bridge.book.hide(ours.ticket)
    desk.bridge.book.deposit(-5_000.0)
    desk.bridge.start(Faults())
    desk.until(lambda: "another account" in desk.trouble, "it is seen")
    assert desk.result(other).code is Code.BRIDGE_AWAY
    assert lost.order_id not in desk.results
    assert len(desk.bridge.book.deals()) == 1


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_a_bridge_that_is_away_for_an_hour_is_believed_when_it_is_back(desk: BridgeDesk) -> None:
    desk.ready()
    opened = desk.result(order(desk.quote(), stop_loss=1.0, take_profit=1.2)).position
    assert opened is not None
    restart(desk, Faults(loses=1.0))
    doubted = order(desk.quote("USDJPY"), strategy="yen")
    desk.send(doubted)
    desk.until(lambda: len(desk.bridge.book.deals()) == 2, "dealt, and the answer is lost")
    desk.bridge.kill()
    desk.until(lambda: not desk.core.broker.ready, "it is away")
    for _ in range(7):
        desk.later += 600.0
        late = order(desk.quote(), "SELL", ticket=opened.ticket)
        desk.send(late)
        desk.later += 3.0
        desk.until(lambda late=late: late.order_id in desk.results, "it is refused")  # type: ignore[misc]
        assert desk.results[late.order_id].code is Code.BRIDGE_AWAY
    assert "not connected to the bridge for 36" in desk.trouble
    report = desk.core.handle(ClosePositions((opened.ticket,), "ann"), caught_up=True)
    assert isinstance(report, TradingReport) and not report.under_way
    assert "not connected to the bridge" in report.kept[opened.ticket]
    assert desk.position("euro") == opened
    desk.bridge.book.close(opened.ticket, opened.lots, "sl", price=1.0)
    desk.restart()
    desk.bridge.start(Faults())
    desk.until(lambda: doubted.order_id in desk.results, "the fate of the one that was dealt")
    desk.until(lambda: desk.position("euro") is None, "the stop is booked")
    assert desk.results[doubted.order_id].code is Code.FILLED
    codes = [fill.code for fill in desk.fills()]
    assert sorted(codes) == [Code.FILLED, Code.FILLED, Code.STOP_LOSS]
    assert len(desk.bridge.book.deals()) == 3
    assert desk.trouble == ""


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_a_balance_that_jumps_stops_everything(desk: BridgeDesk) -> None:
    desk.ready()
    desk.bridge.book.deposit(5_000.0)
    desk.until(lambda: "was expected" in desk.trouble, "it is seen")
    assert not desk.core.broker.ready
    desk.restart()
    desk.until(lambda: "was expected" in desk.trouble, "another gateway sees it, too")
    desk.bridge.book.deposit(-5_000.0)
    desk.ready()
    desk.bridge.book.deposit(-12.5)
    desk.until(lambda: desk.offset == -12.5, "a small one is taken note of")
    assert desk.core.broker.ready
    # Commissions: none of them is worth a message, and all of them together are.
    for number in range(1, 4):
        assert len(noted(desk, events.BALANCE)) == 1
        desk.bridge.book.deposit(-3.5)
        desk.until(lambda n=number: desk.offset == -12.5 - 3.5 * n, "one more")  # type: ignore[misc]
        desk.restart()
        desk.ready()
    first, second = noted(desk, events.BALANCE)
    assert "9,987.50: -12.50 besides" in first and "-12.50 that no deal here explains" in first
    assert "9,977.00: -10.50 besides" in second


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_positions_of_others_are_left_alone(desk: BridgeDesk) -> None:
    desk.ready()
    ticket, _, _ = desk.bridge.book.deal("GBPUSD", "BUY", 0.5, 0, "by hand")
    desk.until(lambda: ticket in desk.foreign, "it is seen")
    result = desk.result(order(desk.quote()))
    assert result.code is Code.FILLED
    assert ticket in {position.ticket for position in desk.bridge.book.positions()}
    assert noted(desk, events.FOREIGN) == [
        f"position {ticket} (BUY 0.5 GBPUSD) is not ours, and is left alone; see `adopt`"
    ]


@pytest.mark.parametrize("desk", ["trade"], indirect=True)
def test_on_an_account_that_nets_nothing_is_netted_against_somebody_elses_position(
    desk: BridgeDesk,
) -> None:
    desk.ready()
    book = desk.bridge.book
    ticket, _, _ = book.deal("EURUSD", "BUY", 0.5, 0, "by hand")
    desk.until(lambda: ticket in desk.foreign, "it is seen")
    result = desk.result(order(desk.quote(), "SELL"))
    assert result.code is Code.FOREIGN_POSITION
    assert f"position {ticket} (BUY 0.5) is no strategy's here" in result.detail
    assert [(found.ticket, found.lots) for found in book.positions()] == [(ticket, 0.5)]
    assert settled(desk, Adopt(ticket, "euro", "ann")) == ""
    closing = order(desk.quote(), "SELL", ticket=ticket, lots=0.5)
    assert desk.result(closing).code is Code.FILLED
    assert desk.result(order(desk.quote(), "SELL")).code is Code.FILLED


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_a_position_of_nobodys_becomes_a_strategys_own(desk: BridgeDesk) -> None:
    desk.ready()
    ticket, _, price = desk.bridge.book.deal("EURUSD", "BUY", 0.5, 0, "by hand")
    word = Adopt(ticket, "euro", "ann")
    assert "lists no such position" in settled(desk, word)
    desk.until(lambda: ticket in desk.foreign, "it is seen")
    assert "no quote of EURUSD" in settled(desk, word)
    desk.quote()
    assert "does not run in this configuration" in settled(desk, Adopt(ticket, "nobody", "ann"))
    assert "trades " in settled(desk, Adopt(ticket, "yen", "ann"))
    report = desk.core.handle(AskTrading(), caught_up=True)
    assert isinstance(report, TradingReport)
    assert [(p.ticket, p.side, p.strategy) for p in report.foreign] == [(ticket, "BUY", "")]

    for _ in range(2):  # The answer may be lost, and the same asked again.
        assert settled(desk, word) == ""
    held = desk.position("euro")
    assert held is not None
    assert (held.ticket, held.lots, held.open_price) == (ticket, 0.5, price)
    assert "it is euro's already" in settled(desk, Adopt(ticket, "other", "ann"))

    desk.restart()
    desk.ready()
    assert desk.closed == []  # It is no closing that a strategy would have to hear of.
    desk.bridge.book.quote("EURUSD", price + 0.01)
    closing = order(desk.quote(), "SELL", ticket=ticket, lots=0.5)
    assert desk.result(closing).code is Code.FILLED
    codes = [(deal.fill.entry, deal.fill.code) for deal in desk.ledger.deals()]
    assert codes == [("IN", Code.ADOPTED), ("OUT", Code.FILLED)]
    made = desk.ledger.deals()[-1].fill.profit
    assert made == pytest.approx(500.0, abs=20.0)  # Since it was opened, less the spread.
    desk.bridge.book.deposit(1.0)
    desk.until(lambda: desk.offset == 1.0, "and besides it the balance is what it was")
    assert noted(desk, events.BALANCE) == []


@pytest.mark.parametrize("desk", BLIND, indirect=True)
def test_where_nobody_can_look_nothing_is_said_to_be_there(desk: BridgeDesk) -> None:
    desk.ready()
    desk.quote()
    assert "cannot say what is open" in settled(desk, Adopt(1, "euro", "ann"))
    report = desk.core.handle(AskTrading(), caught_up=True)
    assert isinstance(report, TradingReport)
    assert report.foreign is None


@pytest.mark.parametrize("desk", ["open_close"], indirect=True)
def test_nothing_is_adopted_while_an_order_is_on_its_way(desk: BridgeDesk) -> None:
    desk.ready()
    ticket, _, _ = desk.bridge.book.deal("EURUSD", "BUY", 0.1, 0, "by hand")
    desk.until(lambda: ticket in desk.foreign, "it is seen")
    desk.bridge.pause()
    wanted = order(desk.quote())
    desk.send(wanted)
    assert "order is on its way" in settled(desk, Adopt(ticket, "other", "ann"))
    desk.bridge.go_on()
    desk.until(lambda: wanted.order_id in desk.results, "its end")
    held = desk.position("euro")
    assert held is not None
    assert f"euro holds position {held.ticket}" in settled(desk, Adopt(ticket, "euro", "ann"))
