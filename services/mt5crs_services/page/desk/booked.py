"""What a ledger has booked, read on as it grows: the trades that were closed, and their costs."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.trading.orders import Charge, Fill
from mt5crs_shared.trading.trades import Trade, charged, trades_of

AT_ONCE = 2_000
"""Deals and charges that are read before they are put together: a year of them would take many
times what is kept of it."""

NEWEST = "SELECT (SELECT ifnull(max(id), 0) FROM deals), (SELECT ifnull(max(id), 0) FROM charges)"
"""Numbers of the last deal and of the last charge."""


class ClosedTrades(Protocol):
    """Who keeps what becomes of trades."""

    def forget(self) -> None:
        """Everything is told once more."""

    def add(self, trade: Trade) -> None:
        """A trade was closed, the next one in that order."""

    def charge(self, charge: Charge) -> bool:
        """A broker may take a day to say what a trade cost; False: none with its ticket is over."""


class BookedTrades:
    """Follows the deals of one ledger; not from two threads at once.

    Args:
        ledger: The file; it may not be there yet.
        kept: Is told.

    Attributes:
        specs: Of the symbols of open positions.
    """

    def __init__(self, ledger: Path, kept: ClosedTrades) -> None:
        self.specs: dict[str, SymbolSpec] = {}
        self._ledger = ledger
        self._kept = kept
        self._begin()

    def _begin(self) -> None:
        self._kept.forget()
        self._newest = 0, 0
        self._open: list[Fill] = []
        self._charges: list[Charge] = []

    def read(self) -> None:
        """Read what was booked since the last time.

        Raises:
            LedgerError: The ledger cannot be read; the next time everything is read.
        """
        if not self._ledger.exists():
            return
        with contextlib.closing(ledger_schema.open_ledger(self._ledger)) as db:
            # What is booked between two queries would be read twice, or never.
            ledger_queries.snapshot(db)
            ((deal, charge),) = ledger_queries.select(db, NEWEST)
            newest = int(str(deal)), int(str(charge))
            if newest[0] < self._newest[0] or newest[1] < self._newest[1]:
                self._begin()  # a copy was put back
            try:
                happened = ledger_queries.happened_after(db, *self._newest)
                while some := list(itertools.islice(happened, AT_ONCE)):
                    self._take(some)
            except Exception:
                self._begin()
                raise
            self._newest = newest
            self.specs = ledger_queries.guarded(db)

    def _take(self, fresh: Sequence[Fill | Charge]) -> None:
        deals = list(self._open)
        open_ = {(deal.strategy, deal.ticket) for deal in deals}
        for each in fresh:
            key = each.strategy, each.ticket
            if isinstance(each, Fill):
                deals.append(each)
                open_.add(key)
            elif key in open_ or not self._kept.charge(each):
                self._charges.append(each)
        still_open: list[Fill] = []
        over: set[tuple[str, int]] = set()

        def taken() -> Iterator[Fill]:
            for deal in deals:
                still_open.append(deal)
                yield deal

        for trade in trades_of(taken(), self._charges):
            key = trade.strategy, trade.ticket
            over.add(key)
            self._kept.add(trade)
            still_open[:] = [deal for deal in still_open if (deal.strategy, deal.ticket) != key]
        # Whatever is closed later has its opening and its charges among these.
        self._open = still_open
        self._charges = [one for one in self._charges if (one.strategy, one.ticket) not in over]


class TradeList:
    """All of them, in the order of their closings.

    Attributes:
        trades: They.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """See `ClosedTrades`."""
        self.trades: list[Trade] = []
        self._at: dict[tuple[str, int], int] = {}

    def add(self, trade: Trade) -> None:
        """See `ClosedTrades`."""
        self._at.setdefault((trade.strategy, trade.ticket), len(self.trades))
        self.trades.append(trade)

    def charge(self, charge: Charge) -> bool:
        """See `ClosedTrades`."""
        at = self._at.get((charge.strategy, charge.ticket))
        if at is None:
            return False
        self.trades[at] = charged(self.trades[at], charge)
        return True


class EveryTrade:
    """Every trade of a ledger, in the order of their closings.

    Args:
        ledger: The file; it may not be there yet.
    """

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self.forget()

    def read(self) -> list[Trade]:
        """All of them; what was read before is kept until `forget`.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        self._booked.read()
        return self._list.trades

    def forget(self) -> None:
        """Keep nothing: a year of them takes more than all the rest of the page."""
        self._list = TradeList()
        self._booked = BookedTrades(self._ledger, self._list)
