"""What the broker's own deals, and the program beside the terminal, tell of orders."""

import signal
import time
from typing import Any

import msgspec
import pytest

from mt5crs_services.gateway.brokers.bridge.bridge_broker import BridgeBroker
from mt5crs_services.gateway.brokers.bridge.reconciliation import Reconciliation
from mt5crs_services.mt5_gateway.answers import OrderReport
from mt5crs_services.mt5_gateway.requests import AskOrder
from mt5crs_shared import events
from mt5crs_shared.trading.operator_requests import Settle
from mt5crs_shared.trading.orders import Code, Order
from tests.bridges.office import settled
from tests.integration.test_bridge_account import noted
from tests.integration.test_windows_bridge import Desk, Killed, charged, desk, traded
from tests.unit.gateway_cases import order

__all__ = ["desk"]


def test_what_is_paid_in_is_no_part_of_a_position_that_ends_in_the_same_moment(desk: Desk) -> None:
    desk.ready()
    held = desk.result(order(desk.quote(), stop_loss=1.0)).position
    assert held is not None
    desk.until(lambda: len(charged(desk)) == 1, "its opening is charged")
    windows = desk.bridge.windows
    assert windows.process is not None
    windows.process.send_signal(signal.SIGSTOP)
    windows.happens("paid", 40)
    windows.happens("closed", [held.ticket, -1.5])
    windows.process.send_signal(signal.SIGCONT)
    desk.until(lambda: desk.position("euro") is None, "it is seen that it is gone")
    (deal,) = [d for d in windows.book()["deals"] if d["entry"] == 1]
    assert desk.fills()[-1].profit == pytest.approx(deal["profit"])
    desk.until(lambda: noted(desk, events.BALANCE), "the deposit is told")
    assert "paid in or out +40.00; the ledger's" in noted(desk, events.BALANCE)[0]


def test_an_order_that_the_broker_has_not_decided_yet_is_not_given_up(desk: Desk) -> None:
    desk.ready()
    desk.bridge.windows.faults({"delay_s": 5.0, "visible": True, "answer": "none"})
    begun = time.monotonic()
    bought = desk.result(order(desk.quote(), stop_loss=1.0))
    assert time.monotonic() > begun + 4.0
    assert bought.code is Code.FILLED, bought
    assert [fill.entry for fill in desk.fills()] == ["IN"]
    assert desk.foreign == ()


def test_the_deals_of_another_account_are_forgotten_with_it(desk: Desk) -> None:
    desk.ready()
    held = desk.result(order(desk.quote(), stop_loss=1.0)).position
    assert held is not None
    desk.until(lambda: len(charged(desk)) == 1, "its opening is charged")
    broker = desk.core.broker
    assert isinstance(broker, BridgeBroker)
    seen = broker._snapshots.latest
    assert seen is not None and seen.deals
    strange = msgspec.structs.replace(
        seen,
        account=msgspec.structs.replace(seen.account, login=1),
        deals=(msgspec.structs.replace(seen.deals[-1], number=10**12),),
    )
    assert list(broker._books.take(strange)) == []
    assert "is logged into account 1" in broker.trouble
    windows = desk.bridge.windows
    windows.happens("closed", [held.ticket, 0.0])
    desk.until(lambda: desk.position("euro") is None, "it is seen that it is gone")
    assert desk.fills()[-1].order_id.endswith(":told")


def wait_until_its_order_is_lost(desk: Desk, wanted: Order) -> None:
    """The broker has taken an order, and its books lose it for good."""
    windows = desk.bridge.windows
    windows.faults({"delay_s": 1e6, "visible": True, "answer": "none"})
    desk.send(wanted)
    desk.until(lambda: desk.core.broker.in_doubt, "nobody knows its fate")
    desk.until(lambda: windows.hello().unsettled, "nor there")
    (windows.folder / "forgetful").touch()
    desk.until(lambda: windows.book()["orders"] == [], "its books do not show it any more")


@pytest.mark.parametrize("killed", [False, True], ids=["told at once", "told by the next process"])
def test_the_program_beside_the_terminal_is_told_what_people_say(desk: Desk, killed: bool) -> None:
    """It would hold back what comes after an order whose fate it does not know, for ever."""
    desk.ready()
    lost = order(desk.quote())
    wait_until_its_order_is_lost(desk, lost)
    windows = desk.bridge.windows
    if killed:
        windows.end(signal.SIGKILL)
    assert settled(desk, Settle(lost.order_id, False, "ann")) == ""
    desk.until(lambda: lost.order_id in desk.results, "its strategy is told")
    assert desk.results[lost.order_id].code is Code.NOT_DEALT
    if killed:
        desk.restart()
        windows.start()
    desk.ready()
    assert desk.result(order(desk.quote())).code is Code.FILLED
    assert windows.hello().unsettled == ()
    assert desk.far_side.hand_fates == ()


def test_killed_before_it_is_booked_what_people_say_comes_back_as_the_answer(desk: Desk) -> None:
    desk.ready()
    lost = order(desk.quote())
    wait_until_its_order_is_lost(desk, lost)
    keep = Reconciliation.remember

    def dies(self: Reconciliation, *args: Any, **changes: Any) -> None:
        keep(self, *args, **changes)
        if "hand_fates" in changes:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reconciliation, "remember", dies)
        with pytest.raises(Killed):
            settled(desk, Settle(lost.order_id, False, "ann"))
    assert lost.order_id not in desk.results
    desk.restart()
    desk.quote()
    desk.until(lambda: lost.order_id in desk.results, "its strategy is told")
    result = desk.results[lost.order_id]
    assert (result.status, result.detail) == ("REJECTED", "ann says that it was not executed")
    desk.ready()
    assert desk.result(order(desk.quote())).code is Code.FILLED


def test_it_is_told_too_that_an_order_was_dealt(desk: Desk) -> None:
    desk.ready()
    held = desk.result(order(desk.quote())).position
    assert held is not None
    lost = order(desk.quote(), "SELL", ticket=held.ticket)
    wait_until_its_order_is_lost(desk, lost)
    assert settled(desk, Settle(lost.order_id, True, "ann")) == ""
    (fate,) = desk.far_side.hand_fates
    desk.until(lambda: desk.position("euro") is None, "it is booked")
    windows = desk.bridge.windows
    desk.until(lambda: windows.hello().unsettled == (), "it is known there")
    kept = windows.client.ask(AskOrder(fate.comment), OrderReport)
    assert (kept.status, kept.lots, kept.ticket) == ("FILLED", lost.lots, held.ticket)
    assert kept.detail == "ann says that it was executed"


def test_an_order_that_the_broker_deals_in_parts_is_booked_once_all_of_it_is(desk: Desk) -> None:
    """The first part is told, and listed as gone, while the rest of it waits at the broker."""
    desk.ready()
    held = desk.result(order(desk.quote(), lots=0.2)).position
    assert held is not None
    desk.bridge.windows.faults({"fraction": 0.5, "rest_s": 6.0, "answer": "none"})
    closed = desk.result(order(desk.quote(), "SELL", lots=0.2, ticket=held.ticket))
    deals = [deal for deal in desk.bridge.windows.book()["deals"] if deal["entry"] == 1]
    assert (closed.code, len(deals)) == (Code.FILLED, 2), closed
    assert closed.fill is not None
    assert closed.fill.lots == 0.2
    assert closed.fill.profit == pytest.approx(sum(deal["profit"] for deal in deals))
    assert desk.position("euro") is None


def test_so_is_one_that_opens_a_position(desk: Desk) -> None:
    desk.ready()
    desk.bridge.windows.faults({"fraction": 0.5, "rest_s": 6.0, "answer": "none"})
    opened = desk.result(order(desk.quote(), lots=0.2))
    (there,) = desk.bridge.windows.book()["positions"]
    assert (opened.code, there["volume"]) == (Code.FILLED, 0.2), opened
    held = desk.position("euro")
    assert held is not None and held.lots == 0.2


def test_the_deals_of_the_hour_in_which_a_servers_clock_is_put_forward_are_told(desk: Desk) -> None:
    """For a moment its deals are an hour in the future, and those that follow lie before them."""
    desk.ready()
    held = desk.result(order(desk.quote())).position
    assert held is not None
    desk.until(lambda: len(charged(desk)) == 1, "its opening is charged")
    broker = desk.core.broker
    assert isinstance(broker, BridgeBroker)
    hour_on = round((time.time() + 3600.0) * 1e6)
    money = msgspec.structs.replace(broker._books.state.money, deal_us=hour_on)
    broker._books.remember(money=money)
    windows = desk.bridge.windows
    windows.happens("closed", [held.ticket, -1.5])
    desk.until(lambda: len(charged(desk)) == 2, "its end is charged")
    (trade,) = traded(desk)
    assert (trade.commission, trade.swap) == (0.7, -1.5)


@pytest.mark.parametrize(("lots", "why"), [(10.0, "more than the 0.1"), (1e-9, "are no volume of")])
def test_a_word_of_lots_that_cannot_be_is_refused(desk: Desk, lots: float, why: str) -> None:
    desk.ready()
    held = desk.result(order(desk.quote())).position
    assert held is not None
    lost = order(desk.quote(), "SELL", ticket=held.ticket)
    wait_until_its_order_is_lost(desk, lost)
    assert why in settled(desk, Settle(lost.order_id, True, "ann", lots=lots))
    assert desk.far_side.hand_fates == ()


def test_what_a_late_position_costs_is_its_strategys_also_where_closing_it_is_refused(
    desk: Desk,
) -> None:
    desk.ready()
    late = order(desk.quote())
    windows = desk.bridge.windows
    refused = {"retcode": 10018, "execute": False}
    windows.faults({"delay_s": 3.0, "visible": True, "answer": "none"}, refused)
    desk.send(late)
    desk.until(lambda: desk.core.broker.in_doubt, "nobody knows its fate")
    assert settled(desk, Settle(late.order_id, False, "ann")) == "", "which is wrong"
    desk.until(lambda: len(charged(desk)) == 2, "it was opened, and closed at once")
    assert [charge.strategy for charge in charged(desk)] == ["euro", "euro"]
    assert desk.core.account.balance == pytest.approx(desk.bridge.balance)
    assert noted(desk, events.FOREIGN) == []
