"""What a broker's deals tell of what has ended, and of orders that were not answered."""

import msgspec
import pytest

from mt5crs_services.gateway.brokers.bridge.account.evidence import Comments
from mt5crs_services.gateway.brokers.bridge.account.told_deals import (
    BY_PROGRAM,
    KeptDeals,
    OrderDeals,
    ToldDeals,
    told_id,
)
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarDeal
from mt5crs_shared.trading.orders import Code, Fill, Order
from tests.unit.gateway_cases import order, tick

COMMENTS = Comments("one")
BY_HAND = FarDeal(
    number=5,
    time_us=0,
    trade=True,
    kind="SELL",
    position=70,
    magic=0,
    profit=-3.0,
    commission=-0.1,
    swap=0.0,
    entry="OUT",
    reason="CLIENT",
    lots=0.04,
    price=1.1,
)
CLOSING = order(tick(1), "SELL", ticket=70, order_id="closing")


def deal(number: int = 5, **fields: object) -> FarDeal:
    return msgspec.structs.replace(BY_HAND, number=number, **fields)


def of(request: Order, number: int = 6, **fields: object) -> FarDeal:
    """The deal of an order, named by its comment."""
    comment = f"TOKEN {COMMENTS.of(request.order_id)}"
    known = {"reason": "EXPERT", "magic": request.magic, "comment": comment}
    return deal(number, **known | fields)


def fill(order_id: str = "70:0.1:x:manual", lots: float = 0.04) -> Fill:
    return Fill(order_id, "euro", "EURUSD", 70, "OUT", "SELL", lots, 1.1, 0, Code.MANUAL)


def told(*deals: FarDeal) -> ToldDeals:
    made = ToldDeals(KeptDeals(), COMMENTS)
    made.take(deals)
    return made


def test_a_deal_ends_what_is_gone_and_no_more_and_each_once() -> None:
    book = told(deal(5), deal(7, lots=0.06))
    assert book.ending({}, []) is None
    assert book.ending({70: 0.03}, []) is None
    assert book.ending({71: 0.1}, []) is None
    assert book.ending({70: 0.1}, []) == deal(5)
    book.booked(fill())
    assert book.ending({70: 0.06}, []) == deal(7, lots=0.06)
    book.booked(fill(lots=0.06))
    assert book.ending({70: 0.1}, []) is None


def test_what_was_booked_before_it_was_told_ends_nothing() -> None:
    book = told()
    book.booked(fill("closing", 0.1))
    book.take([of(CLOSING, 6, lots=0.1), deal(7)])
    assert book.ending({70: 0.1}, []) == deal(7)


def test_what_an_order_on_its_way_has_closed_is_that_orders() -> None:
    book = told(of(CLOSING))
    assert book.ending({70: 0.1}, [CLOSING]) is None
    assert book.ending({70: 0.1}, []) == of(CLOSING), "it was given up"
    assert book.of_order(CLOSING) == OrderDeals(70, 0.04, 1.1, -3.0)
    assert book.of_order(order(tick(1), "SELL", ticket=70, order_id="another")) is None


@pytest.mark.parametrize(
    ("changed", "its"),
    [({}, True), ({"magic": 1}, False), ({"reason": "CLIENT"}, False), ({"position": 71}, False)],
)
def test_where_the_broker_has_changed_the_comment_all_else_names_a_closing(
    changed: dict[str, object], its: bool
) -> None:
    renamed = of(CLOSING, comment="the broker's own", **changed)
    assert (told(renamed).of_order(CLOSING) is not None) == its


def test_an_order_that_was_dealt_in_parts_has_their_average() -> None:
    opening = order(tick(1))
    parts = [of(opening, n, entry="IN", lots=0.05, price=1.1 + n / 1000) for n in (1, 3)]
    found = told(*parts).of_order(opening)
    assert found == OrderDeals(70, 0.1, pytest.approx(1.102), -6.0)


def test_the_next_process_knows_them_and_once_all_is_settled_nobody_does() -> None:
    book = told(deal(5), deal(6, trade=False), deal(7, lots=0.06))
    assert book.after(fill()).deals == (deal(7, lots=0.06),)
    assert ToldDeals(book.kept, COMMENTS).ending({70: 0.1}, []) == deal(5)
    book.take([deal(5)])
    assert book.kept.deals == (deal(5), deal(7, lots=0.06))
    book.settled(held={70})
    assert len(book.kept.deals) == 2, "it was told before the list has shown it"
    book.settled(held=())
    assert book.kept == KeptDeals()


def test_of_equal_parts_the_one_that_was_booked_is_taken_off() -> None:
    ours, by_hand = of(CLOSING, 5), deal(6)
    book = told(ours, by_hand)
    assert book.ending({70: 0.08}, [CLOSING]) == by_hand
    book.booked(fill(told_id(by_hand)))
    assert book.kept.deals == (ours,)


def test_an_order_that_was_filled_in_parts_has_no_deal_left_for_others() -> None:
    book = told()
    book.booked(fill("closing", 0.08))
    parts = [of(CLOSING, number) for number in (5, 6)]
    later = ToldDeals(book.kept, COMMENTS)
    for known in (book, later):
        known.take([*parts, deal(7)])
        assert known.kept.deals == (deal(7),)
        assert known.ending({70: 0.04}, []) == deal(7)


def test_what_somebody_closed_comes_before_what_an_order_closed_that_was_given_up() -> None:
    book = told(of(CLOSING, 5), deal(6))
    assert book.ending({70: 0.04}, []) == deal(6)


def test_of_a_position_that_was_turned_around_no_deal_is_taken() -> None:
    book = told(deal(5, entry="INOUT", lots=0.2), deal(6, lots=0.1))
    assert book.ending({70: 0.1}, []) is None


def test_what_is_told_and_not_booked_has_moved_the_balance() -> None:
    book = told(deal(5), deal(6, position=71), deal(7, entry="IN"))
    assert book.made({70}) == -3.0


def test_a_closing_in_parts_whose_comments_the_broker_changed_is_known_by_its_volume() -> None:
    parts = [deal(n, reason=BY_PROGRAM, lots=0.05, comment="close #70") for n in (6, 7)]
    closing, second = fill("closing", 0.1), order(tick(1), "SELL", ticket=70, order_id="second")
    told_first, booked_first = told(*parts), told()
    told_first.booked(closing)
    booked_first.booked(closing)
    booked_first.take(parts)
    for book in (told_first, booked_first):
        assert book.of_order(second) is None
        assert book.ending({70: 0.2}, []) is None
        assert book.kept == KeptDeals()
    # What somebody closes by hand is no part of it.
    booked_first.booked(closing)
    booked_first.take([deal(8, lots=0.05)])
    assert booked_first.ending({70: 0.1}, []) == deal(8, lots=0.05)
