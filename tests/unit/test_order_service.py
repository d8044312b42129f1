import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mt5crs_services.gateway.ledger import writing
from mt5crs_services.gateway.ledger.ledger_file import LedgerTakenError
from mt5crs_shared.messages import Fence, OrderAnswer, QueryOrder, Submit, Touched
from mt5crs_shared.storage import ledger_queries
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.trading.orders import Code, Order
from tests.unit.gateway_cases import Office, config, order, tick


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "ledger.db")


def test_a_repeated_order_gets_its_first_answer(office: Office) -> None:
    first = office.submit(order(tick(0)))
    again = order(tick(0), epoch=2)
    assert office.submit(again) == first
    office.restart()
    assert office.submit(again) == first
    assert len(office.fills()) == 1


def test_a_refusal_is_remembered_too(office: Office) -> None:
    refused = office.submit(order(tick(0), lots=0.015))
    assert refused.code is Code.BAD_VOLUME
    office.restart()
    assert office.submit(order(tick(0), lots=0.015)) == refused


@pytest.mark.parametrize(
    "change",
    [
        {"side": "SELL"},
        {"lots": 0.2},
        {"tick": tick(1)},
        {"ticket": 5},
        {"symbol": "GBPUSD"},
        {"strategy": "other"},
    ],
)
def test_an_id_belongs_to_one_order(office: Office, change: dict[str, Any]) -> None:
    first = order(tick(0))
    office.submit(first)
    changed = msgspec.structs.replace(first, **change)
    assert office.submit(changed).code is Code.ID_REUSED
    assert len(office.fills()) == 1


def test_the_books_own_ids_are_not_for_strategies(office: Office) -> None:
    position = office.open(tick(0), stop_loss=1.09)
    stolen = order(tick(5), "SELL", ticket=position.ticket, order_id="7000001:stop_loss")
    assert office.submit(stolen).code is Code.ID_REUSED
    assert office.touch(position, tick(9, 1.08, 1.0801)).fill is not None


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (order(tick(0), strategy="nobody"), Code.UNKNOWN_STRATEGY),
        (order(tick(0, symbol="GBPUSD")), Code.UNKNOWN_SYMBOL),
        (order(tick(0), symbol="GBPUSD"), Code.UNKNOWN_SYMBOL),
        (order(tick(0, math.nan)), Code.BAD_PRICE),
        (order(tick(0, 1.1, 1.0999)), Code.CROSSED_QUOTE),
        (order(tick(0), lots=math.nan), Code.BAD_VOLUME),
        (order(tick(0), stop_loss=1.1), Code.BAD_STOPS),
        (order(tick(0), lots=100.0), Code.NO_MARGIN),
        (order(tick(0, 0.85, 0.8501, "EURGBP"), strategy="cross"), Code.NO_RATE),
        (order(tick(0), "SELL", ticket=3), Code.NO_POSITION),
    ],
    ids=lambda value: value.value if isinstance(value, Code) else "",
)
def test_what_is_wrong_with_an_order_is_said(office: Office, request_: Order, code: Code) -> None:
    result = office.submit(request_)
    assert (result.status, result.code) == ("REJECTED", code)
    assert result.detail
    assert [record.code for record in ledger_queries.read_orders(office.ledger._db)] == [code]


def test_one_position_a_strategy(office: Office) -> None:
    office.feed(tick(-1), tick(0))
    position = office.open(tick(0))
    assert office.submit(order(tick(1))).code is Code.POSITION_EXISTS
    wrong = [{"ticket": position.ticket + 1}, {"lots": 0.2}, {"side": "BUY"}, {"tick": tick(-1)}]
    for number, change in enumerate(wrong):
        fields: dict[str, Any] = {"ticket": position.ticket, "order_id": f"wrong {number}"}
        bad = order(tick(2), "SELL", **fields)
        code = office.submit(msgspec.structs.replace(bad, **change)).code
        assert code in (Code.NO_POSITION, Code.BAD_VOLUME, Code.UNKNOWN_TICK)
    others = order(tick(2), "SELL", strategy="other", ticket=position.ticket)
    assert office.submit(others).code is Code.NO_POSITION
    assert office.submit(order(tick(2), "SELL", ticket=position.ticket)).code is Code.FILLED


def test_a_replaced_process_can_do_nothing(office: Office) -> None:
    assert office.register(epoch=3).refused == ""
    assert "epoch 2" in office.register(epoch=2).refused
    position = office.open(tick(0), epoch=3, stop_loss=1.09)
    assert office.submit(order(tick(1), "SELL", epoch=2, ticket=position.ticket)).code is (
        Code.FENCED
    )
    closed = office.touch(position, tick(2, 1.08, 1.0801), epoch=2)
    assert (closed.fill, "epoch 2" in closed.detail) == (None, True)
    # What a replaced process was refused, its successor may do under the same id.
    assert office.submit(order(tick(1), "SELL", epoch=3, ticket=position.ticket)).code is (
        Code.FILLED
    )


def test_a_fence_outlives_a_crash(office: Office) -> None:
    assert office.ask(Fence("euro", 5)) is None
    office.restart()
    assert office.submit(order(tick(0), epoch=4)).code is Code.FENCED
    assert office.submit(order(tick(0), epoch=6)).code is Code.FILLED
    assert office.register(epoch=5).refused


def test_registering_tells_what_the_ledger_has(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", config(commission_per_lot=3.0))
    position = office.open(tick(0))
    office.restart()
    word = office.register(epoch=2)
    assert (word.position, word.realised) == (position, -0.3)
    office.submit(order(tick(1, 1.105, 1.1051), "SELL", epoch=2, ticket=position.ticket))
    word = office.register(epoch=2)
    assert (word.position, word.realised) == (None, 48.4)


def test_a_query_tells_the_result_or_that_it_was_never_seen(office: Office) -> None:
    result = office.submit(order(tick(0)))
    assert office.ask(QueryOrder("euro", result.order_id)) == OrderAnswer(result)
    unknown = office.ask(QueryOrder("euro", "x"))
    assert isinstance(unknown, OrderAnswer)
    assert (unknown.result.status, unknown.result.code) == ("REJECTED", Code.NOT_SEEN)


def test_an_order_that_waits_is_answered_when_its_tick_comes(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", config(latency_ms=5.0))
    request = order(tick(0))
    assert office.ask(Submit(request)) is None
    assert office.ask(Submit(request)) is None
    assert office.ask(QueryOrder("euro", request.order_id)) is None
    office.feed(tick(5_000))
    [(_, answer)] = office.core.execution.take_mail()
    assert office.ask(QueryOrder("euro", request.order_id)) == answer


def test_a_touch_is_believed_when_it_is_one(office: Office) -> None:
    position = office.open(tick(1_000), stop_loss=1.09)
    for wrong in (
        tick(2_000),
        tick(2_000, 1.08, 1.0801, "GBPUSD"),
        tick(2_000, -1.0, 1.0),
    ):
        closed = office.touch(position, wrong)
        assert (closed.fill, bool(closed.detail)) == (None, True)
    first = office.touch(position, tick(2_000, 1.0895, 1.0896))
    assert first.fill is not None
    assert office.core.execution.take_mail() == []
    # Asked again, by this process or the next, it says the same.
    office.restart()
    assert office.touch(position, tick(3_000, 1.0894, 1.0895), epoch=2) == first


def test_a_touch_of_before_the_opening_is_none(office: Office) -> None:
    early = tick(999, 1.0895, 1.0896)
    office.feed(tick(0), early, tick(1_000))
    position = office.open(tick(1_000), stop_loss=1.09)
    closed = office.touch(position, early)
    assert closed.detail == f"position {position.ticket} was opened after that tick"
    assert office.position("euro") == position


def test_a_touch_on_a_position_that_an_order_closed_tells_that_deal(office: Office) -> None:
    position = office.open(tick(0), stop_loss=1.09)
    result = office.submit(order(tick(1), "SELL", ticket=position.ticket))
    assert office.touch(position, tick(2, 1.08, 1.0801)).fill == result.fill
    stranger = msgspec.structs.replace(position, ticket=12)
    assert office.touch(stranger, tick(2)).fill is None


def test_a_bug_rolls_back_is_answered_and_is_not_remembered(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(writing, "insert_position", lambda *_: 1 / 0)
        assert office.submit(order(tick(0))).code is Code.INTERNAL
    assert office.fills() == []
    assert office.core.account.balance == 10_000.0
    assert office.submit(order(tick(0))).code is Code.FILLED


def test_a_ledger_that_cannot_be_written_closes_nothing_and_says_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.feed(tick(0))
    position = office.open(tick(0), stop_loss=1.09)
    office.feed(tick(1_000, 1.08, 1.0801))

    def fail(*_: object) -> None:
        raise LedgerError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(office.ledger, "book", fail)
        assert office.ask(Touched("euro", 1, position.ticket, tick(1_000, 1.08, 1.0801))) is None
        with pytest.raises(LedgerError):
            office.settle()
        refused = order(tick(2_000, 1.08, 1.0801), "SELL", strategy="other")
        assert office.ask_submit(refused) is None
    assert office.submit(refused).code is Code.FILLED
    office.settle()
    assert office.fills()[-1].code is Code.STOP_LOSS


def test_a_fence_holds_although_it_cannot_be_recorded(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LedgerError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(office.ledger, "raise_epoch", fail)
        assert office.ask(Fence("euro", 2)) is None
        assert office.submit(order(tick(0), epoch=1)).code is Code.FENCED


def test_a_second_gateway_ends_the_first(office: Office) -> None:
    second = Office(office.path)
    with pytest.raises(LedgerTakenError):
        office.ask(Submit(order(tick(0))))
    assert second.submit(order(tick(0))).code is Code.FILLED
