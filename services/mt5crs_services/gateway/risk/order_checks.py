"""What every order must pass, whatever is configured: the broker would refuse it otherwise."""

import math

from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_shared.trading.orders import Code

STEP_TOLERANCE = 1e-6
"""Of a step: 0.07 lots are 7.000000000000001 steps of 0.01 in binary numbers."""

LOT_TOLERANCE = 1e-9
"""Lots that two copies of one volume may differ by."""


class DealableVolume(Rule[NoState], frozen=True):
    """BAD_VOLUME unless the lots are a multiple of the step, between smallest and largest.

    An opening order is held to the strategy's own limit besides.
    """

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        lots, symbol = proposal.order.lots, proposal.symbol
        if not math.isfinite(lots):
            return Refusal(Code.BAD_VOLUME, f"{lots} lots")
        slack = STEP_TOLERANCE * symbol.lot_step
        if not symbol.lot_min - slack <= lots <= symbol.lot_max + slack:
            least, most = f"{symbol.lot_min:g}", f"{symbol.lot_max:g}"
            return Refusal(Code.BAD_VOLUME, f"{lots:g} lots, not between {least} and {most}")
        steps = lots / symbol.lot_step
        if abs(steps - round(steps)) > STEP_TOLERANCE * max(steps, 1.0):
            return Refusal(
                Code.BAD_VOLUME, f"{lots:g} lots are not a multiple of {symbol.lot_step:g}"
            )
        limit = proposal.max_lots
        if limit is not None and proposal.order.action == "OPEN" and lots > limit + slack:
            return Refusal(Code.BAD_VOLUME, f"{lots:g} lots; its max_position_size is {limit:g}")
        return None


class PricedQuote(Rule[NoState], frozen=True):
    """BAD_PRICE unless bid and ask are positive and finite."""

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        for name, price in (("bid", proposal.tick.bid), ("ask", proposal.tick.ask)):
            if not (math.isfinite(price) and price > 0.0):
                return Refusal(Code.BAD_PRICE, f"the quote's {name} is {price:g}")
        return None


class UncrossedQuote(Rule[NoState], frozen=True):
    """CROSSED_QUOTE where the quote is crossed."""

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        if proposal.tick.crossed:
            quote = f"{proposal.tick.bid:g}/{proposal.tick.ask:g}"
            return Refusal(Code.CROSSED_QUOTE, f"the quote {quote} is crossed")
        return None


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


class OnePosition(Rule[NoState], frozen=True):
    """POSITION_EXISTS where the strategy holds one already."""

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        if proposal.held is None:
            return None
        return Refusal(Code.POSITION_EXISTS, f"position {proposal.held.ticket} is open")


class NothingToNetAgainst(Rule[NoState], frozen=True):
    """FOREIGN_POSITION where the broker would net the order against another owner's position."""

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        if not proposal.obstacle:
            return None
        return Refusal(Code.FOREIGN_POSITION, proposal.obstacle)


class ConvertibleProfit(Rule[NoState], frozen=True):
    """NO_RATE where no price converts the quote currency into the account's."""

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        if proposal.rate is not None:
            return None
        pair = f"{proposal.symbol.quote_currency} to {proposal.currency}"
        return Refusal(Code.NO_RATE, f"no price yet that converts {pair}")


class EnoughMargin(Rule[NoState], frozen=True):
    """NO_MARGIN where the free margin is less than the position would hold.

    Also where a real account has no money of its own: what is free then is credit, or the profit
    of what is open.
    """

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        if proposal.balance is not None and proposal.balance <= 0.0:
            found = f"the account's balance is {proposal.balance:,.2f} {proposal.currency}"
            return Refusal(Code.NO_MARGIN, f"{found}: nothing is opened before money is paid in")
        if proposal.needed_margin <= proposal.free_margin:
            return None
        needed, free = f"{proposal.needed_margin:.2f}", f"{proposal.free_margin:.2f}"
        return Refusal(Code.NO_MARGIN, f"{needed} {proposal.currency} needed, {free} free")


class ClosesHeldPosition(Rule[NoState], frozen=True):
    """NO_POSITION, UNKNOWN_TICK or BAD_VOLUME where the order does not fit the position held."""

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
            # Not NO_POSITION: it is there, and its strategy must not take it for gone.
            return Refusal(Code.UNKNOWN_TICK, f"position {held.ticket} was opened after that tick")
        if not math.isclose(held.lots, order.lots, abs_tol=LOT_TOLERANCE):
            return Refusal(Code.BAD_VOLUME, f"{order.lots:g} lots, the position has {held.lots:g}")
        return None
