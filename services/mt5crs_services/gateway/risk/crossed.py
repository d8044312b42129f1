"""Nothing is decided on a quote whose ask lies below its bid."""

from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_shared.orders import Code


def check(proposal: Proposal) -> Refusal | None:
    """CROSSED_QUOTE where the quote is crossed."""
    if proposal.tick.crossed:
        quote = f"{proposal.tick.bid:g}/{proposal.tick.ask:g}"
        return Refusal(Code.CROSSED_QUOTE, f"the quote {quote} is crossed")
    return None
