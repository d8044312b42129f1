"""What the ledger says of each strategy, read on as it is booked; every formula is `trades`'."""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.trading.orders import Charge, Fill
from mt5crs_shared.trading.trades import Trade, charged, net_curve, performance, trades_of

DAY_POINTS = 60
"""Points of a day's curve at most: more are thinned out, the newest stays."""

DAY_US = 86_400_000_000

NEWEST = "SELECT (SELECT ifnull(max(id), 0) FROM deals), (SELECT ifnull(max(id), 0) FROM charges)"
"""Numbers of the last deal and of the last charge."""


class TradeSums(msgspec.Struct, frozen=True):
    """What some trades come to.

    Attributes:
        trades: How many were closed.
        win_rate: Share with a profit; None: there are none.
        drawdown: See `trades.Performance`.
        today: Net of those of the market's day.
        drawdown_today: Drawdown of those.
        day: Running net of those, from 0.
    """

    trades: int = 0
    win_rate: float | None = None
    drawdown: float = 0.0
    today: float = 0.0
    drawdown_today: float = 0.0
    day: tuple[float, ...] = ()


class TradeFigures:
    """Follows the deals of one ledger; not from two threads at once.

    Args:
        ledger: The file; it may not be there yet.

    Attributes:
        trades: Every trade that was closed, in the order of their closings.
        specs: Of the symbols of open positions.
    """

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._begin()

    def _begin(self) -> None:
        self.trades: list[Trade] = []
        self.specs: dict[str, SymbolSpec] = {}
        self._newest = 0, 0
        self._open: list[Fill] = []
        self._at: dict[tuple[str, int], int] = {}
        self._charges: list[Charge] = []
        self._day = ""
        self._of: dict[str, TradeSums] = {}
        self._all = TradeSums()

    def read(self, day: str) -> None:
        """Read what was booked since the last time.

        Args:
            day: The market's day, ISO 8601.

        Raises:
            LedgerError: The ledger cannot be read.
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
            fresh = list(ledger_queries.happened_after(db, *self._newest))
            self.specs = ledger_queries.guarded(db)
        if fresh:
            self._newest = newest
            self._take(fresh)
        if day != self._day:
            self._day = day
            self._add_up({trade.strategy for trade in self.trades})
        elif fresh:
            self._add_up({each.strategy for each in fresh})

    def of(self, strategy: str) -> TradeSums:
        """What one strategy's trades come to."""
        return self._of.get(strategy, TradeSums())

    @property
    def together(self) -> TradeSums:
        """What all trades come to, also of strategies that are gone."""
        return self._all

    def _take(self, fresh: Sequence[Fill | Charge]) -> None:
        deals = list(self._open)
        for each in fresh:
            if isinstance(each, Fill):
                deals.append(each)
                continue
            at = self._at.get((each.strategy, each.ticket))
            if at is None:
                self._charges.append(each)
            else:  # The trade is over; a broker may take a day to say what it cost.
                self.trades[at] = charged(self.trades[at], each)
        still_open: list[Fill] = []

        def taken() -> Iterator[Fill]:
            for deal in deals:
                still_open.append(deal)
                yield deal

        for trade in trades_of(taken(), self._charges):
            over = trade.strategy, trade.ticket
            self._at.setdefault(over, len(self.trades))
            self.trades.append(trade)
            still_open[:] = [d for d in still_open if (d.strategy, d.ticket) != over]
        # Whatever is closed later has its opening and its charges among these.
        self._open = still_open
        self._charges = [one for one in self._charges if (one.strategy, one.ticket) not in self._at]

    def _add_up(self, changed: Collection[str]) -> None:
        """Of those whose trades have changed alone: a year of fifty strategies takes its time."""
        self._all = sums_of(self.trades, self._day)
        own: dict[str, list[Trade]] = {name: [] for name in changed}
        for trade in self.trades:
            if trade.strategy in own:
                own[trade.strategy].append(trade)
        self._of |= {name: sums_of(trades, self._day) for name, trades in own.items()}


def sums_of(trades: Sequence[Trade], day: str) -> TradeSums:
    """What trades come to, and those that were closed on a day (UTC) of event time."""
    if not trades:
        return TradeSums()
    found = performance(trades)
    of_day = closed_on(day, trades)
    today = performance(of_day) if of_day else None
    return TradeSums(
        trades=found.trades,
        win_rate=found.win_rate,
        drawdown=found.drawdown,
        today=today.net if today is not None else 0.0,
        drawdown_today=today.drawdown if today is not None else 0.0,
        day=thinned(day_curve(of_day), DAY_POINTS),
    )


def closed_on(day: str, trades: Sequence[Trade]) -> list[Trade]:
    """Those that were closed on a day (ISO 8601, UTC) of event time; empty: of no day."""
    if not day:
        return []
    begin = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1_000_000
    return [trade for trade in trades if begin <= trade.closed_us < begin + DAY_US]


def day_curve(trades: Sequence[Trade]) -> list[float]:
    """What trades had made after each of them, from 0; nothing where there are none."""
    curve = [round(point.net, 2) for point in net_curve(trades)]
    return [0.0, *curve] if curve else []


def thinned(curve: Sequence[float], most: int) -> tuple[float, ...]:
    """At most so many points of a curve, evenly, with its ends."""
    if len(curve) <= most:
        return tuple(curve)
    last = len(curve) - 1
    return tuple(curve[round(number * last / (most - 1))] for number in range(most))


def market_day(time: float) -> str:
    """The day of a moment of event time, in Unix seconds, as `trades.grouped_by` names it."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}"
