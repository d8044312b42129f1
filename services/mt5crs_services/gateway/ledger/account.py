"""The account's money, added up exactly."""

from collections.abc import Mapping

import msgspec

from mt5crs_shared.storage.ledger_schema import MONEY_DIGITS
from mt5crs_shared.trading.orders import Charge, Fill

_UNIT = int(10**MONEY_DIGITS)
POSITIONS = 1_000_000
"""Tickets of the paper book are a magic number times this, and a count."""


class Total(msgspec.Struct):
    """What a strategy has made, in units of the last digit that the ledger keeps.

    Attributes:
        made: Realised profit less commission and swap.
        deals: How many deals that took.
        deal_us: Event time of the last of them, us since the epoch.
    """

    made: int = 0
    deals: int = 0
    deal_us: int = 0


class Account:
    """Balance and each strategy's share in it.

    Amounts are counted in whole units of the last digit that the ledger keeps, so that the
    balance is the sum of deals and charges exactly, in whatever order they came.

    Args:
        first_balance: In the account's currency.
        totals: What each strategy has made so far.
    """

    def __init__(self, first_balance: float, totals: Mapping[str, Total]) -> None:
        self._strategies = dict(totals)
        self._balance = _units(first_balance) + sum(total.made for total in totals.values())

    @property
    def balance(self) -> float:
        """First balance and realised profit less commission and swap."""
        return self._balance / _UNIT

    @property
    def strategies(self) -> list[str]:
        """Those with a deal."""
        return list(self._strategies)

    def realised(self, strategy: str) -> float:
        """A strategy's realised profit less commission and swap."""
        made = self._strategies.get(strategy)
        return made.made / _UNIT if made is not None else 0.0

    def deals(self, strategy: str) -> int:
        """How many deals a strategy has."""
        made = self._strategies.get(strategy)
        return made.deals if made is not None else 0

    def last_deal_us(self, strategy: str) -> int:
        """Event time of a strategy's last deal, us since the epoch; 0: it has none."""
        made = self._strategies.get(strategy)
        return made.deal_us if made is not None else 0

    def balance_after(self, fill: Fill) -> float:
        """The balance as a deal would leave it."""
        return (self._balance + made_by(fill)) / _UNIT

    def apply(self, fill: Fill) -> None:
        """Take a booked deal into account."""
        made = self._strategies.setdefault(fill.strategy, Total())
        made.made += made_by(fill)
        made.deals += 1
        made.deal_us = fill.time_us
        self._balance += made_by(fill)

    def charge(self, charge: Charge) -> None:
        """Take a booked charge into account; the strategy has a deal."""
        self._strategies[charge.strategy].made += charged_by(charge)
        self._balance += charged_by(charge)


def parts_of(ticket: int) -> tuple[int, int]:
    """The magic number and the count that a ticket of the paper book is made of."""
    return divmod(ticket, POSITIONS)


def _units(amount: float) -> int:
    return round(amount * _UNIT)


def made_by(fill: Fill) -> int:
    """Profit less commission of a deal, in units of the last digit that the ledger keeps."""
    return _units(fill.profit) - _units(fill.commission)


def charged_by(charge: Charge) -> int:
    """What a charge adds, in units of the last digit that the ledger keeps."""
    return _units(charge.swap) - _units(charge.commission)
