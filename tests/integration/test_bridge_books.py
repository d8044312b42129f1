"""What is booked of parts, by people's word, and where the disk fails, with a real bridge."""

import pytest

from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.trading.operator_requests import ClosePositions, Settle
from mt5crs_shared.trading.orders import Code, Position
from tests.bridges.office import BridgeDesk, hold, restart, settled
from tests.bridges.scripted_bridge import Faults
from tests.unit.gateway_cases import order

pytestmark = pytest.mark.parametrize("desk", ["open_close"], indirect=True)


def seen(desk: BridgeDesk) -> Position:
    """Open 0.1 lots, and have the account seen with them."""
    held = hold(desk)

    def listed() -> bool:
        latest = desk.core.broker._snapshots.latest  # type: ignore[attr-defined]
        return any(position.ticket == held.ticket for position in latest.positions)

    desk.until(listed, "it is listed")
    return held


def fail_once(desk: BridgeDesk, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Have the next write of what the broker remembers fail; then that is in the list."""
    failed: list[bool] = []
    keep = desk.ledger.keep_far_side

    def failing(*args: object) -> None:
        if not failed:
            failed.append(True)
            raise LedgerError("the disk is full")
        keep(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.ledger, "keep_far_side", failing)
    return failed


@pytest.mark.parametrize("moved", [0.0, 0.0003])
def test_a_part_that_somebody_closed_keeps_its_money_when_the_strategy_closes_the_rest(
    desk: BridgeDesk, moved: float
) -> None:
    held = seen(desk)
    desk.bridge.book.close(held.ticket, 0.04, "client", price=held.open_price + 0.001)
    missing = desk.core.broker._books._missing  # type: ignore[attr-defined]
    desk.until(lambda: held.ticket in missing.tickets, "the part is missed")
    desk.bridge.book.quote("EURUSD", desk.bridge.book.bid("EURUSD") - moved)
    desk.result(order(desk.quote(), "SELL", ticket=held.ticket, order_id="closing"))
    desk.until(lambda: desk.position("euro") is None, "the part is booked")
    made = {fill.lots: fill.profit for fill in desk.fills() if fill.entry == "OUT"}
    truth = {deal.lots: deal.profit for deal in desk.bridge.book.deals() if deal.entry == "OUT"}
    assert made == truth and made[0.04] == 4.0


def test_an_order_is_filled_as_it_is_listed_where_nothing_else_is_said(desk: BridgeDesk) -> None:
    desk.ready()
    restart(desk, Faults(loses=1.0, partial=1.0))
    wanted = order(desk.quote())
    desk.send(wanted)
    desk.until(lambda: "may have opened position" in desk.trouble, "people are asked")
    (deal,) = desk.bridge.book.deals()
    assert settled(desk, Settle(wanted.order_id, True, "ann", deal.ticket)) == ""
    (fill,) = desk.fills()
    assert (fill.lots, fill.price) == (deal.lots, deal.price) and fill.lots < 0.1


def test_of_a_part_that_is_gone_no_more_than_that_is_booked(desk: BridgeDesk) -> None:
    held = seen(desk)
    desk.bridge.book.close(held.ticket, 0.04, "client", price=held.open_price)
    desk.until(lambda: "(or 0.04 lots of it)" in desk.trouble, "its money is not to be seen")
    whole = Settle(str(held.ticket), True, "ann", lots=held.lots, price=held.open_price)
    assert settled(desk, whole) == "0.04 lots of it are gone, and not 0.1"
    assert settled(desk, Settle(str(held.ticket), True, "ann", price=held.open_price)) == ""
    left = desk.position("euro")
    assert left is not None and left.lots == 0.06
    desk.until(lambda: desk.trouble == "", "all is well")


def test_a_closing_that_could_not_be_kept_is_tried_again(
    desk: BridgeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = seen(desk)
    failed = fail_once(desk, monkeypatch)
    desk.core.handle(ClosePositions((held.ticket,), "ann"), caught_up=True)
    desk.until(lambda: failed, "the write that fails")
    desk.until(lambda: desk.position("euro") is None, "it is closed")
    assert desk.fills()[-1].code is Code.MANUAL
    assert len(desk.bridge.book.deals()) == 2


def test_a_deposit_that_could_not_be_noted_is_no_positions_profit(
    desk: BridgeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = seen(desk)
    failed = fail_once(desk, monkeypatch)
    desk.bridge.book.deposit(3.0)
    desk.until(lambda: failed, "the write that fails")
    desk.bridge.book.close(held.ticket, held.lots, "client", price=held.open_price - 0.0005)
    desk.until(lambda: desk.position("euro") is None, "its end")
    assert desk.fills()[-1].profit == -5.0
