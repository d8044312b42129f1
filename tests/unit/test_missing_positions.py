"""From which snapshot on a position that the broker lists no more is taken for closed."""

from mt5crs_services.gateway.brokers.bridge.account.closings import Ended
from mt5crs_services.gateway.brokers.bridge.account.missing_positions import MissingPositions
from mt5crs_services.gateway.brokers.bridge.account.snapshots import AccountSnapshot
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarAccount, FarPosition
from mt5crs_services.gateway.brokers.holdings import Holdings
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_shared.trading.orders import Position
from tests.unit.gateway_cases import SYMBOLS, tick

ACCOUNT = FarAccount(10_000.0, 10_000.0, 0.0, 10_000.0)
SETTLE_AFTER = 10.0
BEGIN = 100.0

TOLD_WITHIN = 3.0 * SETTLE_AFTER


class Watch:
    """Three strategies' positions, 1 to 3, and snapshots a second after another."""

    def __init__(self, closes: str = "") -> None:
        self.now = BEGIN
        holdings = Holdings()
        for ticket, strategy in enumerate(("euro", "other", "small"), start=1):
            position = Position(ticket, strategy, "EURUSD", ticket, "BUY", 0.1, 1.1, 0, 0.0, 0.0)
            holdings.add(OpenPosition(position, tick(0), 1.0))
        self.missing = MissingPositions(
            holdings,
            self.estimate,
            closes.__eq__,
            lambda _: None,
            SETTLE_AFTER,
            TOLD_WITHIN,
            lambda: self.now,
        )

    @staticmethod
    def estimate(held: OpenPosition, lots: float) -> Ended:
        return Ended(held, lots, SYMBOLS["EURUSD"], 1.1, 1.0, 0)

    def at(self, now: float, *listed: int) -> set[int]:
        """Tickets that are taken for closed by a snapshot of that moment, seconds from BEGIN."""
        return set(self.ended(now, dict.fromkeys(listed, 0.1)))

    def ended(self, now: float, listed: dict[int, float]) -> dict[int, float]:
        """The same with the lots that are listed of each, and those that are closed."""
        now = self.now = BEGIN + now
        there = tuple(FarPosition(t, "EURUSD", "BUY", lots) for t, lots in listed.items())
        ended = self.missing.ended(AccountSnapshot(now, ACCOUNT, there))
        return {each.held.position.ticket: each.lots for each in ended}


def test_one_snapshot_without_it_is_not_believed_nor_two_of_one_moment() -> None:
    watch = Watch()
    assert watch.at(0.0, 2, 3) == set()
    assert watch.at(1.0, 2, 3) == set()
    assert watch.at(SETTLE_AFTER, 2, 3) == {1}


def test_a_position_that_is_listed_again_begins_anew() -> None:
    watch = Watch()
    watch.at(0.0, 2, 3)
    watch.at(5.0, 1, 2, 3)
    assert watch.at(SETTLE_AFTER, 2, 3) == set()
    assert watch.at(2 * SETTLE_AFTER, 2, 3) == {1}


def test_each_has_its_own_time() -> None:
    watch = Watch()
    watch.at(0.0, 2, 3)
    assert watch.at(9.0, 3) == set()
    assert watch.at(SETTLE_AFTER, 3) == {1}
    assert watch.at(9.0 + SETTLE_AFTER, 3) == {1, 2}


def test_what_is_being_closed_is_gone_and_has_not_ended_by_itself() -> None:
    watch = Watch(closes="euro")
    assert watch.at(0.0, 2, 3) == set()
    assert watch.at(SETTLE_AFTER, 2, 3) == set()
    there = tuple(FarPosition(ticket, "EURUSD", "BUY", 0.1) for ticket in (2, 3))
    assert watch.missing.gone(AccountSnapshot(BEGIN + 1.0, ACCOUNT, there)) == {1: 0.1}


def test_what_else_is_gone_of_a_position_has_its_own_time() -> None:
    watch = Watch()
    part, none = {1: 0.06, 2: 0.1, 3: 0.1}, {2: 0.1, 3: 0.1}
    assert watch.ended(0.0, part) == {}
    assert watch.ended(SETTLE_AFTER - 1.0, none) == watch.ended(SETTLE_AFTER, none) == {}
    assert watch.ended(SETTLE_AFTER + 1.0, part) == {}, "it was listed again: another look"
    assert watch.ended(2 * SETTLE_AFTER, part) == {1: 0.04}


def test_where_the_brokers_deals_are_told_they_are_waited_for() -> None:
    watch = Watch()
    ended = []
    for now in (0.0, SETTLE_AFTER, TOLD_WITHIN - 0.1, TOLD_WITHIN):
        watch.now = BEGIN + now
        ended.append(watch.missing.ended(AccountSnapshot(watch.now, ACCOUNT, (), deals=())))
    assert [len(found) for found in ended] == [0, 0, 0, 3]
