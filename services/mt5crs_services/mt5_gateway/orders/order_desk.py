"""Orders at the desk: taken once, and handed to the broker once."""

import logging
import time
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from mt5crs_services.mt5_gateway.answers import GatewayFailure, OrderReport
from mt5crs_services.mt5_gateway.orders import order_checks
from mt5crs_services.mt5_gateway.orders.order_checks import Hindrance, Offer
from mt5crs_services.mt5_gateway.orders.order_journal import KeptOrder, OrderJournal
from mt5crs_services.mt5_gateway.orders.order_watch import OrderWatch, nothing_dealt
from mt5crs_services.mt5_gateway.protocol import order_token
from mt5crs_services.mt5_gateway.requests import SendOrder
from mt5crs_services.mt5_gateway.terminal.terminal import INVALID, Mt5Terminal, TerminalError
from mt5crs_services.mt5_gateway.terminal.terminal_view import TerminalView
from mt5crs_services.mt5_gateway.terminal_records import TerminalSymbol
from mt5crs_services.retcodes import RETCODES
from mt5crs_shared.wording import describe_error

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 3
"""How often an order is handed over at most: again after a refusal for its price alone."""


class OrderDesk:
    """Executes orders, each id once.

    Args:
        terminal: Where they go.
        view: What is there to know of account and symbols.
        journal: Where each is kept before it is sent.
        watch: Who settles them.
        now: This machine's clock, seconds since the epoch.
    """

    def __init__(
        self,
        terminal: Mt5Terminal,
        view: TerminalView,
        journal: OrderJournal,
        watch: OrderWatch,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._terminal = terminal
        self._view = view
        self._journal = journal
        self._watch = watch
        self._now = now

    def send(self, request: SendOrder) -> OrderReport | GatewayFailure:
        """Execute an order, or say again what became of it.

        Raises:
            OrderJournalError: The journal cannot be written; nothing was sent.
            TerminalError: Nothing was sent.
        """
        known = self._journal.find(request.order_id)
        if known is not None:
            if not _is_same(known.request, request):
                what = f"the id {request.order_id} belongs to another order"
                return GatewayFailure("ID_REUSED", what, "order_id", "make a new id")
            return self._watch.ask(request.order_id)
        failure = self._refusal(request)
        if failure is not None:
            return failure
        symbol = self._view.symbol(request.symbol)
        position, hindered = self._position(request)
        hindered = hindered or order_checks.hindrance(request, symbol)
        offered = hindered or self._offer(request, symbol)
        tag = order_token(request.order_id)
        report = OrderReport(request.order_id, "UNKNOWN", symbol=request.symbol, tag=tag)
        if isinstance(offered, Hindrance):
            return self._journal.begin(request, _refused(report, offered)).report
        kept = self._journal.attempt(self._journal.begin(request, report))
        self._watch.follow(kept)
        try:
            return self._hand_over(kept, symbol, offered, position)
        except Exception as error:
            # From here on it may be with the broker, and an error would say that it is not.
            logger.exception("order %s may have been executed", request.order_id)
            detail = f"the gateway failed on it: {describe_error(error)}"
            return replace(report, attempts=kept.attempts, detail=detail)

    def _refusal(self, request: SendOrder) -> GatewayFailure | None:
        """Why an order is not even taken."""
        if request.journal != self._journal.id:
            what = f"the order is meant for journal {request.journal}, this is {self._journal.id}"
            todo = "ask for the gateway's terminal again, and settle what is open first"
            return GatewayFailure("OTHER_JOURNAL", what, "journal", todo)
        if self._has_expired(request):
            return GatewayFailure("EXPIRED", "the order came too late", "expires_us")
        for kept in self._watch.unsettled.values():
            other = kept.request
            if (other.magic, other.symbol) == (request.magic, request.symbol):
                what = f"order {other.order_id} of the same magic and symbol is not settled"
                return GatewayFailure("UNSETTLED", what, "magic", "ask for that one first")
        return self._view.cannot_trade(request.login)

    def _has_expired(self, request: SendOrder) -> bool:
        return bool(request.expires_us) and self._now() * 1e6 > request.expires_us

    def _position(self, request: SendOrder) -> tuple[int, Hindrance | None]:
        """The ticket of the position that is to be closed, as the broker has it now."""
        if request.action == "OPEN" or not request.ticket:
            return 0, None
        for found in self._view.positions():
            if request.ticket in (found.ticket, found.identifier):
                if found.symbol != request.symbol or found.side == request.side:
                    said = f"position {request.ticket} is {found.side} {found.symbol}"
                    return 0, Hindrance(10013, said)
                if request.lots > found.lots + 1e-9:
                    return 0, Hindrance(10038, f"the position has {found.lots:g} lots")
                return found.ticket, None
        return 0, Hindrance(10036, f"there is no position {request.ticket}")

    def _offer(self, request: SendOrder, symbol: TerminalSymbol) -> Offer | Hindrance:
        tick = self._terminal.ask("symbol_info_tick", request.symbol)
        return order_checks.offer(request, symbol, tick.bid, tick.ask)

    def _hand_over(
        self, kept: KeptOrder, symbol: TerminalSymbol, offered: Offer, position: int
    ) -> OrderReport:
        """Hand an order to the broker; again with a fresh price where it was refused for that."""
        while True:
            try:
                result = self._terminal.send(
                    order_checks.trade_request(kept.request, symbol, offered, position)
                )
            except TerminalError as error:
                return self._after_error(kept, error)
            report = _answered(kept, result)
            kind = order_checks.retcode_class(report.retcode)
            if kind in ("DONE", "ASK"):
                return self._watch.after_answer(kept, report)
            if kind == "REFUSED" or kept.attempts >= ATTEMPTS:
                return self._watch.settled(kept, nothing_dealt(report)).report
            fresh = self._fresh(kept.request, symbol)
            if isinstance(fresh, Hindrance):
                report = replace(report, detail=f"{report.detail}; {fresh.detail}")
                return self._watch.settled(kept, nothing_dealt(report)).report
            offered = fresh
            kept = self._journal.attempt(kept)
            self._watch.follow(kept)

    def _fresh(self, request: SendOrder, symbol: TerminalSymbol) -> Offer | Hindrance:
        """The price for another attempt, or why there is none."""
        if self._has_expired(request):
            return Hindrance(10020, "the order has expired")
        try:
            failure = self._view.cannot_trade(request.login)
            return self._offer(request, symbol) if failure is None else Hindrance(0, failure.what)
        except TerminalError as error:
            return Hindrance(0, str(error))

    def _after_error(self, kept: KeptOrder, error: TerminalError) -> OrderReport:
        """The package gave no answer: only where it says that it sent nothing is that believed."""
        report = replace(kept.report, attempts=kept.attempts, detail=str(error))
        if error.code == INVALID:
            refused = nothing_dealt(replace(report, retcode=10013))
            return self._watch.settled(kept, refused).report
        logger.warning("order %s: no answer: %s", kept.request.order_id, error)
        return self._watch.after_answer(kept, report)


def _answered(kept: KeptOrder, result: object) -> OrderReport:
    """What the broker said, before its books are looked at."""
    retcode = int(getattr(result, "retcode", 0))
    return replace(
        kept.report,
        status="UNKNOWN",
        retcode=retcode,
        order=int(getattr(result, "order", 0)),
        attempts=kept.attempts,
        comment=str(getattr(result, "comment", "")),
        detail=RETCODES.get(retcode, f"return code {retcode}"),
    )


def _refused(report: OrderReport, why: Hindrance) -> OrderReport:
    return replace(report, status="REJECTED", retcode=why.retcode, detail=why.detail)


def _is_same(known: SendOrder, asked: SendOrder) -> bool:
    """Whether it is the same decision, asked for again."""
    return replace(known, journal="", expires_us=0) == replace(asked, journal="", expires_us=0)
