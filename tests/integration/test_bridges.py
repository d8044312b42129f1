"""The gateway behind real bridges, in processes of their own, one for each dialect."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mt5crs_shared.trading.orders import Code
from tests.bridges.office import BridgeOffice, BridgeProcess
from tests.bridges.scripted_bridge import Faults
from tests.unit.gateway_cases import order

SEEING = ("trade", "open_close")
BLIND = ("order_send", "expert_advisor")


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BridgeOffice]:
    """A gateway, and its bridge without faults."""
    dialect = request.param
    bridge = BridgeProcess(dialect, tmp_path / "terminal.db", Faults())
    bridge.start()
    office = BridgeOffice(
        tmp_path / "ledger.db", bridge, timeout=1.0, settle_after=0.5, trust_account=True
    )
    yield office
    office.close()
    bridge.kill()
    office.context.term()


@pytest.mark.parametrize("desk", [*SEEING, *BLIND], indirect=True)
def test_a_position_is_opened_and_closed(desk: BridgeOffice) -> None:
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
