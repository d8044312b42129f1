"""Orders of the Windows gateway on the stand-in: each once, with its true outcome."""

import time
from pathlib import Path
from typing import Any

import pytest

from mt5crs_services.mt5_gateway.orders.order_journal import OrderJournal, OrderJournalError
from mt5crs_services.mt5_gateway.protocol import order_token
from tests.mt5_standin.package import Fault
from tests.unit.mt5_cases import Office, failed, sent


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path, time.time())


def test_an_order_is_filled_and_reported_as_the_book_has_it(office: Office) -> None:
    report = sent(office, stop_loss=1.09, take_profit=1.12, comment="ma_cross")
    (deal,) = office.broker.deals
    (held,) = office.broker.positions
    assert (report.status, report.retcode, report.stops) == ("FILLED", 10009, "SET")
    assert (report.deal, report.order, report.ticket) == (
        deal["ticket"],
        deal["order"],
        held["ticket"],
    )
    assert (report.lots, report.price, report.commission) == (0.1, 1.1001, -0.35)
    assert (held["sl"], held["tp"], held["magic"]) == (1.09, 1.12, 7)
    assert held["comment"] == f"{order_token('a:1')} ma_cross"
    assert abs(report.time_us / 1e6 - office.time.at) < 1.0


def test_a_repeated_id_is_answered_with_the_first_result(office: Office) -> None:
    first = sent(office)
    assert sent(office) == first
    office.start()
    assert sent(office) == first
    assert len(office.package.sent) == 1


def test_the_id_of_another_order_is_refused(office: Office) -> None:
    sent(office)
    assert failed(office, lots=0.2).code == "ID_REUSED"
    assert len(office.package.sent) == 1


def test_an_id_that_never_came_is_not_seen(office: Office) -> None:
    assert office.watch.ask("nobody").status == "NOT_SEEN"


def test_a_position_is_closed_with_its_profit(office: Office) -> None:
    opened = sent(office)
    office.broker.quote("EURUSD", 1.102, 1.1021)
    closed = sent(office, "a:2", action="CLOSE", side="SELL", ticket=opened.ticket)
    assert (closed.status, closed.ticket, closed.price) == ("FILLED", opened.ticket, 1.102)
    assert closed.profit == 19.0
    assert office.broker.positions == []
    assert office.broker.balance == 10_000.0 + 19.0 - 0.70


def test_a_part_of_a_position_is_closed(office: Office) -> None:
    opened = sent(office)
    closed = sent(office, "a:2", action="CLOSE", side="SELL", ticket=opened.ticket, lots=0.04)
    assert (closed.status, closed.lots) == ("FILLED", 0.04)
    assert office.broker.positions[0]["volume"] == 0.06


@pytest.mark.parametrize(
    ("fields", "retcode"),
    [
        ({"ticket": 999}, 10036),
        ({"side": "BUY"}, 10013),
        ({"lots": 0.2}, 10038),
        ({"ticket": 0}, 10013),
    ],
)
def test_what_cannot_be_closed_is_refused_and_not_sent(
    office: Office, fields: dict[str, Any], retcode: int
) -> None:
    opened = sent(office)
    asked = {"action": "CLOSE", "side": "SELL", "ticket": opened.ticket} | fields
    report = sent(office, "a:2", **asked)
    assert (report.status, report.retcode) == ("REJECTED", retcode)
    assert len(office.package.sent) == 1


@pytest.mark.parametrize(
    ("fields", "retcode"),
    [({"lots": 0.001}, 10014), ({"lots": 0.105}, 10014), ({"lots": 60.0}, 10014)],
)
def test_volumes_that_the_broker_does_not_take_are_refused_here(
    office: Office, fields: dict[str, Any], retcode: int
) -> None:
    report = sent(office, **fields)
    assert (report.status, report.retcode) == ("REJECTED", retcode)
    assert office.package.sent == []


@pytest.mark.parametrize(
    ("mode", "side", "retcode"),
    [(0, "BUY", 10017), (1, "SELL", 10042), (2, "BUY", 10043), (3, "BUY", 10044)],
)
def test_a_symbols_trade_mode_is_kept_to(
    office: Office, mode: int, side: str, retcode: int
) -> None:
    office.broker.instruments["EURUSD"].trade_mode = mode
    report = sent(office, side=side)
    assert (report.status, report.retcode) == ("REJECTED", retcode)
    assert office.package.sent == []


def test_what_may_only_be_closed_is_closed(office: Office) -> None:
    opened = sent(office)
    office.broker.instruments["EURUSD"].trade_mode = 3
    closed = sent(office, "a:2", action="CLOSE", side="SELL", ticket=opened.ticket)
    assert closed.status == "FILLED"


@pytest.mark.parametrize(
    ("exemode", "mode", "filling"), [(2, 1, 0), (2, 2, 1), (3, 2, 1), (3, 0, 2), (1, 2, 0)]
)
def test_the_filling_mode_is_the_symbols(
    office: Office, exemode: int, mode: int, filling: int
) -> None:
    known = office.broker.instruments["EURUSD"]
    known.exemode, known.filling_mode = exemode, mode
    assert sent(office).status == "FILLED"
    assert office.package.sent[0]["type_filling"] == filling


def test_no_money_and_a_closed_market_and_bad_stops_are_final(office: Office) -> None:
    assert sent(office, lots=40.0).retcode == 10019
    assert sent(office, "a:2", stop_loss=1.2).retcode == 10016
    office.broker.instruments["EURUSD"].closed = True
    report = sent(office, "a:3")
    assert (report.status, report.retcode, report.detail) == ("REJECTED", 10018, "MARKET_CLOSED")
    assert sent(office, "a:3") == report
    assert (len(office.package.sent), office.broker.deals) == (3, [])


@pytest.mark.parametrize("retcode", [10004, 10020, 10021])
def test_a_requote_is_tried_again_with_a_fresh_price(office: Office, retcode: int) -> None:
    office.package.faults.append(Fault(retcode=retcode, execute=False))
    report = sent(office, price=1.1001, deviation=20)
    assert (report.status, report.attempts, len(office.package.sent)) == ("FILLED", 2, 2)
    assert len(office.broker.deals) == 1


def test_a_price_that_has_gone_too_far_is_not_chased(office: Office) -> None:
    office.broker.quote("EURUSD", 1.1003, 1.1004)
    report = sent(office, price=1.1001, deviation=20)
    assert (report.status, report.retcode) == ("REJECTED", 10020)
    assert "30.0 points worse" in report.detail
    assert office.package.sent == []
    better = sent(office, "a:2", side="SELL", price=1.1001, deviation=0)
    assert better.status == "FILLED"


def test_endless_requotes_end(office: Office) -> None:
    office.package.faults.extend(Fault(retcode=10004, execute=False) for _ in range(9))
    report = sent(office)
    assert (report.status, report.retcode, report.attempts) == ("REJECTED", 10004, 3)


def test_an_instant_execution_requotes_beyond_its_deviation(office: Office) -> None:
    office.broker.instruments["EURUSD"].exemode = 1
    assert sent(office, price=1.1001, deviation=5).status == "FILLED"
    assert office.package.sent[0]["deviation"] == 5


def test_a_partial_fill_is_told_as_one(office: Office) -> None:
    office.broker.instruments["EURUSD"].filling_mode = 2
    office.package.faults.append(Fault(fraction=0.4))
    report = sent(office)
    assert (report.status, report.retcode, report.lots) == ("PARTIAL", 10010, 0.04)
    assert office.broker.positions[0]["volume"] == 0.04


def test_stops_that_the_broker_dropped_are_set(office: Office) -> None:
    office.package.faults.append(Fault(stops=False))
    report = sent(office, stop_loss=1.09, take_profit=1.12)
    assert (report.status, report.stops, report.stop_loss) == ("FILLED", "SET", 1.09)
    assert [request["action"] for request in office.package.sent] == [1, 6]
    assert office.broker.positions[0]["tp"] == 1.12


def test_stops_that_cannot_be_set_are_told(office: Office) -> None:
    office.package.faults.extend([Fault(stops=False), Fault(stops=False)])
    report = sent(office, stop_loss=1.09)
    assert (report.status, report.stops, report.stop_loss) == ("FILLED", "MISSING", 0.0)


def test_another_account_gets_nothing(office: Office) -> None:
    office.broker.login = 6002
    failure = failed(office, login=5001)
    assert failure.code == "WRONG_ACCOUNT"
    assert "6002" in failure.what
    assert office.package.sent == []


def test_another_journal_gets_nothing(office: Office) -> None:
    assert failed(office, journal="another").code == "OTHER_JOURNAL"


def test_an_order_that_comes_too_late_is_not_taken(office: Office) -> None:
    assert failed(office, expires_us=round((office.time.at - 1.0) * 1e6)).code == "EXPIRED"
    assert sent(office, expires_us=round((office.time.at + 1.0) * 1e6)).status == "FILLED"


def test_without_a_connection_or_leave_nothing_is_sent(office: Office) -> None:
    office.broker.connected = False
    assert failed(office).code == "NOT_CONNECTED"
    office.broker.connected = True
    office.package.api_allowed = False
    assert "Algo Trading" in failed(office).todo
    office.package.api_allowed = True
    assert sent(office).status == "FILLED"


def test_a_second_gateway_takes_the_journal_over(office: Office) -> None:
    second = OrderJournal(office.path)
    with pytest.raises(OrderJournalError, match="taken it over"):
        sent(office)
    assert office.package.sent == []
    second.close()


class TestNetting:
    @pytest.fixture
    def office(self, tmp_path: Path) -> Office:
        return Office(tmp_path, time.time(), hedging=False)

    def test_orders_of_two_strategies_become_one_position(self, office: Office) -> None:
        first = sent(office, lots=0.1)
        second = sent(office, "b:1", magic=8, lots=0.2)
        assert first.ticket == second.ticket == office.broker.positions[0]["ticket"]
        assert (first.lots, second.lots) == (0.1, 0.2)
        assert office.broker.positions[0]["volume"] == 0.3

    @pytest.mark.parametrize("lots", [0.04, 0.1, 0.25])
    def test_the_other_side_reduces_closes_or_turns_it(self, office: Office, lots: float) -> None:
        sent(office, lots=0.1)
        office.package.faults.append(Fault(answer="none"))
        report = sent(office, "b:1", magic=8, side="SELL", lots=lots)
        office.turn(3.0)
        report = office.watch.ask("b:1")
        assert (report.status, report.lots) == ("FILLED", lots)
        assert report.deal == office.broker.deals[-1]["ticket"]
        assert len(office.broker.deals) == 2
