"""Rules that stop what loses: money by the deals and what they cost, open profit not."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mt5crs_services.gateway.risk.conditions import local, zone_of
from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_services.gateway.risk.rule import Rule
from mt5crs_shared.trading.orders import Charge, Code, Fill

Limit = Annotated[float, Meta(gt=0.0)]
Unit = Literal["money", "per_cent"]


def in_money(most: float, unit: Unit, first_balance: float) -> float:
    """A limit in the account's currency; per cent are those of the first balance."""
    return most if unit == "money" else first_balance * most / 100.0


class Made(msgspec.Struct, frozen=True):
    """What a period has made so far.

    Attributes:
        period: Its name: ``2026-11-26``, or ``2026-W48``.
        net: Profit less commission, with swap, in the account's currency.
    """

    period: str = ""
    net: float = 0.0


class MaxLoss(Rule[Made], frozen=True, forbid_unknown_fields=True):
    """Opens nothing for the rest of a day, or a week, that has lost so much.

    A deal counts where its time falls, and so does what a broker charges for it. One that comes
    once the next day has begun, as of a symbol that is not quoted any more, counts in that one.

    Attributes:
        most: The loss.
        unit: Whether `most` is ``money`` in the account's currency, or ``per_cent`` of its first
            balance.
        per: Which period.
        time_zone: Where it begins at midnight; a week on Monday.
    """

    most: Limit
    unit: Unit = "money"
    per: Literal["day", "week"] = "day"
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse a zone that is none."""
        zone_of(self.time_zone)

    def before(self, proposal: Proposal, state: Made) -> Refusal | None:
        """See the class."""
        period = self._period(proposal.tick.time_us)
        most = in_money(self.most, self.unit, proposal.first_balance)
        if period > state.period or -state.net < most:
            return None
        return Refusal(
            Code.RISK,
            f"max_loss: {state.net:+,.2f} in {state.period} ({self.time_zone}), at most"
            f" -{most:,.2f} a {self.per}",
        )

    def after(self, fill: Fill, state: Made) -> Made:
        """Add it up."""
        period, made = self._period(fill.time_us), fill.profit - fill.commission
        if period > state.period:
            return Made(period, made)
        # What a day has lost is not forgotten for a quote of the day before.
        return Made(state.period, state.net + made)

    def after_charge(self, charge: Charge, state: Made) -> Made:
        """Add it up, unless its period is over."""
        period = self._period(charge.time_us)
        if period < state.period:
            return state
        before = state.net if period == state.period else 0.0
        return Made(period, before + charge.made)

    def _period(self, time_us: int) -> str:
        day = local(time_us, self.time_zone)
        return f"{day:%G-W%V}" if self.per == "week" else f"{day:%Y-%m-%d}"


class Peak(msgspec.Struct, frozen=True):
    """What all deals have made less their costs, and the most that it has been."""

    net: float = 0.0
    highest: float = 0.0


class MaxDrawdown(Rule[Peak], frozen=True, forbid_unknown_fields=True):
    """Opens nothing while so much of the highest balance is lost, until the limit is raised.

    Attributes:
        most: From the highest balance down; the first balance counts.
        unit: Whether `most` is ``money`` in the account's currency, or ``per_cent`` of its first
            balance.
    """

    most: Limit
    unit: Unit = "money"

    def before(self, proposal: Proposal, state: Peak) -> Refusal | None:
        """See the class."""
        lost = state.highest - state.net
        most = in_money(self.most, self.unit, proposal.first_balance)
        if lost < most:
            return None
        return Refusal(
            Code.RISK, f"max_drawdown: {lost:,.2f} below the highest, at most {most:,.2f}"
        )

    def after(self, fill: Fill, state: Peak) -> Peak:
        """Add it up."""
        net = state.net + fill.profit - fill.commission
        return Peak(net, max(state.highest, net))

    def after_charge(self, charge: Charge, state: Peak) -> Peak:
        """Add it up."""
        net = state.net + charge.made
        return Peak(net, max(state.highest, net))


class Streak(msgspec.Struct, frozen=True):
    """Trades lost in a row, and the event time at which the last one was closed."""

    losses: int = 0
    last_us: int = 0


class LosingStreak(Rule[Streak], frozen=True, forbid_unknown_fields=True):
    """After so many losses in a row it opens nothing for a while, then counts anew.

    Attributes:
        losses: Closing deals in a row that lost; what a broker charges later is none.
        pause: Seconds of event time, from the last of them.
    """

    losses: Annotated[int, Meta(ge=1)]
    pause: Annotated[float, Meta(gt=0.0)] = 3600.0

    def before(self, proposal: Proposal, state: Streak) -> Refusal | None:
        """See the class."""
        left = state.last_us / 1e6 + self.pause - proposal.tick.time_us / 1e6
        if state.losses < self.losses or left <= 0.0:
            return None
        return Refusal(
            Code.RISK, f"losing_streak: {state.losses} losses in a row; {left:.0f} s to wait"
        )

    def after(self, fill: Fill, state: Streak) -> Streak:
        """Count it."""
        if fill.entry != "OUT":
            return state
        waited = fill.time_us >= state.last_us + self.pause * 1e6
        before = 0 if state.losses >= self.losses and waited else state.losses
        lost = fill.profit - fill.commission < 0.0
        return Streak(before + 1 if lost else 0, fill.time_us)
