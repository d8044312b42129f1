"""Profit and margin can be told in the account's currency."""

from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_shared.orders import Code


class ConvertibleProfit(Rule[NoState], frozen=True):
    """NO_RATE where no price converts the quote currency into the account's."""

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        if proposal.rate is not None:
            return None
        pair = f"{proposal.symbol.quote_currency} to {proposal.currency}"
        return Refusal(Code.NO_RATE, f"no price yet that converts {pair}")
