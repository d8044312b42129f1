"""`events --summary`: a page for the morning, of what happened and what was earned."""

import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from mt5crs_shared.events import (
    BALANCE,
    FOREIGN,
    SUPERVISOR,
    UNGUARDED,
    UNLOCKED,
    BeganAgain,
    Degraded,
    Died,
    Quarantined,
    Recovered,
    Restart,
    Running,
    Started,
    Stopped,
)
from mt5crs_shared.storage.account_log import AccountEvent
from mt5crs_shared.storage.event_files import NumberedEvent
from mt5crs_shared.storage.ledger_queries import Deal, OrderRecord
from mt5crs_shared.trading import trades as trading
from mt5crs_shared.trading.locks import TradingLock, in_words
from mt5crs_shared.trading.orders import Charge, Position
from mt5crs_shared.wording import counted, duration, plain

SHOWN = 10
"""Reasons that are told of each kind."""


class Books(msgspec.Struct, frozen=True):
    """What the ledger has of a time.

    Attributes:
        deals: Every deal, since a trade may have been opened before.
        charges: Whatever the broker has charged for them.
        refused: Orders that were refused.
        held: The open positions.
        changes: What was locked and unlocked, and what the broker's account has shown.
        locks: The locks that hold.
    """

    deals: Sequence[Deal] = ()
    charges: Sequence[Charge] = ()
    refused: Sequence[OrderRecord] = ()
    held: Sequence[Position] = ()
    changes: Sequence[AccountEvent] = ()
    locks: Sequence[TradingLock] = ()


def morning_page(
    begin: datetime | None,
    events: Sequence[NumberedEvent],
    books: Books,
    now: datetime | None = None,
) -> list[str]:
    """The page.

    Args:
        begin: Since when; None: all that is kept.
        events: What happened to processes since then.
        books: What happened to orders since then, and how it is now.
        now: This moment.
    """
    since = f"{begin.astimezone():%Y-%m-%d %H:%M}" if begin is not None else "the beginning"
    until = f"{(now or datetime.now(UTC)).astimezone():%Y-%m-%d %H:%M}"
    lines = [f"from {since} to {until}", ""]
    lines += _deaths(events) or ["nobody died"]
    lines += [*_supervisor(events), *_degraded(events), *_given_up(events)]
    lines += ["", *_earned(begin, books), *_refusals(books.refused)]
    lines += [*_locked(books), ""]
    return lines + ([_position(held) for held in books.held] or ["nothing is open"])


def _supervisor(events: Sequence[NumberedEvent]) -> list[str]:
    """Its own deaths: a start that no orderly end came before; and errors that it went on after."""
    runs, gone, errors = False, 0, Counter[str]()
    for numbered in events:
        match numbered.event:
            case BeganAgain(error=error):
                errors[plain(error)] += 1
                runs = False
            case Started():
                gone += runs
                runs = True
            case Stopped(name=name) if name == SUPERVISOR:
                runs = False
    lines = [f"the supervisor was killed and started again: {_times(gone)}"] if gone else []
    return lines + [
        f"the supervisor went on after an error of its own, {_times(count)}: {error}"
        for error, count in errors.most_common(SHOWN)
    ]


def _degraded(events: Sequence[NumberedEvent]) -> list[str]:
    causes = Counter((e.event.name, plain(e.event.detail)) for e in events if _is_degraded(e))
    return [
        f"degraded, {_times(count)}: {name}: {why}"
        for (name, why), count in causes.most_common(SHOWN)
    ]


def _is_degraded(numbered: NumberedEvent) -> bool:
    return isinstance(numbered.event, Degraded)


def _locked(books: Books) -> list[str]:
    """What was held back meanwhile, and what still is; and what the broker's account has shown."""
    lines = [f"held back: {lock.scope or 'account'}: {in_words(lock)}" for lock in books.locks]
    over = Counter(c.name or "account" for c in books.changes if c.kind == UNLOCKED)
    told = ", ".join(f"{name} {_times(count)}" for name, count in over.items())
    shown = [c.detail for c in books.changes if c.kind in (BALANCE, FOREIGN, UNGUARDED)]
    lines += [f"held back and let go: {told}"] if told else []
    return lines + [f"at the broker: {plain(detail)}" for detail in shown[-SHOWN:]]


def _deaths(events: Sequence[NumberedEvent]) -> list[str]:
    died = [e.event for e in events if isinstance(e.event, Died)]
    if not died:
        return []
    back = [e.event.seconds for e in events if isinstance(e.event, Recovered)]
    causes = Counter((event.name, plain(event.detail)) for event in died)
    took = ""
    if back:
        middle, longest = statistics.median(back), max(back)
        took = f"; back after {middle * 1e3:.0f} ms (median), {longest * 1e3:.0f} ms at most"
    told = [
        f"  {name}: {detail}{f' ({count} times)' if count > 1 else ''}"
        for (name, detail), count in causes.most_common(SHOWN)
    ]
    more = len(causes) - len(told)
    rest = [f"  and {more} more"] if more > 0 else []
    return [f"{counted(len(died), 'death')}{took}", *told, *rest]


def _given_up(events: Sequence[NumberedEvent]) -> list[str]:
    """Who is in quarantine at the end, and why."""
    given_up: dict[str, str] = {}
    for numbered in events:
        match numbered.event:
            case Quarantined(name=name):
                given_up[name] = numbered.event.detail
            case Restart(name=name) | Running(name=name):
                given_up.pop(name, None)
    return [f"given up: {name}: {plain(why)}" for name, why in given_up.items()]


def _earned(begin: datetime | None, books: Books) -> list[str]:
    since = begin.timestamp() if begin is not None else 0.0
    booked = {(d.fill.strategy, d.fill.ticket) for d in books.deals if d.recorded >= since}
    closed = [
        trade
        for trade in trading.trades_of((deal.fill for deal in books.deals), books.charges)
        if (trade.strategy, trade.ticket) in booked
    ]
    if not closed:
        return ["no trade was closed"]
    every = trading.performance(closed)
    swap = f" and {every.swap:+,.2f} swap" if every.swap else ""
    lines = [
        f"{counted(every.trades, 'trade')} closed: {every.net:+,.2f} after"
        f" {every.commission:,.2f} commission{swap}, {every.win_rate:.0%} won,"
        f" drawdown {every.drawdown:,.2f}"
    ]
    for name, of_one in trading.grouped_by(closed, "strategy").items():
        one = trading.performance(of_one)
        lines.append(
            f"  {name}: {one.net:+,.2f} in {one.trades}, best {one.best:+,.2f},"
            f" worst {one.worst:+,.2f}, each open for {duration(one.seconds)} on average"
        )
    return lines


def _refusals(refused: Sequence[OrderRecord]) -> list[str]:
    if not refused:
        return []
    causes = Counter((order.strategy, str(order.code)) for order in refused)
    told = [f"  {name}: {code} {count} times" for (name, code), count in causes.most_common(SHOWN)]
    return [f"{counted(len(refused), 'order')} refused", *told]


def _position(position: Position) -> str:
    stop = f", stop {position.stop_loss:g}" if position.stop_loss else ""
    target = f", target {position.take_profit:g}" if position.take_profit else ""
    what = f"{position.side} {position.lots:g} {position.symbol} at {position.open_price:g}"
    return f"open: {position.strategy}: {what}{stop}{target}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
