"""What the ledger says of each strategy, read on as it is booked; every formula is `trades`'."""

import math
from array import array
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mt5crs_services.page.desk.booked import BookedTrades
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.trading.orders import Charge
from mt5crs_shared.trading.trades import RunningNet, Trade, net_of

DAY_POINTS = 60
"""Points of a day's curve at most: more are thinned out, the newest stays."""

DAY_US = 86_400_000_000


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


class _Sums:
    """What the trades of one strategy, or all of them, come to; counted on as they are closed."""

    def __init__(self) -> None:
        self._trades = self._wins = 0
        self._running = RunningNet()
        self._today: list[float] = []
        self._told: TradeSums | None = None

    def add(self, net: float, is_today: bool) -> None:
        """Count the next one."""
        self._trades += 1
        self._wins += net > 0.0
        self._running.add(net)
        if is_today:
            self._today.append(net)
        self._told = None

    def told(self) -> TradeSums:
        """As the page shows it."""
        if self._told is None:
            today, curve = RunningNet(), [0.0]
            for net in self._today:
                today.add(net)
                curve.append(round(today.net, 2))
            self._told = TradeSums(
                trades=self._trades,
                win_rate=self._wins / self._trades if self._trades else None,
                drawdown=self._running.drawdown,
                today=math.fsum(self._today),
                drawdown_today=today.drawdown,
                day=thinned(curve, DAY_POINTS) if self._today else (),
            )
        return self._told


class TradeFigures:
    """Follows the deals of one ledger; not from two threads at once.

    A year of trades is kept in columns of numbers, for what a broker charges afterwards, and for
    another day.

    Args:
        ledger: The file; it may not be there yet.
    """

    def __init__(self, ledger: Path) -> None:
        self._begin_us = 0
        self._day = ""
        self._booked = BookedTrades(ledger, self)

    @property
    def specs(self) -> dict[str, SymbolSpec]:
        """Of the symbols of open positions."""
        return self._booked.specs

    @property
    def together(self) -> TradeSums:
        """What all trades come to, also of strategies that are gone."""
        return self._all.told()

    def of(self, strategy: str) -> TradeSums:
        """What one strategy's trades come to."""
        found = self._of.get(strategy)
        return found.told() if found is not None else TradeSums()

    def read(self, day: str) -> None:
        """Read what was booked since the last time.

        Args:
            day: The market's day, ISO 8601; its trades are those that were closed on it, in UTC.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        if day != self._day:
            begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
            self._day, self._begin_us = day, int(begin.timestamp()) * 1_000_000
            self._stale = True
        try:
            self._booked.read()
        finally:
            if self._stale:
                self._count_again()

    def forget(self) -> None:
        """See `ClosedTrades`."""
        self._names: list[str] = []
        self._whose = array("I")
        self._tickets, self._closed_us = array("q"), array("q")
        self._profits, self._costs, self._swaps = array("d"), array("d"), array("d")
        self._count_again()

    def _count_again(self) -> None:
        self._stale = False
        self._all, self._of = _Sums(), {name: _Sums() for name in self._names}
        for at in range(len(self._tickets)):
            self._count(at)

    def add(self, trade: Trade) -> None:
        """See `ClosedTrades`."""
        if trade.strategy not in self._of:
            self._names.append(trade.strategy)
            self._of[trade.strategy] = _Sums()
        self._whose.append(self._names.index(trade.strategy))
        self._tickets.append(trade.ticket)
        self._closed_us.append(trade.closed_us)
        self._profits.append(trade.profit)
        self._costs.append(trade.commission)
        self._swaps.append(trade.swap)
        if not self._stale:
            self._count(len(self._tickets) - 1)

    def charge(self, charge: Charge) -> bool:
        """See `ClosedTrades`."""
        at = self._find(charge.strategy, charge.ticket)
        if at is None:
            return False
        self._costs[at] += charge.commission
        self._swaps[at] += charge.swap
        self._stale = True  # how far all had fallen at each trade since is another
        return True

    def _find(self, strategy: str, ticket: int) -> int | None:
        """Where the last trade of a ticket is, mostly among the newest; None: none is over."""
        if strategy not in self._of:
            return None
        whose = self._names.index(strategy)
        places = range(len(self._tickets) - 1, -1, -1)
        mine = (at for at in places if self._tickets[at] == ticket and self._whose[at] == whose)
        return next(mine, None)

    def _count(self, at: int) -> None:
        net = net_of(self._profits[at], self._costs[at], self._swaps[at])
        is_today = self._begin_us <= self._closed_us[at] < self._begin_us + DAY_US
        for sums in (self._all, self._of[self._names[self._whose[at]]]):
            sums.add(net, is_today)


def thinned(curve: Sequence[float], most: int) -> tuple[float, ...]:
    """At most so many points of a curve, evenly, with its ends."""
    if len(curve) <= most:
        return tuple(curve)
    last = len(curve) - 1
    return tuple(curve[round(number * last / (most - 1))] for number in range(most))


def market_day(time: float) -> str:
    """The day of a moment of event time, in Unix seconds, as `trades.grouped_by` names it."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}"
