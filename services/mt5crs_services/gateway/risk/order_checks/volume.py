"""The volume is one that the broker takes, and within the strategy's limit."""

import math

from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_shared.orders import Code

TOLERANCE = 1e-6
"""Of a step: 0.07 lots are 7.000000000000001 steps of 0.01 in binary numbers."""


class DealableVolume(Rule[NoState], frozen=True):
    """BAD_VOLUME unless the lots are a multiple of the step, between smallest and largest.

    An opening order is held to the strategy's own limit besides.
    """

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        lots, symbol = proposal.order.lots, proposal.symbol
        if not math.isfinite(lots):
            return Refusal(Code.BAD_VOLUME, f"{lots} lots")
        slack = TOLERANCE * symbol.lot_step
        if not symbol.lot_min - slack <= lots <= symbol.lot_max + slack:
            least, most = f"{symbol.lot_min:g}", f"{symbol.lot_max:g}"
            return Refusal(Code.BAD_VOLUME, f"{lots:g} lots, not between {least} and {most}")
        steps = lots / symbol.lot_step
        if abs(steps - round(steps)) > TOLERANCE * max(steps, 1.0):
            return Refusal(
                Code.BAD_VOLUME, f"{lots:g} lots are not a multiple of {symbol.lot_step:g}"
            )
        limit = proposal.max_lots
        if limit is not None and proposal.order.action == "OPEN" and lots > limit + slack:
            return Refusal(Code.BAD_VOLUME, f"{lots:g} lots; its max_position_size is {limit:g}")
        return None
