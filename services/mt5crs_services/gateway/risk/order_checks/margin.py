"""The account can carry the position."""

from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_shared.orders import Code


class EnoughMargin(Rule[NoState], frozen=True):
    """NO_MARGIN where the free margin is less than the position would hold."""

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        if proposal.needed_margin <= proposal.free_margin:
            return None
        needed, free = f"{proposal.needed_margin:.2f}", f"{proposal.free_margin:.2f}"
        return Refusal(Code.NO_MARGIN, f"{needed} {proposal.currency} needed, {free} free")
