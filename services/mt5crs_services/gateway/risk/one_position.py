"""A strategy holds one position at a time."""

from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_shared.orders import Code


def check(proposal: Proposal) -> Refusal | None:
    """POSITION_EXISTS where the strategy holds one already."""
    if proposal.held is None:
        return None
    return Refusal(Code.POSITION_EXISTS, f"position {proposal.held.ticket} is open")
