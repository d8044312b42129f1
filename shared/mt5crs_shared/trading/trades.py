"""Deals paired to trades, and what trades come to: each figure of the account has its formula here.

A trade is the opening and the closing of one ticket; one that was closed in parts is one trade. All
amounts are in the account's currency.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

from mt5crs_shared.trading.orders import Charge, Code, Fill, Side

LOTS = 1e-9
"""Less than any volume: what two sums of lots may differ by."""

Span = Literal["strategy", "symbol", "exit", "hour", "weekday", "day", "week", "month"]
"""What trades can be put together by."""


class Trade(msgspec.Struct, frozen=True):
    """One ticket, from its opening to its last closing.

    Attributes:
        ticket: Its number.
        strategy: Whose it was.
        symbol: Exact symbol.
        side: BUY was long, SELL was short.
        lots: Volume.
        opened_us: Event time of the opening.
        closed_us: Event time of the last closing.
        entry: Price of the opening.
        exit: Price of the closing; of several, their mean weighted by lots.
        profit: Realised by the closings, commission not deducted.
        commission: Of all its deals, with what a broker has charged for them since (`Charge`).
        swap: As a broker has it: negative is a cost. 0 on paper.
        code: Why the last part was closed: FILLED by the strategy, or STOP_LOSS and the like.
        net: `profit` - `commission` + `swap`.
    """

    ticket: int
    strategy: str
    symbol: str
    side: Side
    lots: float
    opened_us: int
    closed_us: int
    entry: float
    exit: float
    profit: float
    commission: float
    swap: float
    code: Code
    net: float

    @property
    def seconds(self) -> float:
        """How long it was open, in event time."""
        return (self.closed_us - self.opened_us) / 1e6


class Performance(msgspec.Struct, frozen=True):
    """What some trades come to, in the order they were closed.

    Attributes:
        trades: How many.
        net: Sum of their `net`.
        commission: Sum of their commissions.
        swap: Sum of their swaps.
        won: Sum of `net` over those with `net` > 0.
        lost: Sum of `net` over the others, <= 0.
        wins: How many have `net` > 0.
        best: The highest `net`.
        worst: The lowest.
        drawdown: The farthest that the running sum of `net`, which begins at 0, ever was below its
            highest value before, >= 0.
        seconds: Mean time that they were open.
    """

    trades: int
    net: float
    commission: float
    swap: float
    won: float
    lost: float
    wins: int
    best: float
    worst: float
    drawdown: float
    seconds: float

    @property
    def win_rate(self) -> float:
        """`wins` / `trades`, as a fraction."""
        return self.wins / self.trades

    @property
    def profit_factor(self) -> float | None:
        """`won` / -`lost`; None: nothing was lost."""
        return self.won / -self.lost if self.lost < 0.0 else None

    @property
    def mean(self) -> float:
        """`net` / `trades`."""
        return self.net / self.trades


class Earned(msgspec.Struct, frozen=True):
    """What trades that have something in common come to.

    Attributes:
        name: What they have in common.
        net: See `Performance`, as all that follow.
    """

    name: str
    trades: int
    net: float
    commission: float
    swap: float
    win_rate: float
    profit_factor: float | None
    mean: float
    best: float
    worst: float
    drawdown: float
    seconds: float


def trades_of(deals: Iterable[Fill], charges: Iterable[Charge] = ()) -> Iterator[Trade]:
    """The trades that were closed, in the order of their last closings.

    Args:
        deals: In the order they were booked. A closing whose opening is not among them is left out.
        charges: What a broker has charged for them. Where a position was adopted anew after it had
            been closed, its first trade has all of them.
    """
    charged: dict[tuple[str, int], list[Charge]] = {}
    for charge in charges:
        charged.setdefault((charge.strategy, charge.ticket), []).append(charge)
    opened: dict[tuple[str, int], list[Fill]] = {}
    for deal in deals:
        key = deal.strategy, deal.ticket
        if deal.entry == "IN":
            opened[key] = [deal]
            continue
        parts = opened.get(key)
        if parts is None:
            continue
        parts.append(deal)
        if math.fsum(part.lots for part in parts[1:]) >= parts[0].lots - LOTS:
            yield _trade(parts[0], parts[1:], charged.pop(key, ()))
            del opened[key]


class CurvePoint(NamedTuple):
    """Where the running net of trades was after one of them.

    Attributes:
        time_us: Event time of its closing.
        net: Sum of `net` up to it, from 0.
        below: How far that is below its highest value before, which begins at 0; >= 0.
    """

    time_us: int
    net: float
    below: float


class RunningNet:
    """What trades come to, one after the other.

    Attributes:
        net: Sum of `net`, from 0.
        drawdown: See `Performance`.
    """

    def __init__(self) -> None:
        self.net = self.drawdown = 0.0
        self._peak = 0.0

    def add(self, net: float) -> float:
        """Take the next one; how far the sum is below its highest value before, >= 0."""
        self.net += net
        self._peak = max(self._peak, self.net)
        below = self._peak - self.net
        self.drawdown = max(self.drawdown, below)
        return below


def net_curve(trades: Iterable[Trade]) -> Iterator[CurvePoint]:
    """The running net of trades, and how far it is below its height, after each of them.

    Args:
        trades: In the order they were closed.
    """
    running = RunningNet()
    for trade in trades:
        below = running.add(trade.net)
        yield CurvePoint(trade.closed_us, running.net, below)


def performance(trades: Sequence[Trade]) -> Performance:
    """What trades come to.

    Args:
        trades: At least one, in the order they were closed.
    """
    nets = [trade.net for trade in trades]
    won, lost = [net for net in nets if net > 0.0], [net for net in nets if net <= 0.0]
    return Performance(
        trades=len(trades),
        net=math.fsum(nets),
        commission=math.fsum(trade.commission for trade in trades),
        swap=math.fsum(trade.swap for trade in trades),
        won=math.fsum(won),
        lost=math.fsum(lost),
        wins=len(won),
        best=max(nets),
        worst=min(nets),
        drawdown=max(point.below for point in net_curve(trades)),
        seconds=math.fsum(trade.seconds for trade in trades) / len(trades),
    )


def grouped_by(trades: Iterable[Trade], span: Span) -> dict[str, list[Trade]]:
    """Trades put together, by what they have in common; times are those of the closing, UTC.

    Args:
        trades: In the order they were closed.
        span: What is looked at. A day is a date, a week its Monday, an hour one of 24, a
            weekday ``1 Mon`` to ``7 Sun``.
    """
    name = _NAMES[span]
    found: dict[str, list[Trade]] = {}
    for trade in trades:
        found.setdefault(name(trade), []).append(trade)
    return dict(sorted(found.items()))


def charged(trade: Trade, charge: Charge) -> Trade:
    """A trade, with what the broker has charged for it since."""
    commission, swap = trade.commission + charge.commission, trade.swap + charge.swap
    net = net_of(trade.profit, commission, swap)
    return msgspec.structs.replace(trade, commission=commission, swap=swap, net=net)


def earned(name: str, trades: Sequence[Trade]) -> Earned:
    """What at least one trade comes to, by a name."""
    found = performance(trades)
    return Earned(
        name=name,
        trades=found.trades,
        net=found.net,
        commission=found.commission,
        swap=found.swap,
        win_rate=found.win_rate,
        profit_factor=found.profit_factor,
        mean=found.mean,
        best=found.best,
        worst=found.worst,
        drawdown=found.drawdown,
        seconds=found.seconds,
    )


def _trade(opening: Fill, closings: Sequence[Fill], charges: Sequence[Charge]) -> Trade:
    lots = math.fsum(part.lots for part in closings)
    profit = math.fsum(part.profit for part in closings)
    own = (part.commission for part in (opening, *closings))
    commission = math.fsum((*own, *(charge.commission for charge in charges)))
    swap = math.fsum(charge.swap for charge in charges)
    return Trade(
        ticket=opening.ticket,
        strategy=opening.strategy,
        symbol=opening.symbol,
        side=opening.side,
        lots=opening.lots,
        opened_us=opening.time_us,
        closed_us=closings[-1].time_us,
        entry=opening.price,
        exit=math.fsum(part.price * part.lots for part in closings) / lots,
        profit=profit,
        commission=commission,
        swap=swap,
        code=closings[-1].code,
        net=net_of(profit, commission, swap),
    )


def net_of(profit: float, commission: float, swap: float) -> float:
    """What a trade has made: see `Trade.net`."""
    return profit - commission + swap


def closed_by(code: Code) -> str:
    """What has closed a position, for people: ``strategy`` (by its order), or ``stop loss``."""
    return "strategy" if code in (Code.FILLED, Code.PARTIAL) else code.lower().replace("_", " ")


def _closed(trade: Trade) -> datetime:
    return datetime.fromtimestamp(trade.closed_us / 1e6, UTC)


_WEEKDAYS = ("1 Mon", "2 Tue", "3 Wed", "4 Thu", "5 Fri", "6 Sat", "7 Sun")


def _week(trade: Trade) -> str:
    closed = _closed(trade)
    return f"{closed - timedelta(days=closed.weekday()):%Y-%m-%d}"


_NAMES: dict[Span, Callable[[Trade], str]] = {
    "strategy": lambda trade: trade.strategy,
    "symbol": lambda trade: trade.symbol,
    "exit": lambda trade: str(Code.FILLED if trade.code is Code.PARTIAL else trade.code),
    "hour": lambda trade: f"{_closed(trade):%H}:00",
    "weekday": lambda trade: _WEEKDAYS[_closed(trade).weekday()],
    "day": lambda trade: f"{_closed(trade):%Y-%m-%d}",
    "week": _week,
    "month": lambda trade: f"{_closed(trade):%Y-%m}",
}
