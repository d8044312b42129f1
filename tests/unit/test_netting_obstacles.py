"""What an order must not be netted against."""

from types import SimpleNamespace
from typing import Any

import pytest

from mt5crs_services.gateway.brokers.bridge.account.snapshots import AccountSnapshot
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    Closing,
    FarAccount,
    FarPosition,
)
from mt5crs_services.gateway.brokers.bridge.orders.netting_obstacles import NettingObstacles
from mt5crs_services.gateway.brokers.holdings import Holdings
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_shared.configuration.execution_structs import AccountConfig
from mt5crs_shared.trading.orders import Position
from tests.unit.gateway_cases import order, tick

BY_TICKET, BY_DEAL = Closing.BY_TICKET, Closing.BY_OPPOSITE_DEAL


def obstacles(
    closing: Closing,
    netting: bool | None,
    hedging: bool = False,
    listed: tuple[FarPosition, ...] = (),
    held: tuple[OpenPosition, ...] = (),
    foreign: tuple[int, ...] = (),
    closed: tuple[int, ...] = (),
) -> tuple[NettingObstacles, list[float]]:
    """Them, and when another look is wanted."""
    wanted: list[float] = []
    account = FarAccount(1e4, 1e4, 0.0, 1e4, netting=netting)
    snapshots: Any = SimpleNamespace(
        latest=AccountSnapshot(0.0, account, listed), want=wanted.append
    )
    dialect: Any = SimpleNamespace(closing=closing)
    others: Any = SimpleNamespace(listed=dict.fromkeys(foreign))
    said = AccountConfig(7, "Demo", hedging) if hedging else None
    found = NettingObstacles(Holdings(held), snapshots, others, closed.__contains__, dialect, said)
    return found, wanted


def far(ticket: int = 5, symbol: str = "EURUSD") -> FarPosition:
    return FarPosition(ticket, symbol, "BUY", 0.5, 1.1)


def own(strategy: str, ticket: int = 5) -> OpenPosition:
    position = Position(ticket, strategy, "EURUSD", 7, "BUY", 0.5, 1.1, tick(0).time_us)
    return OpenPosition(position, tick(0), 1.0)


@pytest.mark.parametrize(
    ("closing", "netting", "hedging", "nets"),
    [
        (BY_TICKET, True, False, True),
        (BY_TICKET, True, True, True),
        (BY_TICKET, False, False, False),
        (BY_TICKET, None, True, False),
        (BY_TICKET, None, False, True),
        (BY_DEAL, None, False, True),
        (BY_DEAL, None, True, True),
    ],
)
def test_only_an_account_that_may_net_has_obstacles(
    closing: Closing, netting: bool | None, hedging: bool, nets: bool
) -> None:
    found, wanted = obstacles(closing, netting, hedging, listed=(far(),))
    said = found.find(order(tick(1), "SELL"))
    assert bool(said) is bool(wanted) is nets
    # Where nobody has said that it nets, people may say that it does not.
    doubtful = nets and closing is BY_TICKET and netting is None
    assert ("hedging: true" in said) is doubtful
    assert found.find(order(tick(1), "SELL", ticket=5)) == "", "what closes is never held back"


@pytest.mark.parametrize(
    ("there", "in_the_way"),
    [
        ({"listed": (far(),)}, "adopt 5 euro"),
        ({"listed": (far(symbol="GBPUSD"),)}, ""),
        ({"listed": (far(),), "held": (own("euro"),)}, ""),
        ({"listed": (far(),), "held": (own("other"),)}, "flatten other"),
        ({"held": (own("other"),)}, "flatten other"),
        ({"listed": (far(),), "closed": (5,)}, ""),
        ({"listed": (far(),), "closed": (5,), "foreign": (5,)}, "adopt 5 euro"),
    ],
)
def test_what_is_in_the_way_is_named_with_what_to_do(
    there: dict[str, Any], in_the_way: str
) -> None:
    found, _ = obstacles(BY_DEAL, None, **there)
    said = found.find(order(tick(1), "SELL"))
    assert in_the_way in said
    assert bool(said) is bool(in_the_way)
