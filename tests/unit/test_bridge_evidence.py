"""What a list of positions and a balance tell of orders and closings that nobody has answered."""

import msgspec
import pytest

from mt5crs_services.gateway.broker import HandDeal
from mt5crs_services.gateway.brokers.bridge.account import closings, evidence
from mt5crs_services.gateway.brokers.bridge.account.closings import Ended
from mt5crs_services.gateway.brokers.bridge.account.evidence import (
    Comments,
    ContradictionError,
    opened_by,
)
from mt5crs_services.gateway.brokers.bridge.account.snapshots import why_not
from mt5crs_services.gateway.brokers.bridge.account.told_deals import OrderDeals
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    DealVerdict,
    FarAccount,
    FarPosition,
)
from mt5crs_services.gateway.brokers.bridge.dialects.windows_gateway import WindowsGatewayDialect
from mt5crs_services.gateway.brokers.bridge.orders.deal_maker import DealMaker, instruction_of
from mt5crs_services.gateway.brokers.bridge.orders.sent_order import SentOrder
from mt5crs_services.gateway.brokers.holdings import Holdings
from mt5crs_services.gateway.brokers.valuation import Valuation
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_services.gateway.quotes.market import Market
from mt5crs_services.gateway.requests.order_service import OWN_SUFFIXES
from mt5crs_services.mt5_gateway.answers import OrderReport
from mt5crs_services.mt5_gateway.protocol import encode_message
from mt5crs_shared.configuration.execution_structs import AccountConfig
from mt5crs_shared.trading.orders import Code, Position
from tests.unit.gateway_cases import SYMBOLS, config, order, tick

COMMENTS = Comments("home")
BUY = order(tick(0))
FOREIGN = Comments("elsewhere").of("one")
NAME = COMMENTS.of(BUY.order_id)
THERE = FarPosition(5, "EURUSD", "BUY", 0.1, 1.1, magic=7, comment=NAME)


def replaced(**fields: object) -> FarPosition:
    return msgspec.structs.replace(THERE, **fields)


def test_a_comment_fits_names_its_order_and_its_installation() -> None:
    assert len(NAME) <= 18
    assert COMMENTS.of("another") != NAME
    assert COMMENTS.ours(f"[{NAME}]")
    assert not Comments("elsewhere").ours(NAME)
    assert not COMMENTS.ours(None)


def test_an_order_is_found_by_its_comment_whatever_else_is_open() -> None:
    others = [replaced(ticket=n, comment="by hand") for n in range(10, 13)]
    assert opened_by(BUY, NAME, [*others, THERE], set()) == THERE


def test_without_comments_by_magic_and_without_that_by_its_looks() -> None:
    plain = replaced(comment=None)
    assert opened_by(BUY, NAME, [plain, replaced(ticket=6, magic=9, comment=None)], set()) == plain
    bare = replaced(magic=None, comment=None)
    assert opened_by(BUY, NAME, [bare], set()) == bare
    assert opened_by(BUY, NAME, [bare], {5}) is None


def test_a_part_is_known_by_its_magic_and_without_that_people_look() -> None:
    part = replaced(comment=None, lots=0.05)
    assert opened_by(BUY, NAME, [part], set()) == part
    bare = replaced(magic=0, comment="", lots=0.05)
    assert opened_by(BUY, NAME, [bare], set()) is None
    assert evidence.suspected(BUY, [bare], set()) == bare
    assert evidence.suspected(BUY, [bare], {5}) is None
    others = [replaced(symbol="GBPUSD"), replaced(side="SELL"), replaced(magic=9)]
    assert evidence.suspected(BUY, others, set()) is None


def test_a_position_that_the_bridge_names_counts_with_the_lots_it_has() -> None:
    larger = replaced(comment=None, magic=None, lots=1.0)
    assert evidence.named(BUY, 5, [larger], set()) == larger
    for ticket, known in ((6, set[int]()), (5, {5})):
        assert evidence.named(BUY, ticket, [larger], known) is None
    assert evidence.named(BUY, 5, [replaced(side="SELL")], set()) is None


def test_what_somebody_names_is_looked_up_in_the_list() -> None:
    for ticket, held, listed, said in (
        (0, set[int](), [THERE], "is needed"),
        (5, {5}, [THERE], "a strategy's already"),
        (6, set(), [THERE], "lists no position 6"),
        (5, set(), [replaced(side="SELL")], "is a SELL EURUSD, and BUY EURUSD was ordered"),
    ):
        assert said in evidence.why_not_opened(BUY, HandDeal(ticket), held, listed)
    for seen, listing in ((HandDeal(5), [THERE]), (HandDeal(5), None), (HandDeal(6, 0.1, 1.1), [])):
        assert evidence.why_not_opened(BUY, seen, set(), listing) == ""


@pytest.mark.parametrize(
    "other",
    [
        {"symbol": "GBPUSD"},
        {"side": "SELL"},
        {"lots": 0.2},
        {"magic": 8},
        {"comment": Comments("other").of("one")},
    ],
)
def test_what_could_not_be_it_is_not(other: dict[str, object]) -> None:
    found = replaced(**({"comment": None} | other))
    assert opened_by(BUY, NAME, [found], set()) is None


def test_two_that_could_be_it_and_one_on_the_wrong_side_are_for_people() -> None:
    both = [replaced(comment=None), replaced(ticket=6, comment=None)]
    with pytest.raises(ContradictionError, match="positions 5, 6"):
        opened_by(BUY, NAME, both, set())
    with pytest.raises(ContradictionError, match="is a SELL"):
        opened_by(BUY, NAME, [replaced(side="SELL")], set())


def ended(lots: float = 0.1, estimate: float = 1.1, **fields: object) -> Ended:
    position = Position(5, "euro", "EURUSD", 7, "BUY", 0.1, 1.1, 0, 1.09, 1.12)
    position = msgspec.structs.replace(position, **fields)
    held = OpenPosition(position, tick(0), 1.0)
    return Ended(held, lots, SYMBOLS["EURUSD"], estimate, 1.0, 1)


@pytest.mark.parametrize(
    ("made", "price", "code"),
    [
        (-100.0, 1.09, Code.STOP_LOSS),
        (-103.0, 1.0897, Code.STOP_LOSS),
        (200.0, 1.12, Code.TAKE_PROFIT),
        (50.0, 1.105, Code.MANUAL),
    ],
)
def test_a_closing_has_the_price_that_makes_its_profit(
    made: float, price: float, code: Code
) -> None:
    fill = closings.ending_fill(ended(), made)
    assert (fill.profit, fill.price, fill.code, fill.side) == (made, price, code, "SELL")


def test_a_part_that_is_gone_was_closed_by_hand() -> None:
    assert closings.ending_fill(ended(lots=0.04), -40.0).code is Code.MANUAL


def test_what_several_have_made_is_shared_to_the_cent() -> None:
    several = [ended(estimate=1.101), ended(estimate=1.102), ended(estimate=1.103)]
    shares = closings.shared_out(several, 60.01)
    assert shares is not None
    assert round(sum(shares), 2) == 60.01
    assert all(abs(s - e.expected) < 0.015 for s, e in zip(shares, several, strict=True))


def test_a_balance_that_cannot_come_from_the_closing_is_not_believed() -> None:
    assert closings.shared_out([ended()], -5_000.0) is None
    assert closings.shared_out([ended(), ended()], -5_000.0) is None
    assert closings.price_of(ended(), 9_000.0) == 0.0


def test_a_stop_that_a_market_has_touched_and_left_is_believed() -> None:
    several = [ended(stop_loss=1.0), ended(stop_loss=1.05), ended(take_profit=1.2)]
    assert closings.shared_out(several, -1_500.0) == [-1_000.0, -500.0, 0.0]
    assert closings.shared_out(several, 500.3) == pytest.approx([0.1, -499.9, 1_000.1], abs=0.06)


WANTED = AccountConfig(7, "Broker-Demo")
MONEY = FarAccount(10.0, 10.0, 0.0, 10.0, "USD", 7, "Broker-Demo")


@pytest.mark.parametrize(
    ("changed", "trusted", "doubled", "said"),
    [
        ({}, False, (), ""),
        ({"login": 0, "server": ""}, True, (), ""),
        ({"login": 0, "server": ""}, False, (), "does not say which account"),
        ({"currency": "JPY"}, False, (), "the account is in JPY, and account_currency says USD"),
        ({"login": 8}, True, (), "logged into account 8 of Broker-Demo"),
        ({"server": "Broker-Live"}, True, (), "logged into account 7 of Broker-Live"),
        ({"netting": True}, False, (), ""),
        ({"netting": False}, False, ("EURUSD",), ""),
        ({"netting": True}, False, ("EURUSD",), "several strategies trade EURUSD"),
    ],
)
def test_which_account_may_be_traded(
    changed: dict[str, object], trusted: bool, doubled: tuple[str, ...], said: str
) -> None:
    found = msgspec.structs.replace(MONEY, **changed)
    why = why_not(found, WANTED, trusted, doubled, "USD")
    assert (said in why, bool(why)) == (True, bool(said))


def test_what_came_too_late_and_goes_in_equal_parts_has_an_id_for_each() -> None:
    settings = config()
    market = Market(settings)
    made = DealMaker(market, Valuation(settings.globals.paper, market), Holdings(), COMMENTS)
    ids = []
    for left in (0.04, 0.02):
        stray = replaced(lots=0.02)
        closing = made.stray_order("euro", 7, replaced(lots=left))
        sent = SentOrder(closing, made.instruction(closing), 0.0, own=True, stray=stray)
        opened, closed = made.of(sent, OrderDeals(5, 0.02, 1.1))
        assert (opened.fill.entry, opened.held, closed.held) == ("IN", None, None)
        ids += [opened.fill.order_id, closed.fill.order_id]
    assert len(set(ids)) == 4
    assert all(name.endswith(OWN_SUFFIXES) for name in ids)


@pytest.mark.parametrize(
    ("told", "booked"),
    [(OrderDeals(5, 0.1, 1.2, 998.76), 998.76), (OrderDeals(5, 0.1, 1.2), 1000.0)],
    ids=["the broker says", "it is counted"],
)
def test_what_a_closing_has_made_is_the_brokers_word(told: OrderDeals, booked: float) -> None:
    settings = config()
    market, holdings = Market(settings), Holdings()
    made = DealMaker(market, Valuation(settings.globals.paper, market), holdings, COMMENTS)
    opened = made.opened(order(tick(1)), 5, 0.1, 1.1)
    assert opened.held is not None
    holdings.add(opened.held)
    closing = order(tick(2), "SELL", ticket=5)
    sent = SentOrder(closing, made.instruction(closing), 0.0)
    (closed,) = made.of(sent, told)
    assert (closed.fill.profit, closed.held) == (booked, None)
    # A part of it was closed by hand, and booked before: the word is of more than that.
    holdings.book(made.closed(closing, opened.held, OrderDeals(5, 0.06, 1.2), Code.MANUAL, ""))
    (rest,) = made.of(sent, told)
    assert (rest.fill.lots, rest.fill.profit) == (0.04, 400.0)


def test_a_word_that_names_no_deal_does_not_say_what_it_has_made() -> None:
    dialect, instruction = WindowsGatewayDialect(), instruction_of(BUY, "abc", 0.1, 1.1)
    report = OrderReport("abc", "FILLED", ticket=5, lots=0.1, price=1.2, deal=9, profit=7.5)
    for told, profit in ((report, 7.5), (msgspec.structs.replace(report, deal=0), None)):
        word = dialect.read_order(encode_message("abc", told), instruction)
        assert (word.verdict, word.profit) == (DealVerdict.DONE, profit)
