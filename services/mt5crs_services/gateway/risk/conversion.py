"""Profit and margin can be told in the account's currency."""

from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_shared.orders import Code


def check(proposal: Proposal) -> Refusal | None:
    """NO_RATE where no price converts the quote currency into the account's."""
    if proposal.rate is not None:
        return None
    pair = f"{proposal.symbol.quote_currency} to {proposal.currency}"
    return Refusal(Code.NO_RATE, f"no price yet that converts {pair}")
