"""What the broker's own deals, and the program beside the terminal, tell of orders."""

import json
import signal
import time

import msgspec
import pytest

from mt5crs_services.gateway.brokers.bridge.bridge_broker import BridgeBroker
from mt5crs_shared import events
from mt5crs_shared.trading.orders import Code
from tests.integration.test_bridge_account import noted
from tests.integration.test_windows_bridge import Desk, charged, desk
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
    for begun, done, words in (
        ("paying", "paid", "40"),
        ("closing", "closed", json.dumps([held.ticket, -1.5])),
    ):
        (windows.folder / begun).write_text(words)
        (windows.folder / begun).rename(windows.folder / done)
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
    (windows.folder / "closing").write_text(json.dumps([held.ticket, 0.0]))
    (windows.folder / "closing").rename(windows.folder / "closed")
    desk.until(lambda: desk.position("euro") is None, "it is seen that it is gone")
    assert desk.fills()[-1].order_id.endswith(":told")
