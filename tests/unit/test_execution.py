"""Orders at a broker that is far away: whatever it says, none is sent twice, none is lost."""

from pathlib import Path
from typing import Any

import pytest

from mt5crs_services.gateway.broker import Broker, KeepFarSide, Outcome, Status
from mt5crs_services.gateway.ledger.account import Account
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.quotes.market import Market
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.messages import OrderAnswer, PositionClosed
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.trading.orders import Code, OrderResult
from tests.unit.gateway_cases import Office, order, tick
from tests.unit.scripted_broker import PENDING, UNKNOWN, FarSide, ScriptedBroker


class FarOffice(Office):
    """A gateway whose broker is far away, and outlives it."""

    def __init__(self, path: Path, side: FarSide) -> None:
        self.side = side
        super().__init__(path)

    def make_broker(
        self, config: Config, market: Market, ledger: Ledger, account: Account, keep: KeepFarSide
    ) -> Broker:
        return ScriptedBroker(self.side, ledger.open_positions())

    def turn(self) -> list[Any]:
        """Time passes; what strategies are told."""
        self.now += 10.0
        self.core.execution.turn(caught_up=True)
        return [message for _, message in self.core.execution.take_mail()]

    def status(self, order_id: str) -> str:
        with ledger_schema.open_ledger(self.path) as db:
            found = {o.order_id: o.status for o in ledger_queries.read_orders(db)}
        return found[order_id]


def office(tmp_path: Path, *answers: Outcome | Exception) -> FarOffice:
    return FarOffice(tmp_path / "ledger.db", FarSide(*answers))


BUY = order(tick(0))


def test_an_order_is_on_the_disk_before_it_leaves(tmp_path: Path) -> None:
    one = office(tmp_path)
    seen: list[str] = []
    send = one.core.broker.submit
    one.core.broker.submit = lambda *args: seen.append(one.status(BUY.order_id)) or send(*args)  # type: ignore[func-returns-value, method-assign]
    assert one.submit(BUY).status == "FILLED"
    assert seen == ["SENT"]
    assert one.status(BUY.order_id) == "FILLED"


@pytest.mark.parametrize("said", [UNKNOWN, PENDING, OSError("the line is down")])
def test_an_unknown_fate_is_asked_for_until_it_is_known(
    tmp_path: Path, said: Outcome | Exception
) -> None:
    one = office(tmp_path, said, UNKNOWN, UNKNOWN)
    assert one.ask_submit(BUY) is None
    # The strategy asks again, with the same order: it is not sent again.
    assert one.ask_submit(BUY) is None
    assert one.status(BUY.order_id) in ("UNKNOWN", "PENDING")
    assert (one.turn(), one.turn()) == ([], [])
    (answer,) = one.turn()
    assert isinstance(answer, OrderAnswer)
    assert answer.result.status == "FILLED"
    assert one.submit(BUY) == answer.result
    assert [sent.order_id for sent in one.side.sent] == [BUY.order_id]
    assert one.position("euro") is not None
    assert one.turn() == []


def test_a_gateway_that_dies_with_an_order_on_its_way_asks_and_never_sends_again(
    tmp_path: Path,
) -> None:
    one = office(tmp_path, UNKNOWN)
    assert one.ask_submit(BUY) is None
    one.restart()
    assert one.ask_submit(BUY) is None
    (answer,) = one.turn()
    assert answer.result.status == "FILLED"
    assert len(one.side.sent) == 1
    assert len(one.fills()) == 1


def test_a_death_between_the_record_and_the_sending_ends_as_not_seen(tmp_path: Path) -> None:
    one = office(tmp_path)

    def die(*_: object) -> Outcome:
        raise KeyboardInterrupt

    one.core.broker.submit = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        one.ask_submit(BUY)
    one.restart()
    (answer,) = one.turn()
    assert (answer.result.status, answer.result.code) == ("REJECTED", Code.NOT_SEEN)
    assert one.side.sent == []
    assert one.status(BUY.order_id) == "REJECTED"


def test_a_part_is_dealt_and_the_rest_is_not_to_be_had(tmp_path: Path) -> None:
    one = office(tmp_path)
    one.side.lots = 0.04
    result = one.submit(BUY)
    assert (result.status, result.code) == ("FILLED", Code.PARTIAL)
    assert result.position is not None
    assert result.position.lots == 0.04
    assert one.status(BUY.order_id) == "PARTIAL"
    one.side.lots = 0.03
    closing = order(tick(1), "SELL", lots=0.04, ticket=result.position.ticket)
    closed = one.submit(closing)
    assert (closed.code, closed.position and closed.position.lots) == (Code.PARTIAL, 0.01)
    one.restart()
    left = one.position("euro")
    assert left is not None
    assert (left.lots, left.side) == (0.01, "BUY")
    one.side.lots = None
    rest = order(tick(2), "SELL", lots=0.01, ticket=left.ticket)
    assert one.submit(rest).code is Code.FILLED
    assert one.position("euro") is None
    assert one.core.account.balance == 10_000.0 - 10.0


def test_a_refusal_of_the_broker_is_an_end(tmp_path: Path) -> None:
    refused = Outcome(Status.REJECTED, Code.NO_MARGIN, "not enough money")
    one = office(tmp_path, UNKNOWN, refused)
    assert one.ask_submit(BUY) is None
    (answer,) = one.turn()
    expected = OrderResult(BUY.order_id, "REJECTED", Code.NO_MARGIN, "not enough money")
    assert answer.result == expected == one.submit(BUY)
    assert one.turn() == []


def test_a_deal_that_comes_by_itself_settles_its_order(tmp_path: Path) -> None:
    one = office(tmp_path, *[PENDING] * 3)
    assert one.ask_submit(BUY) is None
    dealt = one.side.truth[BUY.order_id].dealt
    assert dealt is not None
    one.side.unasked.append(dealt)
    (answer,) = one.turn()
    assert isinstance(answer, OrderAnswer)
    assert answer.result.fill == dealt.fill
    # Closed by hand, or by a stop there: nobody asked, and its strategy is told.
    closed = one.side.deal(order(tick(5), "SELL", ticket=dealt.fill.ticket)).dealt
    assert closed is not None
    one.side.unasked.append(closed)
    (told,) = one.turn()
    assert told == PositionClosed("euro", dealt.fill.ticket, closed.fill)
    assert one.position("euro") is None


def test_a_deal_that_cannot_be_booked_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = office(tmp_path)

    def full(*_: object) -> None:
        raise LedgerError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(one.ledger, "book", full)
        assert one.ask_submit(BUY) is None
    assert one.position("euro") is None
    (answer,) = one.turn()
    assert answer.result.status == "FILLED"
    assert len(one.side.sent) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (OSError("the line is down"), "OSError: the line is down"),
        (None, "answered None, and an Outcome was expected"),
        (Outcome("REFUSED"), "a status is one of Status"),  # type: ignore[arg-type]
        (Outcome(Status.FILLED), "said FILLED and not which deal"),
        (Outcome(Status.REJECTED), "said REJECTED and None, which is no reason"),
        (Outcome(Status.REJECTED, Code.FILLED), "which is no reason"),
        (Outcome(Status.REJECTED, "NOPE"), "which is no reason"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_answer_is_no_answer_and_is_told(tmp_path: Path, wrong: Any, said: str) -> None:
    one = office(tmp_path, wrong, wrong, wrong)
    assert one.ask_submit(BUY) is None
    assert said in one.core.trouble
    assert (one.turn(), one.turn()) == ([], [])
    assert said in one.core.trouble
    (answer,) = one.turn()
    assert answer.result.status == "FILLED"
    assert (one.core.trouble, len(one.side.sent)) == ("", 1)


def test_a_broker_that_cannot_be_asked_what_it_has_done_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = office(tmp_path)

    def down(_caught_up: bool) -> Any:
        raise OSError("the line is down")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(one.core.broker, "poll", down)
        assert one.turn() == []
        assert "cannot be asked what it has done: OSError" in one.core.trouble
        assert one.submit(BUY).status == "FILLED"
    one.turn()
    assert one.core.trouble == ""
