"""A strategy holds one position at a time."""

from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_shared.orders import Code


class OnePosition(Rule[NoState], frozen=True):
    """POSITION_EXISTS where the strategy holds one already."""

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        if proposal.held is None:
            return None
        return Refusal(Code.POSITION_EXISTS, f"position {proposal.held.ticket} is open")
