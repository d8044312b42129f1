"""An order that was written down before a death is sent while it is fresh, or missed by rule."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mt5crs_shared.messages import OrderAnswer, QueryOrder
from mt5crs_shared.trading.orders import Code, Order, OrderResult
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.process.unsettled import settle
from mt5crs_worker.trading.journal import Journal
from tests.unit.gateway_cases import STRATEGIES, SYMBOLS, Office, config, order, tick
from tests.unit.instance_cases import Book


class ToOffice:
    """The way to a gateway without sockets."""

    def __init__(self, office: Office, journal: Journal) -> None:
        self.office = office
        self.journal = journal

    def query(self, order_id: str) -> OrderResult:
        answer = self.office.ask(QueryOrder("euro", order_id))
        assert isinstance(answer, OrderAnswer)
        return answer.result

    def submit(self, request: Order) -> OrderResult:
        assert self.journal.intend(request) is None
        return self.office.submit(request)


class Scene:
    """A strategy whose process died with orders in its journal."""

    def __init__(self, folder: Path) -> None:
        self.office = Office(folder / "ledger.db", config(commission_per_lot=3.0))
        self.office.feed(tick(0))
        self.journal = Journal(folder / "euro.db", 1)
        strategy = msgspec.structs.replace(
            STRATEGIES[0], strategy="mt5crs_worker.examples.ma_cross:MovingAverageCross"
        )
        self.instance = StrategyInstance(
            strategy, SYMBOLS["EURUSD"], Book(), 10_000.0, "USD", epoch=2
        )

    def settle(self, fresh: bool) -> None:
        way = ToOffice(self.office, self.journal)
        settle(self.journal, way, self.instance, lambda _: fresh)
        assert self.journal.unsettled() == []

    def result(self, request: Order) -> OrderResult:
        found = self.journal.intend(request)
        assert found is not None
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    opened = Scene(tmp_path)
    yield opened
    opened.office.ledger.close()


def test_a_fresh_one_that_never_left_is_sent_by_the_next_process(scene: Scene) -> None:
    request = order(tick(0), stop_loss=1.09)
    scene.journal.intend(request)
    scene.settle(fresh=True)
    assert scene.result(request).code is Code.FILLED
    assert scene.instance.bot.position == scene.office.position("euro") is not None
    assert scene.instance.bot.realised == -0.3
    assert scene.office.core.orders.newest("euro") == 2


def test_an_old_one_is_missed_and_says_why(scene: Scene) -> None:
    request = order(tick(0))
    scene.journal.intend(request)
    scene.settle(fresh=False)
    result = scene.result(request)
    assert (result.code, result.detail) == (
        Code.STALE,
        "the process that decided it died before it was sent",
    )
    assert scene.office.fills() == []
    assert scene.instance.bot.position is None


def test_one_that_was_executed_is_not_sent_again(scene: Scene) -> None:
    request = order(tick(0))
    scene.journal.intend(request)
    scene.office.submit(request)
    scene.settle(fresh=True)
    assert scene.result(request).code is Code.FILLED
    assert len(scene.office.fills()) == 1


def test_an_exit_that_never_left_is_sent_too(scene: Scene) -> None:
    position = scene.office.open(tick(0))
    scene.instance.bot.position = position
    request = order(tick(1_000), "SELL", ticket=position.ticket)
    scene.journal.intend(request)
    scene.settle(fresh=True)
    assert scene.instance.bot.position is None
    assert scene.office.position("euro") is None
