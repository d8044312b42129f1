"""Orders of the Windows gateway whose answer is lost: found again, never sent again."""

import time
from pathlib import Path
from typing import Any

import pytest

from mt5crs_services.mt5_gateway.orders.order_journal import OrderJournalError
from mt5crs_services.mt5_gateway.requests import SettleOrder
from mt5crs_services.mt5_gateway.terminal.terminal import TerminalError
from tests.mt5_standin.package import CrashError, Fault
from tests.unit.mt5_cases import Office, failed, sent


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path, time.time())


LOST_ANSWERS = [
    Fault(answer="none"),
    Fault(answer="raise"),
    Fault(retcode=10012),
    Fault(retcode=10031),
    Fault(answer="none", error=(-10004, "No IPC connection")),
    Fault(retcode=10005),
    Fault(answer="none", lag_s=5.0),
    Fault(answer="none", delay_s=20.0),
    Fault(retcode=10012, delay_s=20.0, visible=True),
    Fault(delay_s=3.0, visible=True),
    Fault(answer="none", comment=""),
    Fault(answer="none", comment="JUNK"),
]


@pytest.mark.parametrize("fault", LOST_ANSWERS, ids=str)
def test_an_order_without_an_answer_is_found_and_never_sent_again(
    office: Office, fault: Fault
) -> None:
    office.package.faults.append(fault)
    report = sent(office)
    assert report.status in ("FILLED", "UNKNOWN", "PENDING")
    office.turn(30.0)
    report = sent(office)
    (deal,) = office.broker.deals
    assert (report.status, report.deal, report.price) == ("FILLED", deal["ticket"], 1.1001)
    assert len(office.package.sent) == 1


@pytest.mark.parametrize("fault", LOST_ANSWERS, ids=str)
def test_so_is_one_of_a_gateway_that_died_meanwhile(office: Office, fault: Fault) -> None:
    office.package.faults.append(
        Fault(
            answer="crash",
            delay_s=fault.delay_s,
            visible=fault.visible,
            comment=fault.comment,
            lag_s=fault.lag_s,
        )
    )
    with pytest.raises(CrashError):
        sent(office)
    office.start()
    office.turn(30.0)
    report = sent(office)
    assert (report.status, report.found) == ("FILLED", True)
    assert report.deal == office.broker.deals[0]["ticket"]
    assert (len(office.package.sent), len(office.broker.deals)) == (1, 1)


@pytest.mark.parametrize("answer", ["none", "raise", "crash", "result"])
def test_an_order_that_never_arrived_is_rejected_when_that_is_sure(
    office: Office, answer: str
) -> None:
    office.package.faults.append(Fault(retcode=10012, execute=False, answer=answer))
    if answer == "crash":
        with pytest.raises(CrashError):
            sent(office)
        office.start()
    else:
        assert sent(office).status == "UNKNOWN"
    office.turn(30.0)
    assert office.watch.ask("a:1").status == "UNKNOWN"
    assert failed(office, "a:2").code == "UNSETTLED"
    office.turn(40.0)
    report = sent(office)
    assert (report.status, report.lots) == ("REJECTED", 0.0)
    assert "no trace" in report.detail
    assert sent(office, "a:2").status == "FILLED"
    assert len(office.package.sent) == 2


def test_time_without_a_connection_makes_nothing_sure(office: Office) -> None:
    office.package.faults.append(Fault(answer="none", delay_s=250.0))
    sent(office)
    office.broker.connected = False
    office.turn(200.0)
    assert "no connection" in office.watch.ask("a:1").detail
    office.broker.connected = True
    office.turn(30.0)
    assert office.watch.ask("a:1").status == "UNKNOWN"
    office.turn(75.0)
    assert sent(office).status == "FILLED"


@pytest.mark.parametrize("comment", [None, ""])
def test_without_the_servers_zone_nothing_is_concluded_from_silence(
    office: Office, comment: str | None
) -> None:
    office.start("auto")
    office.package.faults.append(Fault(answer="none", comment=comment))
    sent(office)
    office.turn(200.0)
    report = office.watch.ask("a:1")
    if comment is None:
        assert report.status == "FILLED"
        return
    assert (report.status, report.detail) == ("UNKNOWN", "the server's zone is not known")
    office.start("+02:00")
    office.turn(2.0)
    assert office.watch.ask("a:1").status == "FILLED"


def test_a_terminal_that_is_gone_comes_back_and_knows(office: Office) -> None:
    office.package.faults.append(Fault(answer="none", error=(-10004, "No IPC connection")))
    office.package.down = True
    office.package.down = False
    sent(office)
    office.package.down = True
    office.turn(60.0)
    assert not office.terminal.attached
    with pytest.raises(TerminalError, match="Process create failed"):
        office.desk.send(office.order("a:2", magic=8))
    office.package.down = False
    office.turn(40.0)
    assert sent(office).status == "FILLED"
    assert len(office.broker.deals) == 1


def test_an_order_that_was_never_handed_over_was_not_executed(office: Office) -> None:
    def full(*_: Any) -> Any:
        raise OrderJournalError("the disk is full")

    office.journal.attempt = full  # type: ignore[method-assign]
    with pytest.raises(OrderJournalError):
        sent(office)
    office.start()
    report = sent(office)
    assert (report.status, report.detail) == ("REJECTED", "the gateway ended before it was sent")
    assert office.package.sent == []


def test_a_journal_that_fails_after_the_order_is_no_failure_of_the_order(office: Office) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OrderJournalError("the disk is full")

    office.journal.note = full  # type: ignore[method-assign]
    report = sent(office)
    assert (report.status, len(office.broker.deals)) == ("UNKNOWN", 1)
    office.start()
    assert sent(office).status == "FILLED"
    assert len(office.package.sent) == 1


def test_two_orders_that_look_alike_are_told_apart_by_their_tokens(office: Office) -> None:
    office.package.faults.extend([Fault(answer="none", lag_s=9.0), Fault(answer="none", lag_s=9.0)])
    sent(office)
    office.terminal.attach()
    sent(office, "b:1", magic=8)
    office.turn(20.0)
    first, second = office.watch.ask("a:1"), office.watch.ask("b:1")
    assert (first.status, second.status) == ("FILLED", "FILLED")
    assert [first.deal, second.deal] == [deal["ticket"] for deal in office.broker.deals]


def test_an_order_that_could_be_several_stays_unknown(office: Office) -> None:
    office.package.faults.append(Fault(answer="none", comment=""))
    sent(office)
    request = dict(office.package.sent[0], comment="")
    office.broker.execute(request)
    office.turn(20.0)
    report = office.watch.ask("a:1")
    assert report.status == "UNKNOWN"
    assert "could each be it" in report.detail
    assert failed(office, "a:2").code == "UNSETTLED"
    other = sent(office, "b:1", magic=8).order
    assert "is that of b:1" in office.watch.settle(SettleOrder("a:1", other, "anna")).detail
    number = office.broker.deals[0]["order"]
    settled = office.watch.settle(SettleOrder("a:1", number, "anna"))
    assert (settled.status, settled.order, settled.price) == ("FILLED", number, 1.1001)
    assert office.watch.settle(SettleOrder("a:1", 0, "anna")) == settled
    assert sent(office, "a:2").status == "FILLED"


def test_the_operator_says_that_an_order_was_not_executed(office: Office) -> None:
    office.package.faults.append(Fault(answer="none", execute=False))
    sent(office)
    word = SettleOrder("a:1", 0, "anna")
    # Before the books of the right account were looked into, it may stand there.
    assert office.watch.settle(word).status == "UNKNOWN"
    office.terminal.attach()
    office.broker.login = 6002
    assert "another account" in office.watch.settle(word).detail
    office.broker.login = 5001
    office.broker.connected = False
    assert "no connection" in office.watch.settle(word).detail
    office.broker.connected = True
    settled = office.watch.settle(word)
    assert (settled.status, settled.detail) == ("REJECTED", "anna says that it was not executed")
    assert sent(office, "a:2").status == "FILLED"
    assert office.watch.settle(SettleOrder("nobody", 0, "anna")).status == "NOT_SEEN"


def test_the_operator_says_that_an_order_was_executed_that_the_books_have_lost(
    office: Office,
) -> None:
    office.package.faults.append(Fault(delay_s=1e6, visible=True))
    sent(office)
    word = SettleOrder("a:1", 0, "anna", 0.1, 1.1005, 100_002)
    assert office.watch.settle(word).status == "PENDING", "the broker decides it still"
    office.broker.orders.clear()
    settled = office.watch.settle(word)
    assert (settled.status, settled.lots, settled.price) == ("FILLED", 0.1, 1.1005)
    assert (settled.ticket, settled.detail) == (100_002, "anna says that it was executed")
    assert office.watch.settle(SettleOrder("a:1", 0, "bob")) == settled
    assert sent(office, "a:2").status == "FILLED"


@pytest.mark.parametrize(
    ("lots", "status"), [(0.0, "REJECTED"), (0.1, "FILLED"), (0.05, "PARTIAL")]
)
def test_so_is_one_whose_deals_alone_are_lost(office: Office, lots: float, status: str) -> None:
    sent(office, "x:1", magic=9)
    office.package.faults.append(Fault(answer="none"))
    sent(office)
    office.terminal.attach()
    office.broker.deals.pop()
    assert "not all there" in office.watch.ask("a:1").detail
    assert office.watch.settle(SettleOrder("a:1", 0, "anna", lots)).status == status
    assert sent(office, "a:2").status == "FILLED"


def test_what_the_books_say_is_more_than_anybodys_word(office: Office) -> None:
    office.package.faults.append(Fault(answer="none", lag_s=5.0))
    sent(office)
    office.turn(6.0)
    part = office.watch.settle(SettleOrder("a:1", 0, "anna"))
    assert (part.status, part.deal) == ("FILLED", office.broker.deals[0]["ticket"])


def test_another_account_settles_nothing(office: Office) -> None:
    office.package.faults.append(Fault(answer="none", lag_s=10.0))
    sent(office)
    office.broker.login = 6002
    office.turn(100.0)
    assert "another account" in office.watch.ask("a:1").detail
    office.broker.login = 5001
    office.turn(5.0)
    assert office.watch.ask("a:1").status == "FILLED"
