"""The rules that an order must pass, one a file, in the order they are asked."""

from collections.abc import Callable

from mt5crs_services.gateway.risk import (
    closing,
    conversion,
    crossed,
    margin,
    one_position,
    price,
    stops,
    volume,
)
from mt5crs_services.gateway.risk.proposal import Proposal, Refusal

Rule = Callable[[Proposal], Refusal | None]

AT_ONCE: tuple[Rule, ...] = (volume.check, price.check, crossed.check)
"""What can be said of any order when it arrives."""

OPENING: tuple[Rule, ...] = (stops.check, one_position.check, conversion.check, margin.check)
"""What an order that opens a position must pass besides when it is executed."""

CLOSING: tuple[Rule, ...] = (closing.check,)
"""What an order that closes one must pass besides."""


def first_refusal(rules: tuple[Rule, ...], proposal: Proposal) -> Refusal | None:
    """The first rule's refusal; None where all agree."""
    for rule in rules:
        refusal = rule(proposal)
        if refusal is not None:
            return refusal
    return None


__all__ = ["AT_ONCE", "CLOSING", "OPENING", "Proposal", "Refusal", "Rule", "first_refusal"]
