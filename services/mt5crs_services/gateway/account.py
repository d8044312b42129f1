"""The account's money, added up exactly."""

import msgspec

from mt5crs_shared.ledger_schema import MONEY_DIGITS
from mt5crs_shared.orders import Fill

_UNIT = int(10**MONEY_DIGITS)


class _Strategy(msgspec.Struct):
    realised: int = 0
    deals: int = 0


class Account:
    """Balance and each strategy's share in it.

    Amounts are counted in whole units of the last digit that the ledger keeps, so that the
    balance is the sum of the deals exactly, in whatever order they came.

    Args:
        first_balance: In the account's currency.
        fills: Every deal so far.
    """

    def __init__(self, first_balance: float, fills: list[Fill]) -> None:
        self._balance = _units(first_balance)
        self._strategies: dict[str, _Strategy] = {}
        self._positions: dict[int, int] = {}
        for fill in fills:
            self.apply(fill)

    @property
    def balance(self) -> float:
        """First balance, realised profit, less commission."""
        return self._balance / _UNIT

    @property
    def strategies(self) -> list[str]:
        """Those with a deal."""
        return list(self._strategies)

    def realised(self, strategy: str) -> float:
        """A strategy's realised profit less commission."""
        made = self._strategies.get(strategy)
        return made.realised / _UNIT if made is not None else 0.0

    def deals(self, strategy: str) -> int:
        """How many deals a strategy has."""
        made = self._strategies.get(strategy)
        return made.deals if made is not None else 0

    def balance_after(self, fill: Fill) -> float:
        """The balance as a deal would leave it."""
        return (self._balance + _made(fill)) / _UNIT

    def next_ticket(self, magic: int) -> int:
        """The ticket of the next position with a magic number: magic, then its count.

        It depends on the strategy's own deals alone, so that two runs give the same tickets
        however their strategies took turns.
        """
        return magic * 1_000_000 + self._positions.get(magic, 0) + 1

    def apply(self, fill: Fill) -> None:
        """Take a booked deal into account."""
        made = self._strategies.setdefault(fill.strategy, _Strategy())
        made.realised += _made(fill)
        made.deals += 1
        self._balance += _made(fill)
        if fill.entry == "IN":
            magic, number = divmod(fill.ticket, 1_000_000)
            self._positions[magic] = max(self._positions.get(magic, 0), number)


def _units(amount: float) -> int:
    return round(amount * _UNIT)


def _made(fill: Fill) -> int:
    return _units(fill.profit) - _units(fill.commission)
