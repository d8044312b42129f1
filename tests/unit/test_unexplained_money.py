"""What has moved a balance, between positions that have ended and orders of unknown fate."""

import msgspec
import pytest

from mt5crs_services.gateway.brokers.bridge.account.closings import Ended
from mt5crs_services.gateway.brokers.bridge.account.unexplained_money import (
    Opening,
    UnexplainedMoney,
)
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_shared.trading.orders import Code, Fill, Position
from tests.unit.gateway_cases import SYMBOLS, tick

UNKNOWN_AFTER = 30.0
LOST = Opening("lost", begun_at=90.0, doubted=5.0, looked_for=False)
"""Its answer was lost five seconds ago."""

QUOTE = 1.0995
"""By the quotes each position has made -5.00."""


def ended(ticket: int, lots: float = 0.1, stop: float = 0.0) -> Ended:
    held = Position(ticket, f"s{ticket}", "EURUSD", ticket, "BUY", 0.1, 1.1, 0, stop, 0.0)
    return Ended(OpenPosition(held, tick(0), 1.0), lots, SYMBOLS["EURUSD"], QUOTE, 1.0, 0)


class Desk:
    """Positions 1 to 3, and the snapshots of their account."""

    def __init__(self, *openings: Opening) -> None:
        self.openings = openings
        self.money = UnexplainedMoney(lambda: self.openings, UNKNOWN_AFTER)
        self.held = {1, 2, 3}
        self.look(0.0)

    def look(self, difference: float, *gone: int, told: bool = False, **parts: float) -> None:
        """A snapshot; `parts`: what is gone of t1, t2, t3."""
        lots = dict.fromkeys(gone, 0.1) | {int(name[1:]): part for name, part in parts.items()}
        listed = self.held - {ticket for ticket in gone if ticket not in parts}
        self.money.take(difference, self.held, lots, listed, 100.0, told)

    def book(self, ticket: int, profit: float) -> None:
        """The closing of a position."""
        order_id, strategy = f"s{ticket}:1", f"s{ticket}"
        closing = Fill(
            order_id, strategy, "EURUSD", ticket, "OUT", "SELL", 0.1, QUOTE, 0, Code.MANUAL
        )
        self.money.booked(msgspec.structs.replace(closing, profit=profit))

    def made(self, *tickets: int, stop: float = 0.0) -> list[list[float] | None]:
        """What those that went at once have made, as far as they wait for nobody."""
        all_ended = [ended(ticket, stop=stop) for ticket in tickets]
        return [self.money.shares(each) for each in self.money.together(all_ended)]


def test_what_went_first_gets_nothing_of_what_went_later() -> None:
    desk = Desk()
    desk.look(-5.4, 1)
    desk.look(-1.4, 1, 2)
    assert desk.made(1) == [[-5.4]]
    assert desk.made(1, 2) == [[-5.4], [4.0]]
    desk.book(1, -5.4)
    desk.look(4.0, 2)
    assert desk.made(2) == [[4.0]]
    desk.book(2, 4.0)
    desk.look(0.0)
    assert not desk.money.awaits_booking


def test_what_went_at_once_shares_what_was_made() -> None:
    desk = Desk()
    desk.look(-11.0, 1, 2)
    assert desk.made(1) == []  # the other one's end is not sure yet
    assert desk.made(1, 2) == [[-5.5, -5.5]]


def test_a_balance_that_has_not_moved_or_moved_too_far_says_nothing() -> None:
    for difference in (0.0, -5_000.0):
        desk = Desk()
        desk.look(difference, 1)
        assert desk.made(1) == [None]


def test_what_is_listed_again_was_not_gone() -> None:
    desk = Desk()
    desk.look(0.0, 1, 2, 3)
    desk.look(0.0)
    assert not desk.money.awaits_booking
    desk.look(-5.4, 2)
    assert desk.made(2) == [[-5.4]]


def test_money_that_comes_later_is_that_of_what_went_without_any() -> None:
    desk = Desk()
    desk.look(0.0, 1)
    desk.look(-5.4, 1)
    assert desk.made(1) == [[-5.4]]


def test_a_part_that_goes_later_adds_to_the_first() -> None:
    desk = Desk()
    desk.look(-2.0, t1=0.04)
    desk.look(-5.0, t1=0.1)
    assert desk.made(1) == [[-5.0]]
    desk.book(1, -5.0)
    assert not desk.money.awaits_booking


def test_the_closing_of_an_order_is_priced_by_what_its_position_alone_has_made() -> None:
    desk = Desk()
    desk.look(9.7, 1)
    desk.look(4.7, 1, 2)
    assert desk.money.price_of(ended(1)) == pytest.approx(1.10097)
    assert desk.money.price_of(ended(2)) == pytest.approx(1.0995)
    desk.look(4.7, 1, 2, 3)
    assert desk.money.price_of(ended(4)) == 0.0


def test_an_order_that_may_have_a_share_is_waited_for_until_people_are_asked() -> None:
    desk = Desk(LOST)
    desk.look(-12.0, 1)
    assert desk.made(1) == []
    assert desk.money.may_be_of("lost") == -12.0
    desk.openings = (LOST._replace(doubted=UNKNOWN_AFTER),)
    assert desk.made(1) == [[-5.0]]
    desk.book(1, -5.0)
    # What is left stays with the order, and with no position that ends later.
    assert desk.money.may_be_of("lost") == -7.0
    desk.look(-11.0, 2)
    desk.openings = ()
    assert desk.made(2) == [[-4.0]]


def test_a_stop_that_explains_all_of_it_is_what_is_booked() -> None:
    desk = Desk(LOST._replace(doubted=UNKNOWN_AFTER))
    desk.look(-51.0, 1)
    assert desk.made(1, stop=1.0949) == [[-51.0]]
    desk.book(1, -51.0)
    assert desk.money.may_be_of("lost") == 0.0


@pytest.mark.parametrize(
    ("opening", "told"),
    [
        (LOST._replace(begun_at=100.5), False),  # It came later than the snapshot.
        (LOST._replace(looked_for=True), False),  # What it may have made was there before.
        (LOST, True),  # The broker's deals have none of it.
    ],
)
def test_an_order_that_can_have_no_share_is_not_waited_for(opening: Opening, told: bool) -> None:
    desk = Desk(opening)
    desk.look(-5.4, 1, told=told)
    assert desk.made(1) == [[-5.4]]
    assert desk.money.may_be_of("lost") == 0.0


def test_an_order_that_nobody_resolves_for_a_night_keeps_what_it_may_have_made() -> None:
    desk = Desk(LOST)
    desk.look(-7.0)
    desk.openings = (LOST._replace(doubted=3_600.0, looked_for=True),)
    desk.look(-12.4, 1)
    assert desk.made(1) == [[-5.4]]
    assert desk.money.may_be_of("lost") == -7.0
    desk.look(-12.4, 1, 2)
    assert desk.made(2) == [None]  # A terminal that is connecting: nothing has moved since.
    # Somebody has said that it was never dealt: that money is nobody's here.
    desk.openings = ()
    assert desk.made(1) == [[-5.4]]


def test_a_position_that_was_found_dealt_and_gone_gets_what_was_there_before() -> None:
    desk = Desk(LOST)
    desk.look(-7.0)
    desk.openings = ()
    desk.held.add(9)
    desk.look(-7.0, 9)
    assert desk.made(9) == [[-7.0]]


def test_and_no_share_of_what_went_after_its_own_end() -> None:
    desk = Desk(LOST)
    desk.look(-7.0)
    desk.look(-12.0, 1)
    desk.openings = ()
    desk.held.add(9)
    desk.look(-12.0, 1, 9)
    assert desk.made(1, 9) == [[-5.0], [-7.0]]


def test_or_shares_with_what_went_when_it_was_lost() -> None:
    desk = Desk(LOST)
    desk.look(-12.0, 1)
    desk.openings = ()
    desk.held.add(9)
    desk.look(-12.0, 1, 9)
    assert desk.made(1, 9) == [[-6.0, -6.0]]


def test_a_balance_that_was_accepted_explains_nothing_any_more() -> None:
    desk = Desk(LOST)
    desk.look(-7.0)
    desk.money.settled()
    desk.look(-5.4, 1)
    desk.openings = ()
    assert desk.made(1) == [[-5.4]]


def test_what_else_is_gone_without_any_money_is_not_booked() -> None:
    desk = Desk()
    desk.look(-2.0, t1=0.04)
    desk.look(-2.0, t1=0.1)
    assert desk.made(1) == [None]
