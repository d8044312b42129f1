"""The order's quote is a quote."""

import math

from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_shared.orders import Code


class PricedQuote(Rule[NoState], frozen=True):
    """BAD_PRICE unless bid and ask are positive and finite."""

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        for name, price in (("bid", proposal.tick.bid), ("ask", proposal.tick.ask)):
            if not (math.isfinite(price) and price > 0.0):
                return Refusal(Code.BAD_PRICE, f"the quote's {name} is {price:g}")
        return None
