"""What is booked where answers are lost, late, or by a terminal that connects: real bridges."""

import functools

import pytest

from mt5crs_services.gateway.broker import Dealt
from mt5crs_services.gateway.brokers.bridge.account.evidence import Comments
from mt5crs_services.gateway.brokers.bridge.account.unexplained_money import KeptMoney
from mt5crs_shared.trading.operator_requests import Settle
from mt5crs_shared.trading.orders import Code
from tests.bridges.office import BridgeDesk, hold, restart, settled
from tests.bridges.scripted_bridge import Faults
from tests.unit.gateway_cases import order


def lost_closing(desk: BridgeDesk) -> tuple[int, tuple[object, ...]]:
    """A closing that the bridge has died of undealt, while its terminal lists nothing."""
    held = hold(desk)
    restart(desk, Faults(dies=2.0))
    desk.send(order(desk.quote(), "SELL", ticket=held.ticket, order_id="closing"))
    desk.until(lambda: desk.bridge.died, "it dies before it has dealt")
    hidden = desk.bridge.book.hide(held.ticket)
    desk.bridge.start(Faults())
    return held.ticket, hidden


@pytest.mark.parametrize("desk", ["open_close", "trade"], indirect=True)
def test_a_position_that_is_not_listed_for_a_moment_was_not_closed(desk: BridgeDesk) -> None:
    ticket, hidden = lost_closing(desk)
    desk.until(lambda: f"position {ticket} is not listed" in desk.trouble, "people are asked")
    assert "`resolve closing filled`" in desk.trouble
    desk.bridge.book.show(hidden)
    desk.until(lambda: "closing" in desk.results, "its fate")
    assert desk.results["closing"].code is Code.NOT_DEALT
    held = desk.position("euro")
    assert held is not None and held.ticket == ticket
    assert desk.foreign == ()


@pytest.mark.parametrize("desk", ["open_close"], indirect=True)
def test_a_commission_is_no_sign_that_what_is_not_listed_was_closed(desk: BridgeDesk) -> None:
    ticket, hidden = lost_closing(desk)
    desk.bridge.book.deposit(-0.7)
    closing = desk.core.broker._traffic.orders.get("closing")  # type: ignore[attr-defined]
    desk.until(lambda: closing.gone is not None, "it is not listed, and money has moved")
    desk.bridge.book.show(hidden)
    desk.until(lambda: "closing" in desk.results, "its fate")
    assert desk.results["closing"].code is Code.NOT_DEALT
    held = desk.position("euro")
    assert held is not None and held.ticket == ticket


@pytest.mark.parametrize("desk", ["open_close"], indirect=True)
def test_people_say_that_a_position_was_closed_which_has_moved_no_money(desk: BridgeDesk) -> None:
    ticket, _ = lost_closing(desk)
    desk.until(lambda: f"position {ticket} is not listed" in desk.trouble, "people are asked")
    assert settled(desk, Settle("closing", True, "ann")) == ""
    desk.until(lambda: desk.position("euro") is None, "it is closed")


@pytest.mark.parametrize("desk", ["trade"], indirect=True)
def test_an_order_that_waits_for_a_look_is_sent_once_its_position_is_listed_again(
    desk: BridgeDesk,
) -> None:
    held = hold(desk)
    hidden = desk.bridge.book.hide(held.ticket)
    desk.send(order(desk.quote(), "SELL", ticket=held.ticket, order_id="closing"))
    closing = desk.core.broker._traffic.orders.get("closing")  # type: ignore[attr-defined]
    desk.until(lambda: closing.ended, "it was looked for")
    desk.bridge.book.show(hidden)
    desk.until(lambda: "closing" in desk.results, "its fate")
    assert desk.results["closing"].code is Code.FILLED


@pytest.mark.parametrize("desk", ["trade"], indirect=True)
def test_what_was_opened_too_late_and_what_ends_beside_it_keep_their_money(
    desk: BridgeDesk,
) -> None:
    desk.ready()
    held = desk.result(order(desk.quote("USDJPY"), strategy="yen", magic=9)).position
    assert held is not None
    restart(desk, Faults(loses=1.0))
    book = desk.bridge.book
    comment = Comments(desk.ledger.installation).of("given-up-long-ago")
    late, _, _ = book.deal("EURUSD", "BUY", 0.1, 7, comment)

    def closings() -> dict[int, float]:
        return {deal.ticket: deal.profit for deal in book.deals() if deal.entry == "OUT"}

    desk.until(lambda: late in closings(), "it is closed at the broker")
    desk.quote()
    book.close(held.ticket, held.lots, "client", price=held.open_price - 0.0005)
    desk.until(lambda: desk.position("yen") is None, "both are booked")
    desk.until(lambda: desk.trouble == "", "all is well")
    booked = {fill.ticket: fill.profit for fill in desk.fills() if fill.entry == "OUT"}
    assert booked == closings()


@pytest.mark.parametrize("desk", ["open_close"], indirect=True)
def test_a_slow_bridge_that_gets_orders_all_the_time_is_asked_for_the_account_too(
    desk: BridgeDesk,
) -> None:
    held = hold(desk)
    others = {"yen": ("USDJPY", 9), "other": ("EURUSD", 8)}
    sent: dict[str, str] = {}

    def order_on() -> set[Code]:
        for name, (symbol, magic) in others.items():
            if sent.get(name) in (None, *desk.results):
                sent[name] = f"{name}:{len(desk.results)}"
                quote = desk.quote(symbol)
                desk.send(order(quote, strategy=name, magic=magic, order_id=sent[name]))
        return {result.code for result in desk.results.values()}

    desk.bridge.kill()
    desk.bridge.start(Faults(late=1.0, late_seconds=0.15, refuses=1.0))
    desk.until(lambda: Code.BROKER in order_on(), "orders are refused")
    desk.bridge.book.close(held.ticket, held.lots, "sl", price=held.open_price - 0.0005)
    desk.until(lambda: order_on() and desk.position("euro") is None, "the stop is booked")


def missed(desk: BridgeDesk, ticket: int) -> bool:
    """Whether a position is among what the next gateway will know to be gone, or is booked."""
    groups = desk.far_side.unexplained.groups
    booked = [fill.ticket for fill in desk.fills() if fill.entry == "OUT"]
    return ticket in booked or any(ticket in group.lots for group in groups)


@pytest.mark.parametrize("desk", ["open_close"], indirect=True)
def test_what_ended_at_different_looks_is_told_apart_by_the_next_gateway_too(
    desk: BridgeDesk,
) -> None:
    euro = hold(desk)
    yen = desk.result(order(desk.quote("USDJPY"), strategy="yen", magic=9, order_id="yen")).position
    assert yen is not None
    book = desk.bridge.book
    desk.until(lambda: desk.offset == 0.0, "both are listed")
    for held, made in ((euro, -0.0009), (yen, -0.0003)):
        book.close(held.ticket, held.lots, "client", price=held.open_price + made)
        desk.until(functools.partial(missed, desk, held.ticket), "it is missed")
        desk.restart()
    desk.until(lambda: not desk.core.broker.positions(), "both are booked")
    truth = {deal.ticket: deal.profit for deal in book.deals() if deal.entry == "OUT"}
    assert {f.ticket: f.profit for f in desk.fills() if f.entry == "OUT"} == truth
    assert desk.far_side.unexplained == KeptMoney()


class Killed(BaseException):
    """As a `kill -9` at that place."""


def kill_once_booked(desk: BridgeDesk, ticket: int) -> None:
    """Kill the gateway when a closing is in the ledger, and before it has heard of that."""

    def die(dealt: Dealt) -> None:
        if (dealt.fill.ticket, dealt.fill.entry) == (ticket, "OUT"):
            raise Killed
        heard(dealt)

    heard = desk.core.broker.on_booked
    desk.core.broker.on_booked = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        desk.until(lambda: False, "the kill")


@pytest.mark.parametrize("desk", ["open_close"], indirect=True)
def test_what_was_booked_when_it_was_killed_is_nobody_elses_money(desk: BridgeDesk) -> None:
    euro = hold(desk)
    other = desk.result(order(desk.quote(), strategy="other", magic=8, order_id="other")).position
    assert other is not None
    book = desk.bridge.book
    desk.until(lambda: desk.offset == 0.0, "both are listed")
    book.close(euro.ticket, euro.lots, "client", price=euro.open_price + 0.005)
    kill_once_booked(desk, euro.ticket)
    book.close(other.ticket, other.lots, "client", price=other.open_price - 0.002)
    desk.restart()
    desk.quote()
    desk.until(lambda: not desk.core.broker.positions(), "both are booked")
    truth = {deal.ticket: deal.profit for deal in book.deals() if deal.entry == "OUT"}
    assert {f.ticket: f.profit for f in desk.fills() if f.entry == "OUT"} == truth
    desk.until(lambda: desk.far_side.unexplained.groups == (), "nothing is left")
    assert desk.offset == 0.0


@pytest.mark.parametrize("desk", ["trade"], indirect=True)
def test_what_was_opened_too_late_and_was_booked_when_it_was_killed_holds_nobody_back(
    desk: BridgeDesk,
) -> None:
    desk.ready()
    desk.quote()
    comment = Comments(desk.ledger.installation).of("given-up-long-ago")
    late, _, _ = desk.bridge.book.deal("EURUSD", "BUY", 0.1, 7, comment)
    kill_once_booked(desk, late)
    desk.restart()
    desk.quote()
    desk.ready()
    assert desk.result(order(desk.quote())).code is Code.FILLED
    assert [f.ticket for f in desk.fills() if f.entry == "OUT"] == [late]


@pytest.mark.parametrize("desk", ["order_send", "expert_advisor"], indirect=True)
def test_a_bridge_that_shows_no_account_is_sent_orders_all_day(desk: BridgeDesk) -> None:
    hold(desk)
    desk.later = 86_400.0
    closing = order(desk.quote(), "SELL", ticket=desk.position("euro").ticket, order_id="closing")
    assert desk.result(closing).code is Code.FILLED


@pytest.mark.parametrize("desk", ["open_close"], indirect=True)
def test_what_people_have_said_is_known_to_the_next_gateway(desk: BridgeDesk) -> None:
    desk.ready()
    restart(desk, Faults(loses=1.0))
    wanted = order(desk.quote())
    desk.send(wanted)
    book = desk.bridge.book
    desk.until(book.deals, "it is dealt")
    (deal,) = book.deals()
    book.close(deal.ticket, deal.lots, "tp", price=deal.price + 0.003)
    desk.until(lambda: "nobody knows" in desk.trouble, "people are asked")
    word = Settle(wanted.order_id, True, "ann", deal.ticket, deal.lots, deal.price)
    assert settled(desk, word) == ""
    desk.restart()
    desk.quote()
    desk.until(lambda: not desk.core.broker.positions(), "its end is booked")
    assert [f.profit for f in desk.fills()] == [0.0, 30.0]


@pytest.mark.parametrize("desk", ["open_close"], indirect=True)
def test_what_somebody_closes_after_a_lost_closing_is_not_that_orders(desk: BridgeDesk) -> None:
    held = hold(desk)
    restart(desk, Faults(loses=1.0, partial=1.0))
    desk.send(order(desk.quote(), "SELL", ticket=held.ticket, order_id="closing"))
    closing = desk.core.broker._traffic.orders.get("closing")  # type: ignore[attr-defined]
    desk.until(lambda: closing.gone is not None, "a half is gone")
    desk.bridge.book.close(held.ticket, 0.05, "client", price=held.open_price + 0.001)
    desk.until(lambda: desk.position("euro") is None, "all of it is booked")
    truth = {deal.reason: (deal.lots, deal.profit) for deal in desk.bridge.book.deals()[1:]}
    ordered, by_hand = (fill for fill in desk.fills() if fill.entry == "OUT")
    assert (ordered.order_id, ordered.lots, ordered.profit) == ("closing", *truth["expert"])
    assert (by_hand.lots, by_hand.profit) == truth["client"]
