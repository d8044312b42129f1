"""What has moved a broker's balance besides the deals that are in the ledger: pure functions."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mt5crs_services.gateway.brokers.bridge.account.evidence import SAME_MONEY
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarAccount, FarDeal
from mt5crs_services.gateway.ledger.records import AccountNote
from mt5crs_shared import events

JUMP = 0.10
"""A balance that changes by more than this share of it, and nobody knows why, stops everything."""

TOLD_FROM = 0.001
"""Share of the balance from which on people are told what moved it besides: below, a message would
follow each deal whose commission the bridge does not tell."""

PAID = frozenset({"BALANCE", "CREDIT", "BONUS", "CORRECTION", "CHARGE"})
"""Kinds of changes that no trade has made; the words are the terminal's."""


class BalanceState(msgspec.Struct, frozen=True):
    """What is known of the broker's balance.

    Attributes:
        offset: It less the ledger's; None: they were never compared.
        untold: How it has moved besides the deals here, and nobody was told of yet.
        causes: What is known of that, by what it was.
        deal: Number of the newest deal; 0: there is none; -1: they were never told.
        deal_us: Its time, us since the epoch.
    """

    offset: float | None = None
    untold: float = 0.0
    causes: dict[str, float] = {}
    deal: int = -1
    deal_us: int = 0

    def difference(self, account: FarAccount, ledger: float) -> float:
        """By how much a balance is another one than is known here, to the cent.

        Args:
            account: As it is now.
            ledger: The ledger's balance.
        """
        return 0.0 if self.offset is None else round(account.balance - ledger - self.offset, 2)

    def with_deals(
        self, deals: Sequence[FarDeal] | None, owners: Mapping[int, str]
    ) -> "BalanceState":
        """The same, with what new deals explain.

        Args:
            deals: Some of them may be known; None: they are not told.
            owners: The strategy of each magic number.
        """
        if deals is None:
            return self
        # What came before the first look is in the offset.
        new = [deal for deal in deals if deal.number > self.deal >= 0]
        number = max((deal.number for deal in deals), default=0)
        time_us = max((deal.time_us for deal in deals), default=0)
        return msgspec.structs.replace(
            self,
            deal=max(number, self.deal),
            deal_us=max(time_us, self.deal_us),
            causes=_together(self.causes, causes_of(new, owners)),
        )

    def leap(self, account: FarAccount, ledger: float, allowed: float) -> str:
        """Why a balance cannot be that of this account, for people; empty: it can.

        Args:
            account: As it is now.
            ledger: The ledger's balance.
            allowed: What open positions may have made, had they just been closed.
        """
        difference = self.difference(account, ledger)
        expected, rest = account.balance - difference, self.untold + difference
        rest -= sum(self.causes.values())
        if self.offset is None or abs(rest) <= JUMP * max(abs(expected), 1.0) + allowed:
            return ""
        return (
            f"the broker's balance is {account.balance:,.2f}, and {expected:,.2f} was expected: is"
            " the terminal logged into another account? Nothing is sent; where you know why,"
            " `resolve balance accepted`"
        )

    def settled(
        self, account: FarAccount, ledger: float
    ) -> tuple["BalanceState", AccountNote | None]:
        """What is known once nothing is on its way, and what people should know of it.

        Args:
            account: As it is now; it has made no leap.
            ledger: The ledger's balance.
        """
        untold = round(self.untold + self.difference(account, ledger), 2)
        if abs(untold) >= max(TOLD_FROM * account.balance, SAME_MONEY):
            return self.accepted(account, ledger)
        offset = round(account.balance - ledger, 2)
        return msgspec.structs.replace(self, offset=offset, untold=untold), None

    def accepted(self, account: FarAccount, ledger: float) -> tuple["BalanceState", AccountNote]:
        """What is known once a balance is right as it is, and what people should know of it."""
        difference = self.difference(account, ledger)
        note = _note_of(account, self.untold + difference, self.causes)
        offset = round(account.balance - ledger, 2)
        return msgspec.structs.replace(self, offset=offset, untold=0.0, causes={}), note


def causes_of(deals: Iterable[FarDeal], owners: Mapping[int, str]) -> dict[str, float]:
    """What deals have moved, by what it was, in the account's currency.

    The profit of a strategy's deal is in the ledger, and is none of this.
    """
    sums: dict[str, float] = defaultdict(float)
    for deal in deals:
        owner, whole = owners.get(deal.magic), deal.profit + deal.commission + deal.swap
        if not deal.trade:
            what = "paid in or out" if deal.kind in PAID else deal.kind.lower().replace("_", " ")
            sums[what] += whole
        elif owner is None:
            sums["deals of others"] += whole
        else:
            sums[f"commission of {owner}"] += deal.commission
            sums[f"swap of {owner}"] += deal.swap
    return _together(sums, {})


def _together(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    sums = {what: first.get(what, 0.0) + second.get(what, 0.0) for what in {**first, **second}}
    return {what: round(amount, 2) for what, amount in sums.items() if abs(amount) >= SAME_MONEY}


def _note_of(account: FarAccount, moved: float, causes: Mapping[str, float]) -> AccountNote:
    known = [f"{what} {amount:+,.2f}" for what, amount in sorted(causes.items())]
    rest = round(moved - sum(causes.values()), 2)
    if abs(rest) >= SAME_MONEY:
        could_be = "swap, commission, a deposit, or deals of others"
        known.append(f"{rest:+,.2f} that no deal here explains, such as {could_be}")
    begin = f"the broker's balance is {account.balance:,.2f}: {moved:+,.2f} besides the deals here"
    return AccountNote(
        events.BALANCE, f"{begin}: {', '.join(known)}; the ledger's balance stays as it is"
    )
