"""An order that closes names the strategy's open position, whole."""

import math

from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_shared.orders import Code

TOLERANCE = 1e-9
"""Lots that two copies of one volume may differ by."""


class ClosesHeldPosition(Rule[NoState], frozen=True):
    """NO_POSITION or BAD_VOLUME where the order does not fit the position held."""

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        order, held = proposal.order, proposal.held
        if held is None or held.ticket != order.ticket:
            return Refusal(Code.NO_POSITION, f"position {order.ticket} is not open")
        if held.symbol != order.symbol:
            return Refusal(Code.NO_POSITION, f"position {held.ticket} is one of {held.symbol}")
        if held.side == order.side:
            return Refusal(Code.NO_POSITION, f"a {order.side} does not close a {held.side}")
        if proposal.before_opening:
            return Refusal(Code.NO_POSITION, f"position {held.ticket} was opened after that tick")
        if not math.isclose(held.lots, order.lots, abs_tol=TOLERANCE):
            return Refusal(Code.BAD_VOLUME, f"{order.lots:g} lots, the position has {held.lots:g}")
        return None
