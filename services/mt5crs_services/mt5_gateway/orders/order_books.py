"""What became of an order, by the terminal's books: active orders, history, deals.

An order is known by its number. Where no answer has brought that, by its token in the comment;
and where the broker has changed the comment, by magic number, symbol, side, volume and time, if no
other order of ours can be meant.
"""

import time
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from mt5crs_services.mt5_gateway.orders.order_journal import KeptOrder, OrderJournal
from mt5crs_services.mt5_gateway.terminal import translation
from mt5crs_services.mt5_gateway.terminal.server_clock import ServerClock
from mt5crs_services.mt5_gateway.terminal.terminal import Mt5Terminal
from mt5crs_services.mt5_gateway.terminal_records import TerminalDeal, TerminalOrder

SLACK_S: Final = 60.0
"""Seconds by which an order's time in the books may lie outside of when it was sent."""

UNZONED_S: Final = 100_000.0
"""The same where the server's zone is not known: no zone is further from UTC."""

EXECUTING_S: Final = 300.0
"""Seconds after it was sent in which an order that is known by nothing but its looks came."""

LEAST_TOKEN: Final = 6
"""Characters of a token that a broker has cut which still say whose it is."""


class Fate(msgspec.Struct, frozen=True):
    """What the books say of an order.

    Attributes:
        status: PENDING: it is there, and not decided, or not all of its deals are there yet;
            UNKNOWN: several orders could be it.
        order: The broker's number; 0: not known.
        deals: Its deals.
        detail: For people.
        waits: It is there, and the broker decides it still.
    """

    status: Literal["FILLED", "PARTIAL", "REJECTED", "PENDING", "UNKNOWN"]
    order: int = 0
    deals: tuple[TerminalDeal, ...] = ()
    detail: str = ""
    waits: bool = False


class _Trace(msgspec.Struct, frozen=True):
    """An order or a deal in the books, as far as it says which order it belongs to."""

    order: int
    symbol: str
    kind: str
    magic: int
    comment: str
    position: int
    lots: float
    whole: bool
    time_us: int


class OrderBooks:
    """Looks orders up.

    Args:
        terminal: Whose books.
        clock: Of the server.
        journal: Which orders are ours.
        now: This machine's clock, seconds since the epoch.
    """

    def __init__(
        self,
        terminal: Mt5Terminal,
        clock: ServerClock,
        journal: OrderJournal,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._terminal = terminal
        self._clock = clock
        self._journal = journal
        self._now = now

    def blind(self) -> str:
        """Why an order that they show may not be seen; empty: it would be.

        Where the broker has changed a comment, its time says which order it is.
        """
        return "" if self._clock.offset_s() is not None else "the server's zone is not known"

    def look(self, kept: KeptOrder) -> Fate | None:
        """What became of an order; None: there is no trace of it.

        Raises:
            TerminalError: The books cannot be read.
        """
        if kept.broker_order:
            return self._by_number(kept.broker_order, kept.request.lots)
        traces = self._traces(kept)
        numbers = {trace.order for trace in traces if _has_token(trace, kept)}
        if not numbers:
            numbers = {trace.order for trace in traces if self._looks_like(trace, kept)}
        if len(numbers) > 1:
            listed = ", ".join(map(str, sorted(numbers)))
            return Fate("UNKNOWN", detail=f"orders {listed} of the broker could each be it")
        return self._by_number(numbers.pop(), kept.request.lots) if numbers else None

    def _by_number(self, number: int, lots: float) -> Fate | None:
        ask, utc = self._terminal.rows, self._clock.to_us_or_zero
        if any(order.ticket == number for order in ask("orders_get", ticket=number)):
            return Fate("PENDING", number, detail="the broker has not decided yet", waits=True)
        past = [
            translation.order_record(order, utc)
            for order in ask("history_orders_get", ticket=number)
            if order.ticket == number
        ]
        deals = tuple(
            translation.deal_record(deal, utc)
            for deal in ask("history_deals_get", ticket=number)
            if deal.order == number
        )
        dealt = sum(deal.lots for deal in deals)
        whole = dealt > lots - 1e-9
        if not past:
            if whole:
                return Fate("FILLED", number, deals)
            return (
                Fate("PENDING", number, detail="its deals are not all there yet") if deals else None
            )
        executed = past[0].lots - past[0].lots_left
        if abs(executed - dealt) > 1e-9 and not whole:
            return Fate("PENDING", number, detail="its deals are not all there yet")
        if whole:
            return Fate("FILLED", number, deals)
        said = f"the broker's order {number} is {past[0].state}"
        return Fate("PARTIAL" if deals else "REJECTED", number, deals, said)

    def _traces(self, kept: KeptOrder) -> list[_Trace]:
        """What the books have of the order's symbol and time."""
        ask, utc = self._terminal.rows, self._clock.to_us_or_zero
        zone = self._clock.offset_s()
        slack = SLACK_S if zone is not None else UNZONED_S
        since = round(kept.recorded + (zone or 0) - slack)
        until = round(self._now() + (zone or 0) + slack)
        orders = [
            translation.order_record(order, utc)
            for order in (
                *ask("orders_get", symbol=kept.request.symbol),
                *ask("history_orders_get", since, until),
            )
        ]
        deals = [
            translation.deal_record(deal, utc) for deal in ask("history_deals_get", since, until)
        ]
        found = [_of_order(order) for order in orders] + [_of_deal(deal) for deal in deals]
        return [trace for trace in found if trace.symbol == kept.request.symbol and trace.order]

    def _looks_like(self, trace: _Trace, kept: KeptOrder) -> bool:
        """Whether an order whose comment says nothing is this one, by everything else."""
        request = kept.request
        if trace.magic != request.magic or trace.kind != request.side:
            return False
        if request.action == "CLOSE" and trace.position != request.ticket:
            return False
        same = abs(trace.lots - request.lots) < 1e-9
        if not (same or (not trace.whole and trace.lots < request.lots)):
            return False
        if not trace.time_us:
            return False
        time_s = trace.time_us / 1e6
        if not kept.recorded - SLACK_S <= time_s <= kept.sent + EXECUTING_S:
            return False
        another = self._journal.knows_tag(trace.comment[:12])
        return not another and not self._journal.owner(trace.order)


def _has_token(trace: _Trace, kept: KeptOrder) -> bool:
    comment, tag = trace.comment, kept.report.tag
    if trace.magic not in (kept.request.magic, 0):
        return False
    return comment.startswith(tag) or (
        len(comment) >= LEAST_TOKEN and tag.startswith(comment.strip())
    )


def _of_order(order: TerminalOrder) -> _Trace:
    return _Trace(
        order.order,
        order.symbol,
        order.kind,
        order.magic,
        order.comment,
        order.position,
        order.lots,
        True,
        order.time_us,
    )


def _of_deal(deal: TerminalDeal) -> _Trace:
    return _Trace(
        deal.order,
        deal.symbol,
        deal.kind,
        deal.magic,
        deal.comment,
        deal.position,
        deal.lots,
        False,
        deal.time_us,
    )
