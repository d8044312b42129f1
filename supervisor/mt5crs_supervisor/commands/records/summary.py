"""`events --summary`: a page for the morning, of what happened and what was earned."""

import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from mt5crs_shared.events import Died, Quarantined, Recovered, Restart, Running
from mt5crs_shared.storage.event_files import NumberedEvent
from mt5crs_shared.storage.ledger_queries import Deal, OrderRecord
from mt5crs_shared.trading import trades as trading
from mt5crs_shared.trading.orders import Position
from mt5crs_supervisor.operator.render import duration
from mt5crs_supervisor.operator.table import plain

SHOWN = 10
"""Reasons that are told of each kind."""


def morning_page(
    begin: datetime | None,
    events: Sequence[NumberedEvent],
    deals: Sequence[Deal],
    refused: Sequence[OrderRecord],
    held: Sequence[Position],
    now: datetime | None = None,
) -> list[str]:
    """The page.

    Args:
        begin: Since when; None: all that is kept.
        events: What happened to processes since then.
        deals: Every deal of the ledger, since a trade may have been opened before.
        refused: Orders that were refused since then.
        held: The open positions.
        now: This moment.
    """
    since = f"{begin.astimezone():%Y-%m-%d %H:%M}" if begin is not None else "the beginning"
    until = f"{(now or datetime.now(UTC)).astimezone():%Y-%m-%d %H:%M}"
    lines = [f"from {since} to {until}", ""]
    lines += _deaths(events) or ["nobody died"]
    lines += _given_up(events)
    lines += ["", *_earned(begin, deals)]
    lines += _refusals(refused)
    lines += ["", *(_position(position) for position in held)] if held else ["", "nothing is open"]
    return lines


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
    return [f"{_counted(len(died), 'death')}{took}", *told, *rest]


def _given_up(events: Sequence[NumberedEvent]) -> list[str]:
    """Who is in quarantine at the end, and why."""
    given_up: dict[str, str] = {}
    for numbered in events:
        match numbered.event:
            case Quarantined(name=name):
                given_up[name] = numbered.event.detail
            case Restart(name=name) | Running(name=name):
                given_up.pop(name, None)
    return [
        f"given up: {name}: {plain(why)}; mend it, then `restart {name}`"
        for name, why in given_up.items()
    ]


def _earned(begin: datetime | None, deals: Sequence[Deal]) -> list[str]:
    since = begin.timestamp() if begin is not None else 0.0
    booked = {(d.fill.strategy, d.fill.ticket) for d in deals if d.recorded >= since}
    closed = [
        trade
        for trade in trading.trades_of(deal.fill for deal in deals)
        if (trade.strategy, trade.ticket) in booked
    ]
    if not closed:
        return ["no trade was closed"]
    every = trading.performance(closed)
    lines = [
        f"{_counted(every.trades, 'trade')} closed: {every.net:+,.2f} after"
        f" {every.commission:,.2f} commission, {every.win_rate:.0%} won,"
        f" drawdown {every.drawdown:,.2f}"
    ]
    for name, of_one in trading.grouped_by(closed, "strategy").items():
        one = trading.performance(of_one)
        lines.append(
            f"  {name}: {one.net:+,.2f} in {one.trades}, best {one.best:+,.2f},"
            f" worst {one.worst:+,.2f}, open for {duration(one.seconds)}"
        )
    return lines


def _refusals(refused: Sequence[OrderRecord]) -> list[str]:
    if not refused:
        return []
    causes = Counter((order.strategy, str(order.code)) for order in refused)
    told = [f"  {name}: {code} {count} times" for (name, code), count in causes.most_common(SHOWN)]
    return [f"{_counted(len(refused), 'order')} refused", *told]


def _position(position: Position) -> str:
    stop = f", stop {position.stop_loss:g}" if position.stop_loss else ""
    target = f", target {position.take_profit:g}" if position.take_profit else ""
    what = f"{position.side} {position.lots:g} {position.symbol} at {position.open_price:g}"
    return f"open: {position.strategy}: {what}{stop}{target}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
