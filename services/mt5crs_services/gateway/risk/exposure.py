"""Rules that bound what is open, and how fast it gets more."""

from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from mt5crs_services.gateway.risk.order_checks import LOT_TOLERANCE
from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.trading.orders import Code, Fill, Position


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


class MaxExposure(Rule[NoState], frozen=True, forbid_unknown_fields=True):
    """Opens nothing that would make more than so many net lots in one currency.

    One lot long in EURUSD is one lot long in EUR and one short in USD; one short in EURJPY takes
    the EUR away again. It counts the positions of the whole account, whatever its scope is.

    Attributes:
        most: Net lots in one currency, long or short.
        currencies: Which ones are looked at; none given: all.
    """

    most: Annotated[float, Meta(ge=0.0)]
    currencies: tuple[Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")], ...] = ()

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        """See the class."""
        order, symbol = proposal.order, proposal.symbol
        lots = order.lots if order.side == "BUY" else -order.lots
        legs = {symbol.base_currency: lots, symbol.quote_currency: -lots}
        exposure = proposal.exposure()
        for currency, more in legs.items():
            held = exposure.get(currency, 0.0)
            after = abs(held + more)
            counts = not self.currencies or currency in self.currencies
            if counts and after > max(self.most, abs(held)) + LOT_TOLERANCE:
                return Refusal(
                    Code.RISK,
                    f"max_exposure: {held:+g} lots in {currency} are open and {more:+g} would come,"
                    f" at most {self.most:g}",
                )
        return None


def net_lots(
    positions: Iterable[Position], symbols: Callable[[str], SymbolSpec]
) -> dict[str, float]:
    """Net lots by currency; see `Proposal.exposure`.

    Args:
        positions: Open positions.
        symbols: The specification of each one's symbol.
    """
    found: dict[str, float] = {}
    for position in positions:
        spec = symbols(position.symbol)
        lots = position.signed_lots
        for currency, more in ((spec.base_currency, lots), (spec.quote_currency, -lots)):
            found[currency] = found.get(currency, 0.0) + more
    return found


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
