"""Rules that bound what is open, and how fast it gets more."""

from typing import Annotated

import msgspec
from msgspec import Meta

from mt5crs_services.gateway.risk.order_checks import LOT_TOLERANCE
from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_services.gateway.risk.rule import Rule
from mt5crs_shared.trading.orders import Code, Fill


class OpenLots(msgspec.Struct, frozen=True):
    """The open positions: lots by ticket."""

    lots: dict[int, float] = {}

    def after(self, fill: Fill) -> "OpenLots":
        """The open positions after a deal."""
        left = {ticket: lots for ticket, lots in self.lots.items() if ticket != fill.ticket}
        before = self.lots.get(fill.ticket, 0.0)
        lots = before + fill.lots if fill.entry == "IN" else before - fill.lots
        return OpenLots({**left, fill.ticket: lots} if lots > LOT_TOLERANCE else left)


class MaxOpenPositions(Rule[OpenLots], frozen=True, forbid_unknown_fields=True):
    """Opens nothing while so many positions are open.

    Attributes:
        most: Open positions at the same time.
    """

    most: Annotated[int, Meta(ge=0)]

    def before(self, proposal: Proposal, state: OpenLots) -> Refusal | None:
        """See the class."""
        if len(state.lots) < self.most:
            return None
        return Refusal(
            Code.RISK, f"max_open_positions: {len(state.lots)} are open, at most {self.most}"
        )

    def after(self, fill: Fill, state: OpenLots) -> OpenLots:
        """Count it."""
        return state.after(fill)


class MaxOpenLots(Rule[OpenLots], frozen=True, forbid_unknown_fields=True):
    """Opens nothing that would make more than so many lots.

    Attributes:
        most: Lots of all open positions together, long and short alike.
    """

    most: Annotated[float, Meta(ge=0.0)]

    def before(self, proposal: Proposal, state: OpenLots) -> Refusal | None:
        """See the class."""
        held = sum(state.lots.values())
        if held + proposal.order.lots <= self.most + LOT_TOLERANCE:
            return None
        more = f"{held:g} are open and {proposal.order.lots:g} would come"
        return Refusal(Code.RISK, f"max_open_lots: {more}, at most {self.most:g}")

    def after(self, fill: Fill, state: OpenLots) -> OpenLots:
        """Count them."""
        return state.after(fill)


class Openings(msgspec.Struct, frozen=True):
    """When positions were opened: event times, us since the epoch, the newest last."""

    times_us: tuple[int, ...] = ()


class MaxOpenings(Rule[Openings], frozen=True, forbid_unknown_fields=True):
    """Opens no more than so many positions within a span of time.

    Attributes:
        most: Openings.
        seconds: That span, of event time.
    """

    most: Annotated[int, Meta(ge=1, le=1_000)]
    seconds: Annotated[float, Meta(gt=0.0)] = 60.0

    def before(self, proposal: Proposal, state: Openings) -> Refusal | None:
        """See the class."""
        begin = proposal.tick.time_us - self.seconds * 1e6
        recent = sum(opened > begin for opened in state.times_us)
        if recent < self.most:
            return None
        return Refusal(
            Code.RISK,
            f"max_openings: {recent} in the last {self.seconds:g} s, at most {self.most}",
        )

    def after(self, fill: Fill, state: Openings) -> Openings:
        """Note an opening; so many are enough to know."""
        if fill.entry != "IN":
            return state
        return Openings((*state.times_us, fill.time_us)[-self.most :])
