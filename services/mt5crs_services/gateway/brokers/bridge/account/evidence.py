"""What a list of positions tells of an order whose fate is not known: pure functions."""

import re
from collections.abc import Collection, Sequence
from hashlib import blake2b

from mt5crs_services.gateway.broker import HandDeal
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarPosition
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.trading.orders import Order, Position

SAME_LOTS = 1e-9
"""Lots that two copies of one volume may differ by."""

SAME_MONEY = 0.005
"""Of the account's currency: amounts that are equal to the cent."""


_OURS = re.compile(r"m5[0-9a-f]{16}")
"""A comment of some installation of ours."""


class ContradictionError(Mt5crsError):
    """The broker has something that no answer explains. The order stays UNKNOWN; people look."""


class Comments:
    """The comments that name orders at the broker, and this installation in them.

    18 characters, none of which look like a key to those who search a text for keys.

    Args:
        installation: Id of the ``var`` folder.
    """

    def __init__(self, installation: str) -> None:
        self._prefix = f"m5{_digest(installation, 3)}"

    def of(self, order_id: str) -> str:
        """An order's comment."""
        return f"{self._prefix}{_digest(order_id, 5)}"

    def ours(self, comment: str | None) -> bool:
        """Whether an order of this installation has it; brokers may put something around it."""
        return comment is not None and self._prefix in comment


def _digest(text: str, size: int) -> str:
    return blake2b(text.encode(), digest_size=size).hexdigest()


def listed_as(position: Position, listed: Sequence[FarPosition]) -> FarPosition | None:
    """A position of ours in a list; None: it is not there."""
    return next((found for found in listed if found.ticket == position.ticket), None)


def gone_of(position: FarPosition, listed: Sequence[FarPosition]) -> float:
    """Lots of a position that a list lacks."""
    left = sum(found.lots for found in listed if found.ticket == position.ticket)
    return round(position.lots - left, 8)


def opened_by(
    order: Order, comment: str, listed: Sequence[FarPosition], known: Collection[int]
) -> FarPosition | None:
    """The position that an order has opened; None: none in the list.

    Named by its comment; where brokers or bridges drop that, by its magic number; where they drop
    that too, by symbol, side and volume.

    Args:
        order: The order.
        comment: Its comment.
        listed: What is open.
        known: Tickets that are somebody else's, or were there before.

    Raises:
        ContradictionError: The broker has it on the other side, or several could be it.
    """
    named = [p for p in listed if p.comment is not None and comment in p.comment]
    for found in named:
        if found.side != order.side or found.symbol != order.symbol:
            raise ContradictionError(
                f"order {order.order_id} was to {order.side} {order.symbol}, and position"
                f" {found.ticket} at the broker, which it has opened, is a {found.side} of"
                f" {found.symbol}: close that in the terminal"
            )
    if named:
        return named[0]
    fitting = [p for p in listed if p.ticket not in known and _could_be(order, p)]
    if len(fitting) > 1:
        tickets = ", ".join(str(p.ticket) for p in fitting)
        raise ContradictionError(
            f"order {order.order_id} may have opened any of the positions {tickets}"
        )
    return fitting[0] if fitting else None


def _could_be(order: Order, found: FarPosition) -> bool:
    # Magic 0 is what a bridge says that leaves the number out.
    owned = found.magic in (None, 0, order.magic)
    anonymous = not found.comment or not _OURS.search(found.comment)
    same = found.symbol == order.symbol and found.side == order.side
    # A part of it is told from a stranger's position by its magic number alone.
    most = order.lots + SAME_LOTS
    least = 0.0 if found.magic == order.magic else order.lots - SAME_LOTS
    return owned and anonymous and same and least <= found.lots <= most


def named(
    order: Order, ticket: int, listed: Sequence[FarPosition], known: Collection[int]
) -> FarPosition | None:
    """The position that a bridge has named, where it is one that the order can have opened.

    With other lots than were ordered: what is there counts.
    """
    wanted = ticket, order.symbol, order.side
    fitting = (p for p in listed if (p.ticket, p.symbol, p.side) == wanted)
    return next((p for p in fitting if p.ticket not in known), None)


def suspected(
    order: Order, listed: Sequence[FarPosition], known: Collection[int]
) -> FarPosition | None:
    """A position that an order may have opened with another volume; None: there is none."""
    return next(
        (
            found
            for found in listed
            if found.ticket not in known
            and (found.symbol, found.side) == (order.symbol, order.side)
            and found.magic in (None, 0, order.magic)
            and not _OURS.search(found.comment or "")
        ),
        None,
    )


def why_not_opened(
    order: Order, deal: HandDeal, held: Collection[int], listed: Sequence[FarPosition] | None
) -> str:
    """Why an order cannot have opened the position that somebody names; empty: it can.

    Args:
        order: The order.
        deal: What was found in the terminal.
        held: Those of strategies.
        listed: What is open; None: the bridge does not say.
    """
    ticket = deal.ticket
    if ticket <= 0:
        return "the ticket of the position is needed"
    if ticket in held:
        return f"position {ticket} is a strategy's already"
    if listed is None:
        return ""
    found = next((p for p in listed if p.ticket == ticket), None)
    if found is None and deal.lots and deal.price:
        return ""  # It may have been closed since; who says so much has seen it.
    if found is None:
        return (
            f"the broker lists no position {ticket}; where it was closed since, say with --lots and"
            " --price what it was"
        )
    if (found.symbol, found.side) != (order.symbol, order.side):
        wanted = f"{order.side} {order.symbol}"
        return f"position {ticket} is a {found.side} {found.symbol}, and {wanted} was ordered"
    return ""
