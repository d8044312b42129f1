"""What has moved a broker's balance besides the deals that are in the ledger: pure functions."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from mt5crs_services.gateway.brokers.bridge.account.evidence import SAME_MONEY
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarAccount, FarDeal
from mt5crs_services.gateway.ledger.records import AccountNote
from mt5crs_shared import events
from mt5crs_shared.storage.ledger_schema import MONEY_DIGITS
from mt5crs_shared.trading.orders import Charge

JUMP = 0.10
"""A balance that changes by more than this share of it, and nobody knows why, stops everything."""

TOLD_FROM = 0.001
"""Share of the balance from which on people are told what moved it besides: below, a message would
follow each deal whose commission the bridge does not tell."""

A_DAY_US = 86_400_000_000
"""How far back deals are asked for at first: the newest one is all that is wanted."""

OVERLAP_US = 3 * 3_600_000_000
"""How far back before the newest one that is known: its time is wrong by an hour while a server's
clock is put forward or back, and those that follow would lie before it. Each has its number."""

CROWD = 1_000
"""Deals of one answer from which on none is asked for twice: an answer is cut where it is long."""

PAID = frozenset({"BALANCE", "BONUS", "CORRECTION", "CHARGE"})
"""Kinds of changes that no trade has made; the words are the terminal's."""

CREDIT = "CREDIT"
"""What the broker lends: it is beside the balance, and does not move it."""


class BalanceState(msgspec.Struct, frozen=True):
    """What is known of the broker's balance.

    Attributes:
        offset: It less the ledger's; None: they were never compared.
        untold: How it has moved besides the deals here, and nobody was told of yet.
        causes: What is known of that, by what it was.
        deal: Number of the newest deal; 0: there is none; -1: they were never told.
        deal_us: Its time, us since the epoch.
        unclaimed: Deals of our magic numbers in positions that the ledger does not have, or not
            yet: one may be that of an order whose fate is not known.
    """

    offset: float | None = None
    untold: float = 0.0
    causes: dict[str, float] = {}
    deal: int = -1
    deal_us: int = 0
    unclaimed: tuple[FarDeal, ...] = ()

    def compared(self, account: FarAccount, ledger: float) -> "BalanceState":
        """The same, with the balances as they are now.

        Args:
            account: As it is now.
            ledger: The ledger's balance.
        """
        return msgspec.structs.replace(self, offset=self._beyond(account, ledger))

    def difference(self, account: FarAccount, ledger: float) -> float:
        """By how much a balance is another one than is known here, to the cent.

        Args:
            account: As it is now.
            ledger: The ledger's balance.
        """
        return 0.0 if self.offset is None else round(self._beyond(account, ledger) - self.offset, 2)

    def new(self, deals: Sequence[FarDeal] | None) -> list[FarDeal]:
        """Those that were not told before; what came before the first look is in the offset."""
        return [deal for deal in deals or () if deal.number > self.deal >= 0]

    def asked_from_us(self, now_us: int, crowded: bool) -> int:
        """From which moment on deals are asked for, us since the epoch.

        Args:
            now_us: This machine's clock.
            crowded: The last answer was a long one.
        """
        known_us = min(self.deal_us, now_us) or now_us - A_DAY_US
        return known_us if crowded else known_us - OVERLAP_US

    def with_deals(
        self,
        deals: Sequence[FarDeal] | None,
        owner_of: Callable[[int], str | None],
        magics: Collection[int],
    ) -> tuple["BalanceState", tuple[Charge, ...]]:
        """The same with what new deals explain, and what is to be charged for them.

        Args:
            deals: Some of them may be known; None: they are not told.
            owner_of: Whose a position is by the ledger; None: no strategy's.
            magics: The strategies' magic numbers.
        """
        told, new = deals or (), self.new(deals)
        charges, others, unclaimed = [], [], []
        for deal in (*self.unclaimed, *new):
            owner = owner_of(deal.position) if deal.trade else None
            if owner is not None:
                charges.append(_charge_of(deal, owner))
            elif deal.trade and deal.magic in magics:
                unclaimed.append(deal)
            else:
                others.append(deal)
        number = max((deal.number for deal in told), default=self.deal if deals is None else 0)
        time_us = max((deal.time_us for deal in told), default=0)
        state = msgspec.structs.replace(
            self,
            deal=max(number, self.deal),
            deal_us=max(time_us, self.deal_us),
            causes=_together(self.causes, causes_of(others)),
            unclaimed=tuple(unclaimed),
        )
        return state, tuple(each for each in charges if each.commission or each.swap)

    def disowned(self) -> "BalanceState":
        """The same once no order is on its way: what nobody has claimed is of others."""
        causes = _together(self.causes, causes_of(self.unclaimed))
        return msgspec.structs.replace(self, causes=causes, unclaimed=())

    def leap(
        self,
        account: FarAccount,
        ledger: float,
        allowed: float,
        charges: Sequence[Charge] = (),
        told: float = 0.0,
    ) -> str:
        """Why a balance cannot be that of this account, for people; empty: it can.

        Args:
            account: As it is now.
            ledger: The ledger's balance.
            allowed: What open positions may have made, had they just been closed.
            charges: What is not in the ledger yet.
            told: What closings have made that are told, and not in the ledger yet.
        """
        difference = self.difference(account, ledger)
        expected, rest = account.balance - difference, self.untold + difference
        rest -= sum(self.causes.values()) + sum(charge.made for charge in charges) + told
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
        return msgspec.structs.replace(self.compared(account, ledger), untold=untold), None

    def accepted(self, account: FarAccount, ledger: float) -> tuple["BalanceState", AccountNote]:
        """What is known once a balance is right as it is, and what people should know of it."""
        difference = self.difference(account, ledger)
        note = _note_of(account, self.untold + difference, self.causes)
        known = self.compared(account, ledger)
        return msgspec.structs.replace(known, untold=0.0, causes={}), note

    def _beyond(self, account: FarAccount, ledger: float) -> float:
        """A balance less the ledger's, and less what will be charged there by and by."""
        costs = sum(deal.commission + deal.swap for deal in self.unclaimed)
        return round(account.balance - ledger - costs, 2)


def causes_of(deals: Iterable[FarDeal]) -> dict[str, float]:
    """What deals that are no strategy's have moved, by what it was, in the account's currency."""
    sums: dict[str, float] = defaultdict(float)
    for deal in deals:
        if deal.kind == CREDIT:
            continue
        paid = "paid in or out" if deal.kind in PAID else deal.kind.lower().replace("_", " ")
        what = "deals of others" if deal.trade else paid
        sums[what] += deal.profit + deal.commission + deal.swap
    return _together(sums, {})


def _charge_of(deal: FarDeal, owner: str) -> Charge:
    # Adding zero makes no cost of "-0.0".
    commission = round(-deal.commission, MONEY_DIGITS) + 0.0
    swap = round(deal.swap, MONEY_DIGITS) + 0.0
    return Charge(deal.number, owner, deal.position, deal.time_us, commission, swap)


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
