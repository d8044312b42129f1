"""Positions that the broker lists no more, and since when."""

import time
from collections.abc import Callable
from typing import NamedTuple

from mt5crs_services.gateway.brokers.bridge.account import evidence
from mt5crs_services.gateway.brokers.bridge.account.closings import Ended
from mt5crs_services.gateway.brokers.bridge.account.snapshots import AccountSnapshot
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarPosition
from mt5crs_services.gateway.brokers.holdings import Holdings
from mt5crs_services.gateway.ledger.open_position import OpenPosition

MISSED_LOOKS = 2
"""Snapshots in a row that lack a position before it is taken for closed: a terminal that is
connecting lists none for a moment."""


class Missing(NamedTuple):
    """A position that snapshots in a row have not listed.

    Attributes:
        looks: How many.
        since: When the first of them was asked for, monotonic, seconds.
        lots: What is gone of it.
    """

    looks: int
    since: float
    lots: float


class MissingPositions:
    """Tells which of the positions here have been closed by the broker, from snapshot to snapshot.

    Args:
        holdings: The open positions.
        estimate: What has become of so many lots of one, as far as the quotes tell.
        closes: Whether an order on its way closes a strategy's position.
        look_again: Has the account looked at once more, in so many seconds.
        settle_after: Seconds that a bridge may be late.
        told_within: Seconds that a closing is waited for which the broker's deals do not tell yet.
        monotonic: The monotonic clock, seconds.

    Attributes:
        tickets: Those that the newest snapshot lacks.
        contradiction: What the broker has instead of one, for people; empty: nothing.
    """

    def __init__(
        self,
        holdings: Holdings,
        estimate: Callable[[OpenPosition, float], Ended],
        closes: Callable[[str], bool],
        look_again: Callable[[float], None],
        settle_after: float,
        told_within: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tickets: dict[int, Missing] = {}
        self.contradiction = ""
        self._holdings = holdings
        self._estimate = estimate
        self._closes = closes
        self._look_again = look_again
        self._settle_after = settle_after
        self._told_within = max(told_within, settle_after)
        self._monotonic = monotonic

    def gone(self, snapshot: AccountSnapshot) -> dict[int, float]:
        """Lots that a snapshot lacks of each position, whoever closes it."""
        found = {h.position.ticket: self._gone(h, snapshot) for h in self._holdings.all}
        return {ticket: lots for ticket, lots in found.items() if lots > evidence.SAME_LOTS}

    def ended(self, snapshot: AccountSnapshot) -> list[Ended]:
        """What is gone for so long that the broker must have closed it."""
        self.contradiction = ""
        before, self.tickets = self.tickets, {}
        patience = self._settle_after if snapshot.deals is None else self._told_within
        ended = []
        for held in list(self._holdings.all):
            ticket = held.position.ticket
            gone = 0.0 if self._closes(held.position.strategy) else self._gone(held, snapshot)
            if not gone:
                continue
            looks, since, lots = before.get(ticket, Missing(0, snapshot.asked_at, gone))
            if gone > lots + evidence.SAME_LOTS:
                # What else is gone has not been gone for so long.
                looks, since = 0, snapshot.asked_at
            self.tickets[ticket] = Missing(looks + 1, since, gone)
            waited = self._monotonic() - since
            if looks + 1 >= MISSED_LOOKS and waited >= patience:
                ended.append(self._estimate(held, gone))
            else:
                self._look_again(self._settle_after)
        return ended

    def _gone(self, held: OpenPosition, snapshot: AccountSnapshot) -> float:
        """Lots of a position that a snapshot has no more."""
        position = held.position
        listed = evidence.listed_as(position, snapshot.positions)
        if listed is None:
            return position.lots
        if listed.side != position.side or listed.lots > position.lots + evidence.SAME_LOTS:
            self.contradiction = _another(held, listed)
            return 0.0
        return round(position.lots - listed.lots, 8)


def _another(held: OpenPosition, listed: FarPosition) -> str:
    position = held.position
    return (
        f"position {position.ticket} of {position.strategy} is a {position.side} of"
        f" {position.lots:g} lots in the ledger, and a {listed.side} of {listed.lots:g} at the"
        " broker: somebody else trades it, or the account nets what two strategies of one symbol"
        " deal; nothing is sent. Close it in the terminal, and give each symbol one strategy"
    )
