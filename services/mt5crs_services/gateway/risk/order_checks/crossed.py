"""Nothing is decided on a quote whose ask lies below its bid."""

from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_shared.orders import Code


class UncrossedQuote(Rule[NoState], frozen=True):
    """CROSSED_QUOTE where the quote is crossed."""

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        if proposal.tick.crossed:
            quote = f"{proposal.tick.bid:g}/{proposal.tick.ask:g}"
            return Refusal(Code.CROSSED_QUOTE, f"the quote {quote} is crossed")
        return None
