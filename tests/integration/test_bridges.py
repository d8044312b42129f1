"""The gateway behind real bridges, in processes of their own, one for each dialect."""

import pytest

from mt5crs_services.gateway.brokers.bridge.account.snapshots import KEY as SNAPSHOT
from mt5crs_services.gateway.brokers.bridge.bridge_broker import BridgeBroker
from mt5crs_services.gateway.brokers.bridge.bridge_link import BridgeLink
from mt5crs_shared.trading.locks import TradingLock, TradingState
from mt5crs_shared.trading.operator_requests import (
    ClosePositions,
    Settle,
    TradingReport,
)
from mt5crs_shared.trading.orders import Code
from tests.bridges.office import BridgeDesk, hold, restart, settled
from tests.bridges.scripted_bridge import Faults
from tests.unit.gateway_cases import order

SEEING = ("trade", "open_close")
BLIND = ("order_send", "expert_advisor")


@pytest.mark.parametrize("desk", [*SEEING, *BLIND], indirect=True)
def test_a_position_is_opened_and_closed(desk: BridgeDesk) -> None:
    desk.ready()
    opened = desk.result(order(desk.quote(), "SELL", stop_loss=1.2, take_profit=1.0))
    assert opened.code is Code.FILLED, opened
    position = desk.position("euro")
    assert position is not None
    (booked,) = desk.bridge.book.positions()
    assert (booked.ticket, booked.side, booked.lots) == (position.ticket, "SELL", 0.1)
    closed = desk.result(order(desk.quote(), "BUY", ticket=position.ticket))
    assert closed.code is Code.FILLED, closed
    assert desk.position("euro") is None
    assert desk.bridge.book.positions() == []


@pytest.mark.parametrize("desk", SEEING[:1], indirect=True)
@pytest.mark.parametrize("name", ["hand", "fate", "snapshot"])
def test_no_name_of_a_strategy_is_taken_for_a_question_of_our_own(
    desk: BridgeDesk, name: str
) -> None:
    desk.ready()
    opened = desk.result(order(desk.quote(), order_id=f"{name}:1700000000000000:0:OPEN"))
    assert opened.code is Code.FILLED, opened


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_an_answer_that_is_lost_is_found_in_the_account(desk: BridgeDesk) -> None:
    desk.ready()
    restart(desk, Faults(loses=1.0))
    result = desk.result(order(desk.quote()))
    assert (result.code, result.detail) == (Code.FILLED, "found in the account")
    (booked,) = desk.bridge.book.positions()
    assert desk.position("euro").ticket == booked.ticket  # type: ignore[union-attr]


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_an_order_that_died_with_its_bridge_was_not_dealt(desk: BridgeDesk) -> None:
    desk.ready()
    restart(desk, Faults(dies=2.0))
    wanted = order(desk.quote())
    desk.send(wanted)
    desk.until(lambda: desk.bridge.died, "the bridge has died")
    desk.bridge.start(Faults())
    desk.until(lambda: wanted.order_id in desk.results, "its fate")
    assert desk.results[wanted.order_id].code is Code.NOT_DEALT
    assert desk.bridge.book.deals() == []


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_a_gateway_that_is_killed_meanwhile_finds_it(desk: BridgeDesk) -> None:
    desk.ready()
    restart(desk, Faults(loses=1.0))
    wanted = order(desk.quote())
    desk.send(wanted)
    desk.until(lambda: desk.bridge.book.deals(), "the deal")
    desk.restart()
    desk.quote()
    desk.until(lambda: wanted.order_id in desk.results, "its fate")
    assert desk.results[wanted.order_id].code is Code.FILLED
    assert len(desk.bridge.book.deals()) == 1


@pytest.mark.parametrize("desk", [*SEEING, *BLIND], indirect=True)
def test_a_requote_is_sent_again_three_times_at_most(desk: BridgeDesk) -> None:
    desk.ready()
    restart(desk, Faults(requotes=1.0))
    result = desk.result(order(desk.quote()))
    assert result.code is Code.BROKER
    assert desk.bridge.book.deals() == []


@pytest.mark.parametrize("desk", ["open_close"], indirect=True)
def test_filled_with_ticket_0_is_not_filled(desk: BridgeDesk) -> None:
    desk.ready()
    restart(desk, Faults(refuses=1.0, lies=1.0))
    result = desk.result(order(desk.quote()))
    assert result.code is Code.NOT_DEALT
    assert desk.position("euro") is None


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_a_part_of_the_volume_is_a_part(desk: BridgeDesk) -> None:
    desk.ready()
    restart(desk, Faults(partial=1.0))
    result = desk.result(order(desk.quote(), lots=0.1))
    assert result.code is Code.PARTIAL
    assert desk.position("euro").lots == 0.05  # type: ignore[union-attr]


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_what_is_closed_in_the_terminal_is_booked_with_what_it_made(desk: BridgeDesk) -> None:
    desk.ready()
    desk.result(order(desk.quote(), lots=0.1))
    held = desk.position("euro")
    assert held is not None
    desk.bridge.book.close(held.ticket, 0.04, "client", price=held.open_price + 0.0010)
    desk.until(lambda: desk.position("euro").lots == 0.06, "the part")  # type: ignore[union-attr]
    desk.bridge.book.close(held.ticket, 0.06, "client", price=held.open_price - 0.0010)
    desk.until(lambda: desk.position("euro") is None, "the rest")
    codes = [(fill.code, fill.lots, fill.profit) for fill in desk.fills()[1:]]
    assert codes == [(Code.MANUAL, 0.04, 4.0), (Code.MANUAL, 0.06, -6.0)]
    assert [closed.ticket for closed in desk.closed] == [held.ticket] * 2


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_a_stop_that_the_broker_does_not_have_is_guarded_here(desk: BridgeDesk) -> None:
    desk.ready()
    restart(desk, Faults(drops_stops=1.0))
    bid = desk.bridge.book.bid("EURUSD")
    stops = {"stop_loss": round(bid - 0.01, 5), "take_profit": round(bid + 0.01, 5)}
    desk.result(order(desk.quote(), **stops))
    held = desk.position("euro")
    assert held is not None
    if desk.bridge.dialect == "trade":
        desk.until(lambda: held.ticket in desk.unguarded, "the missing stop is seen")
        desk.bridge.book.quote("EURUSD", bid - 0.02)
        desk.quote()
        desk.until(lambda: desk.position("euro") is None, "its end")
        assert desk.fills()[-1].code is Code.STOP_LOSS


@pytest.mark.parametrize("desk", BLIND, indirect=True)
def test_where_nobody_can_look_somebody_says_it(desk: BridgeDesk) -> None:
    desk.ready()
    restart(desk, Faults(loses=1.0))
    wanted = order(desk.quote())
    desk.send(wanted)
    desk.until(lambda: "nobody knows" in desk.trouble, "people are asked")
    assert f"resolve {wanted.order_id} filled" in desk.trouble
    (deal,) = desk.bridge.book.deals()
    assert "ticket" in settled(desk, Settle(wanted.order_id, True, "ann"))
    word = Settle(wanted.order_id, True, "ann", deal.ticket, price=deal.price)
    assert settled(desk, word) == ""
    desk.until(lambda: wanted.order_id in desk.results, "the strategy is told")
    result = desk.results[wanted.order_id]
    assert (result.code, result.detail) == (Code.FILLED, "ann has looked in the terminal")
    assert settled(desk, word) == ""
    assert "no order of that id" in settled(desk, Settle("another", False, "ann"))


@pytest.mark.parametrize(("dealt", "asking"), [(True, False), (True, True), (False, False)])
@pytest.mark.parametrize("desk", ["open_close"], indirect=True)
def test_what_a_lost_order_may_have_made_is_given_to_no_other_position(
    desk: BridgeDesk, dealt: bool, asking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.ready()
    held = desk.result(order(desk.quote(), strategy="other", magic=8, order_id="first")).position
    assert held is not None
    restart(desk, Faults(loses=1.0))
    wanted = order(desk.quote())
    desk.send(wanted)
    desk.until(lambda: len(desk.bridge.book.deals()) == 2, "it is dealt, and its answer lost")
    lost = desk.bridge.book.deals()[1]
    if dealt:
        desk.bridge.book.close(lost.ticket, lost.lots, "sl", price=lost.price - 0.0007)
    else:
        desk.bridge.book.forget(lost.ticket)
    desk.bridge.book.close(held.ticket, held.lots, "client", price=held.open_price - 0.0005)
    # Before people are asked: then the others are booked at the quotes, and it alone is left.
    broker = desk.core.broker
    assert isinstance(broker, BridgeBroker)
    desk.until(lambda: broker.in_doubt, "its answer is waited for no more")
    if asking:
        asked = pause_when_asked(desk, monkeypatch)
        desk.until(lambda: asked, "the account is asked for")
    word = Settle(wanted.order_id, dealt, "ann", *((lost.ticket, lost.lots, lost.price) * dealt))
    assert settled(desk, word) == ""
    desk.bridge.go_on()
    desk.until(lambda: desk.core.broker.positions() == {}, "all is booked")
    code = Code.FILLED if dealt else Code.NOT_DEALT
    assert desk.results[wanted.order_id].code is code
    made = {fill.ticket: fill.profit for fill in desk.fills() if fill.entry == "OUT"}
    assert sum(made.values()) == (-12.0 if dealt else -5.0)
    assert made.keys() == ({held.ticket, lost.ticket} if dealt else {held.ticket})


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_a_closing_is_dealt_whatever_was_quoted_when_the_position_was_booked(
    desk: BridgeDesk,
) -> None:
    desk.ready()
    before = desk.quote()
    opening = order(desk.quote())
    desk.quote()
    held = desk.result(opening).position
    assert held is not None
    # A strategy that is a tick behind the gateway, and answers each tick.
    assert desk.result(order(before, "SELL", ticket=held.ticket)).code is Code.FILLED


@pytest.mark.parametrize("desk", ["open_close"], indirect=True)
def test_an_order_that_waits_passes_the_locks_once_more(desk: BridgeDesk) -> None:
    desk.ready()
    desk.bridge.pause()
    first, second = order(desk.quote()), order(desk.quote(), strategy="other")
    desk.send(first)
    desk.send(second)
    lock = TradingLock("kill-switch", "", TradingState.HALTED, "ann", "", 0.0)
    desk.core.locks.put([lock])
    desk.bridge.go_on()
    desk.until(lambda: second.order_id in desk.results, "its refusal")
    assert desk.results[second.order_id].code is Code.LOCKED
    desk.until(lambda: first.order_id in desk.results, "the one that had left")
    assert [deal.lots for deal in desk.bridge.book.deals()] == [0.1]


def pause_when_asked(desk: BridgeDesk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have the bridge stand still before the account is asked for; then that is in the list."""
    asked: list[str] = []
    send = BridgeLink.send

    def paused(link: BridgeLink, key: str, body: bytes, deals: bool) -> bool:
        if key == SNAPSHOT and not asked:
            desk.bridge.pause()
            asked.append(key)
        return send(link, key, body, deals)

    monkeypatch.setattr(BridgeLink, "send", paused)
    return asked


@pytest.mark.parametrize("desk", SEEING, indirect=True)
def test_who_flattens_in_the_moment_of_a_restart_is_to_ask_again(desk: BridgeDesk) -> None:
    held = hold(desk)
    desk.restart()
    wanted = ClosePositions((held.ticket,), "ann")
    report = desk.core.handle(wanted, caught_up=True)
    assert isinstance(report, TradingReport)
    assert report.catching_up and "not been seen" in report.kept[held.ticket]
    desk.ready()
    report = desk.core.handle(wanted, caught_up=True)
    assert isinstance(report, TradingReport)
    assert report.under_way and not report.catching_up


@pytest.mark.parametrize("desk", [*SEEING, *BLIND], indirect=True)
def test_flatten_asks_the_broker_and_hears_when_it_is_done(desk: BridgeDesk) -> None:
    held = hold(desk)
    wanted = ClosePositions((held.ticket,), "ann")
    report = desk.core.handle(wanted, caught_up=True)
    assert isinstance(report, TradingReport)
    assert report.under_way and "has been asked" in report.kept[held.ticket]
    desk.until(lambda: desk.position("euro") is None, "it is closed")
    report = desk.core.handle(wanted, caught_up=True)
    assert isinstance(report, TradingReport)
    assert [(fill.ticket, fill.code) for fill in report.closed] == [(held.ticket, Code.MANUAL)]
    assert len(desk.bridge.book.deals()) == 2


@pytest.mark.parametrize("desk", [*SEEING, *BLIND], indirect=True)
def test_a_made_up_market_moves_no_money(desk: BridgeDesk) -> None:
    desk.ready()
    held = desk.result(order(desk.quote(), stop_loss=1.0)).position
    assert held is not None
    desk.core.broker.simulated = True
    result = desk.result(order(desk.quote(), "SELL", ticket=held.ticket))
    assert (result.code, "made-up" in result.detail) == (Code.BRIDGE_AWAY, True)
    assert "made-up" in desk.trouble
    assert len(desk.bridge.book.deals()) == 1


@pytest.mark.parametrize("desk", BLIND, indirect=True)
def test_a_guarded_stop_is_sent_once_also_by_a_gateway_that_is_killed(desk: BridgeDesk) -> None:
    desk.ready()
    bid = desk.bridge.book.bid("EURUSD")
    desk.result(order(desk.quote(), stop_loss=round(bid - 0.01, 5)))
    restart(desk, Faults(loses=1.0))
    desk.bridge.book.quote("EURUSD", bid - 0.02)
    desk.quote()
    desk.until(lambda: len(desk.bridge.book.deals()) == 2, "the stop is sent")
    desk.restart()
    for _ in range(5):
        desk.quote()
        desk.turn()
    desk.until(lambda: "nobody knows" in desk.trouble, "people are asked")
    (own,) = desk.far_side.closing
    deal = desk.bridge.book.deals()[1]
    word = Settle(own.order.order_id, True, "ann", lots=deal.lots, price=deal.price)
    assert settled(desk, word) == ""
    assert desk.position("euro") is None
    assert desk.fills()[-1].code is Code.STOP_LOSS
    assert (len(desk.bridge.book.deals()), desk.far_side.closing) == (2, ())


@pytest.mark.parametrize("desk", BLIND, indirect=True)
def test_a_guarded_stop_waits_for_a_closing_that_an_earlier_gateway_has_sent(
    desk: BridgeDesk,
) -> None:
    desk.ready()
    bid = desk.bridge.book.bid("EURUSD")
    desk.result(order(desk.quote(), stop_loss=round(bid - 0.01, 5)))
    held = desk.position("euro")
    assert held is not None
    restart(desk, Faults(loses=1.0))
    closing = order(desk.quote(), "SELL", ticket=held.ticket)
    desk.send(closing)
    desk.until(lambda: len(desk.bridge.book.deals()) == 2, "it is dealt, and its answer lost")
    desk.restart()
    desk.bridge.book.quote("EURUSD", bid - 0.02)
    desk.quote()
    desk.until(lambda: f"resolve {closing.order_id}" in desk.trouble, "people are asked")
    assert desk.far_side.closing == ()
    deal = desk.bridge.book.deals()[1]
    word = Settle(closing.order_id, True, "ann", lots=deal.lots, price=deal.price)
    assert settled(desk, word) == ""
    assert (desk.position("euro"), desk.fills()[-1].order_id) == (None, closing.order_id)
