"""What people should know of the positions that an account lists: pure functions."""

from collections.abc import Sequence
from typing import NamedTuple

from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarPosition
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_services.gateway.ledger.records import AccountNote
from mt5crs_shared import events
from mt5crs_shared.trading.orders import Position


class ListedPositions(NamedTuple):
    """Tickets of what is listed, and is not as a strategy has it.

    Attributes:
        foreign: Of positions that are not ours.
        unguarded: Of ours whose stop or target the broker does not have.
    """

    foreign: tuple[int, ...]
    unguarded: tuple[int, ...]


def compare_listed(held: Sequence[OpenPosition], listed: Sequence[FarPosition]) -> ListedPositions:
    """What a list has, compared with the positions of strategies."""
    ours = {each.position.ticket: each for each in held}
    foreign = sorted(found.ticket for found in listed if found.ticket not in ours)
    unguarded = sorted(
        found.ticket
        for found in listed
        if found.ticket in ours and _lacks_stops(ours[found.ticket].position, found)
    )
    return ListedPositions(tuple(foreign), tuple(unguarded))


def notes_of(
    before: ListedPositions,
    now: ListedPositions,
    held: Sequence[OpenPosition],
    listed: Sequence[FarPosition],
) -> list[AccountNote]:
    """What is to be told that was not told before."""
    foreign = [f for f in listed if f.ticket in set(now.foreign) - set(before.foreign)]
    new = set(now.unguarded) - set(before.unguarded)
    unguarded = [each.position for each in held if each.position.ticket in new]
    return [*map(_foreign, foreign), *map(_unguarded, unguarded)]


def _foreign(found: FarPosition) -> AccountNote:
    what = f"{found.side} {found.lots:g} {found.symbol}"
    detail = f"position {found.ticket} ({what}) is not ours, and is left alone; see `adopt`"
    return AccountNote(events.FOREIGN, detail)


def _unguarded(position: Position) -> AccountNote:
    detail = (
        f"the broker has no stop, or no target, of position {position.ticket}: it is guarded from"
        " here, and by nobody while this machine or its network is away"
    )
    return AccountNote(events.UNGUARDED, detail, position.strategy)


def _lacks_stops(position: Position, listed: FarPosition) -> bool:
    """Whether the broker has not the stop, or not the target, that a position should have."""
    no_stop = bool(position.stop_loss) and listed.stop_loss == 0.0
    no_target = bool(position.take_profit) and listed.take_profit == 0.0
    return no_stop or no_target
