"""What has moved a broker's balance and is in no book yet, snapshot by snapshot."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from mt5crs_services.gateway.brokers.bridge.account.closings import (
    Ended,
    best_guess,
    price_of,
    shared_out,
)
from mt5crs_services.gateway.brokers.bridge.account.evidence import SAME_LOTS, SAME_MONEY
from mt5crs_shared.trading.orders import Fill


class Opening(NamedTuple):
    """An order on its way that is to open a position.

    Attributes:
        order_id: Its id.
        begun_at: Monotonic time at which it came here, seconds.
        doubted: Seconds for which nobody has known its fate; 0.0: it is being answered.
        looked_for: It was looked for so often that it is not dealt any more, if it was not.
    """

    order_id: str
    begun_at: float
    doubted: float
    looked_for: bool


class GoneTogether(msgspec.Struct):
    """Positions, or parts of them, that the same snapshot was the first to lack.

    Attributes:
        lots: What is gone of each, by ticket, and in no book yet.
        made: What they have made together, in the account's currency.
        openings: Ids of the orders that may have opened, and ended, another position meanwhile.
    """

    lots: dict[int, float]
    made: float
    openings: frozenset[str]


class KeptMoney(msgspec.Struct, frozen=True):
    """What is to outlive a process of `UnexplainedMoney`.

    Attributes:
        groups: What is gone, by what went at once.
        other: What has moved the balance while nothing new was missing.
        listed: Tickets that the newest snapshot had, or one before it; None: there was none.
    """

    groups: tuple[GoneTogether, ...] = ()
    other: float = 0.0
    listed: frozenset[int] | None = None


NOTHING = KeptMoney()


class UnexplainedMoney:
    """Keeps apart what has moved the balance between one snapshot and the next.

    A snapshot is consistent: what it lacks has made what the balance has moved by since the one
    before. Taken together, one position would get another's profit, and an order whose answer was
    lost would count as never dealt, because others had all that it has made.

    Args:
        openings: The orders on their way that are to open a position, just now.
        unknown_after: Seconds after which people are asked about one.
        kept: As an earlier process left it.
    """

    def __init__(
        self,
        openings: Callable[[], Sequence[Opening]],
        unknown_after: float,
        kept: KeptMoney = NOTHING,
    ) -> None:
        self._openings = openings
        self._unknown_after = unknown_after
        self._groups = [_copied(group) for group in kept.groups]
        self._other = kept.other
        self._listed = kept.listed

    @property
    def kept(self) -> KeptMoney:
        """For the next process."""
        groups = tuple(_copied(group) for group in self._groups)
        return KeptMoney(groups, self._other, self._listed)

    @property
    def awaits_booking(self) -> bool:
        """Something is gone, and is not booked yet."""
        return bool(self._groups)

    def take(
        self,
        difference: float,
        held: Collection[int],
        gone: Mapping[int, float],
        listed: Collection[int],
        asked_at: float,
        told: bool,
    ) -> None:
        """The next snapshot.

        Args:
            difference: By how much the balance differs from what is in the books.
            held: Tickets that it can have.
            gone: Lots that it lacks of them.
            listed: Tickets that it has, whoever's they are.
            asked_at: Monotonic time at which it was asked for, seconds.
            told: The broker's deals are told, and none is one of an order that is in no ledger.
        """
        self._forget_listed(gone)
        known = {ticket for group in self._groups for ticket in group.lots}
        new = {ticket: lots for ticket, lots in gone.items() if ticket not in known}
        moved = round(difference - self._other - sum(each.made for each in self._groups), 2)
        unseen = self._listed is not None and new and not self._listed & new.keys()
        if unseen and abs(moved) < SAME_MONEY:
            self._join(new)
        elif new:
            openings = frozenset[str]() if told else self._entangled(asked_at)
            self._groups.append(GoneTogether(new, moved, openings))
        elif abs(moved) >= SAME_MONEY:
            self._put_down(moved, gone)
        self._listed = frozenset(held) & (self._listed or frozenset()) | frozenset(listed)

    def after(self, fill: Fill) -> KeptMoney:
        """What is to be kept once a closing deal is in the ledger."""
        then = UnexplainedMoney(self._openings, self._unknown_after, self.kept)
        then.booked(fill)
        return then.kept

    def booked(self, fill: Fill) -> None:
        """A closing deal is in the ledger."""
        ticket, lots, net = fill.ticket, fill.lots, fill.profit - fill.commission
        for group in self._groups:
            if ticket in group.lots:
                group.made = round(group.made - net, 2)
                group.lots[ticket] -= lots
                if group.lots[ticket] <= SAME_LOTS:
                    del group.lots[ticket]
                break
        self._drop_empty()

    def settled(self) -> None:
        """The balance is right as it is, whatever has moved it."""
        self._groups.clear()
        self._other = 0.0

    def may_be_of(self, order_id: str) -> float:
        """What an order may have made whose position was opened and is closed again."""
        groups = (each.made for each in self._groups if order_id in each.openings)
        return round(self._other + sum(groups), 2)

    def has_moved_for(self, ticket: int) -> bool:
        """Whether the balance has moved since a position, or what went with it, is gone.

        A terminal that is connecting lists none, and its balance is what it was.
        """
        groups = (group for group in self._groups if ticket in group.lots)
        return any(abs(group.made) >= SAME_MONEY for group in groups)

    def price_of(self, ended: Ended) -> float:
        """At which price a position, or a part, was closed; 0.0: that cannot be told alone."""
        ticket = ended.held.position.ticket
        for group in self._groups:
            if group.lots.keys() == {ticket} and not self._in_doubt(group):
                return price_of(ended, group.made)
        return 0.0

    def together(self, ended: Sequence[Ended]) -> list[list[Ended]]:
        """What has ended, by what went at once and waits for nobody."""
        found = []
        for group in self._groups:
            members = [each for each in ended if each.held.position.ticket in group.lots]
            waits = any(each.doubted < self._unknown_after for each in self._in_doubt(group))
            if len(members) == len(group.lots) and not waits:
                found.append(members)
        return found

    def shares(self, ended: Sequence[Ended]) -> list[float] | None:
        """What each position of those that went at once has made; None: it does not fit.

        Where nobody knows yet whether an order has a share, each gets what a quote, a stop or a
        target says that fits best: the rest is for people to put down to that order, or not.

        Args:
            ended: One of `together`.
        """
        group = next(g for g in self._groups if ended[0].held.position.ticket in g.lots)
        # A terminal that is connecting lists none, and its balance is what it was.
        moved = abs(group.made) >= SAME_MONEY
        # Nor has it moved for what else of a position is gone since.
        whole = all(e.lots <= group.lots[e.held.position.ticket] + SAME_LOTS for e in ended)
        shares = shared_out(ended, group.made) if moved and whole else None
        if shares is None or not self._in_doubt(group):
            return shares
        return [each.expected for each in best_guess(ended, group.made)]

    def _forget_listed(self, gone: Mapping[int, float]) -> None:
        """What is listed again was not gone."""
        for group in self._groups:
            for ticket in group.lots.keys() - gone.keys():
                del group.lots[ticket]
        self._drop_empty()

    def _drop_empty(self) -> None:
        self._other = round(self._other + sum(g.made for g in self._groups if not g.lots), 2)
        self._groups = [group for group in self._groups if group.lots]

    def _join(self, new: dict[int, float]) -> None:
        """Put down positions that no snapshot had listed, whose money has moved before.

        Their order was in doubt; somebody has said since that it was dealt.
        """
        on_way = {each.order_id for each in self._openings()}
        entangled = [group for group in self._groups if group.openings - on_way]
        if entangled and abs(self._other) < SAME_MONEY:
            entangled[0].lots |= new
            return
        self._groups.append(GoneTogether(new, self._other, frozenset()))
        self._other = 0.0

    def _put_down(self, moved: float, gone: Mapping[int, float]) -> None:
        """Put down what has moved the balance while nothing new was missing."""
        for group in reversed(self._groups):
            grown = any(gone[ticket] > lots + SAME_LOTS for ticket, lots in group.lots.items())
            if grown or abs(group.made) < SAME_MONEY:
                group.made = round(group.made + moved, 2)
                group.lots = {ticket: gone[ticket] for ticket in group.lots}
                return
        self._other = round(self._other + moved, 2)

    def _entangled(self, asked_at: float) -> frozenset[str]:
        """Orders that may have opened what is closed again since the last snapshot."""
        return frozenset(
            each.order_id
            for each in self._openings()
            if each.begun_at <= asked_at and not each.looked_for
        )

    def _in_doubt(self, group: GoneTogether) -> list[Opening]:
        """The orders that may have a share in what a group has made, and are not answered yet."""
        return [each for each in self._openings() if each.order_id in group.openings]


def _copied(group: GoneTogether) -> GoneTogether:
    return msgspec.structs.replace(group, lots=dict(group.lots))
