"""What a balance has moved by, between positions that have ended and an order of unknown fate."""

import pytest

from mt5crs_services.gateway.brokers.bridge.account.closings import Ended
from mt5crs_services.gateway.brokers.bridge.account.openings_in_doubt import (
    Opening,
    OpeningsInDoubt,
)
from mt5crs_services.gateway.brokers.bridge.account.snapshots import AccountSnapshot
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarAccount
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_shared.trading.orders import Position
from tests.unit.gateway_cases import SYMBOLS, tick

SNAPSHOT = AccountSnapshot(100.0, FarAccount(10_000.0, 10_000.0, 0.0, 10_000.0), ())
UNKNOWN_AFTER = 30.0
LOST = Opening("lost", begun_at=90.0, doubted=5.0, looked_for=False)
"""Its answer was lost five seconds ago."""

HELD = Position(7, "other", "EURUSD", 7, "BUY", 0.1, 1.1, 0, 0.0, 0.0)
ENDED = Ended(OpenPosition(HELD, tick(0), 1.0), 0.1, SYMBOLS["EURUSD"], 1.0995, 1.0, 0)
"""By the quotes it has made -5.00."""


class Desk:
    """Orders on their way, and what has ended."""

    def __init__(self, *openings: Opening) -> None:
        self.openings = openings
        self.doubts = OpeningsInDoubt(lambda: self.openings, UNKNOWN_AFTER)

    def waits(self, told: bool = False) -> bool:
        return self.doubts.may_be_found(SNAPSHOT, told)

    def made(self, difference: float, told: bool = False) -> list[float] | None:
        return self.doubts.shares([ENDED], difference, SNAPSHOT, told)


def test_without_an_order_in_doubt_the_balance_says_what_a_position_has_made() -> None:
    desk = Desk()
    assert not desk.waits()
    assert desk.made(-5.4) == [-5.4]


def test_a_balance_that_has_not_moved_or_moved_too_far_says_nothing() -> None:
    assert Desk().made(0.0) is None
    assert Desk().made(-5_000.0) is None
    assert Desk(LOST).made(-5_000.0) is None


def test_an_order_that_may_have_a_share_is_waited_for_until_people_are_asked() -> None:
    desk = Desk(LOST)
    assert desk.waits()
    desk.openings = (LOST._replace(doubted=UNKNOWN_AFTER),)
    assert not desk.waits()
    # By the quotes: what is left of the difference stays with the order.
    assert desk.made(-12.0) == [-5.0]


@pytest.mark.parametrize(
    ("opening", "told"),
    [
        (LOST._replace(begun_at=100.5), False),  # It came later than the snapshot.
        (LOST, True),  # The broker's deals have none of it.
    ],
)
def test_an_order_that_can_have_no_share_is_not_waited_for(opening: Opening, told: bool) -> None:
    desk = Desk(opening)
    assert not desk.waits(told)
    assert desk.made(-5.4, told) == [-5.4]


def test_what_was_there_before_is_the_orders_alone() -> None:
    """An order that nobody resolves for a night keeps no other position from its right profit."""
    found = LOST._replace(doubted=3_600.0, looked_for=True)
    desk = Desk(found)
    desk.doubts.nothing_is_missing(-7.0)
    assert not desk.waits()
    assert desk.made(-12.4) == [-5.4]
    assert desk.made(-7.0) is None  # A terminal that is connecting: nothing has moved since.
    # Once somebody has said what became of it, that money belongs to what it had opened.
    desk.openings = ()
    assert desk.made(-5.2) == [-5.2]


def test_of_two_one_was_resolved_and_the_other_one_may_have_all_that_was_there() -> None:
    first = LOST._replace(doubted=3_600.0, looked_for=True)
    second = first._replace(order_id="second")
    desk = Desk(first, second)
    desk.doubts.nothing_is_missing(-7.0)
    desk.openings = (second,)
    assert desk.made(-12.4) == [-5.0]


def test_an_order_that_was_not_looked_for_enough_may_be_dealt_yet() -> None:
    desk = Desk(LOST)
    desk.doubts.nothing_is_missing(0.0)
    assert desk.waits()
    desk.openings = (LOST._replace(looked_for=True),)
    assert desk.waits()
