"""Stop and target lie on the right side of the price that would close the position."""

import math

from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_shared.orders import Code


class SoundStops(Rule[NoState], frozen=True):
    """BAD_STOPS where the position would be closed by the very quote that opens it.

    As brokers do, against the closing price: the bid for a BUY, the ask for a SELL.
    """

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        order, tick = proposal.order, proposal.tick
        price, sign = (tick.bid, 1.0) if order.side == "BUY" else (tick.ask, -1.0)
        for name, level, beyond in (
            ("stop", order.stop_loss, -sign),
            ("target", order.take_profit, sign),
        ):
            if not math.isfinite(level) or level < 0.0:
                return Refusal(Code.BAD_STOPS, f"the {name} is {level:g}")
            if level and beyond * (level - price) <= 0.0:
                side = "below" if beyond < 0.0 else "above"
                return Refusal(Code.BAD_STOPS, f"the {name} {level:g} is not {side} {price:g}")
        return None
