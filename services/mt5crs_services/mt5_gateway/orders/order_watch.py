"""Orders whose fate is not known: looked for in the broker's books until it stands there."""

import logging
import time
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from mt5crs_services.mt5_gateway.answers import OrderReport
from mt5crs_services.mt5_gateway.orders.order_books import Fate, OrderBooks
from mt5crs_services.mt5_gateway.orders.order_checks import retcode_class
from mt5crs_services.mt5_gateway.orders.order_journal import KeptOrder, OrderJournal
from mt5crs_services.mt5_gateway.orders.position_stops import PositionStops
from mt5crs_services.mt5_gateway.requests import SettleOrder
from mt5crs_services.mt5_gateway.terminal.terminal import Mt5Terminal, TerminalError
from mt5crs_services.mt5_gateway.terminal.terminal_view import TerminalView

logger = logging.getLogger(__name__)

LOOKS: Final = 5
"""Looks into the books for the deals of an order, before its client is told to ask again."""

LOOK_EVERY_S: Final = 0.05
ASK_EVERY_S: Final = 0.5
"""Seconds between two looks for orders whose fate is not known."""

SURE_AFTER_S: Final = 60.0
"""Seconds of connection to the broker without a trace of an order: it was not executed."""

LONGEST_GAP_S: Final = 5.0
"""Seconds between two looks after which the time without a trace is counted anew."""

OFFLINE: Final = "the terminal has no connection to the broker"


class OrderWatch:
    """Settles orders that were handed to the broker; sends none.

    Args:
        terminal: Where they went.
        view: What is known there.
        journal: Where they are kept.
        books: Where their outcome stands.
        monotonic: The monotonic clock, seconds.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        terminal: Mt5Terminal,
        view: TerminalView,
        journal: OrderJournal,
        books: OrderBooks,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._terminal = terminal
        self._view = view
        self._journal = journal
        self._books = books
        self._stops = PositionStops(terminal, view)
        self._monotonic = monotonic
        self._sleep = sleep
        self._ask_at = 0.0
        self._without: dict[str, tuple[float, float]] = {}
        self.unsettled = {kept.request.order_id: kept for kept in journal.unsettled()}

    def follow(self, kept: KeptOrder) -> None:
        """Watch an order from now on; its attempt is counted."""
        self.unsettled[kept.request.order_id] = kept

    def ask(self, order_id: str) -> OrderReport:
        """What became of an order; it is looked for where that is not known.

        Raises:
            OrderJournalError: The journal cannot be read or written.
        """
        kept = self._journal.find(order_id)
        if kept is None:
            return OrderReport(order_id, "NOT_SEEN", detail="this journal has no such order")
        if not kept.settled:
            self.unsettled.setdefault(order_id, kept)
            kept = self._look(kept)
        return kept.report

    def settle(self, word: SettleOrder) -> OrderReport:
        """The operator's word on an order that nothing else settles; see `SettleOrder`.

        Raises:
            OrderJournalError: The journal cannot be read or written.
        """
        kept = self._journal.find(word.order_id)
        if kept is None or kept.settled:
            return self.ask(word.order_id)
        owner = self._journal.owner(word.broker_order)
        if owner not in ("", word.order_id):
            said = f"the broker's order {word.broker_order} is that of {owner}"
            return replace(kept.report, detail=said)
        if word.broker_order:
            named = replace(kept.report, order=word.broker_order, detail=f"{word.who} has found it")
            kept = self._journal.note(kept, named, settled=False)
        # What the books say is more than anybody's word.
        kept, why = self._looked(kept)
        if kept.settled or (word.broker_order and not word.lots):
            return kept.report
        if why:
            return replace(kept.report, detail=why)
        kept = self.settled(kept, _by_word(kept, word))
        logger.warning("order %s, by the word of %s: %s", word.order_id, word.who, kept.report)
        return kept.report

    def watch(self) -> None:
        """Look for orders whose fate is not known, now and then.

        Raises:
            OrderJournalError: The journal cannot be read or written.
        """
        if not self.unsettled or self._monotonic() < self._ask_at:
            return
        self._ask_at = self._monotonic() + ASK_EVERY_S
        for kept in list(self.unsettled.values()):
            self._look(kept)

    def after_answer(self, kept: KeptOrder, report: OrderReport) -> OrderReport:
        """Look for an order's deals at once: most stand in the books when the answer comes."""
        kept = self._journal.note(kept, report, settled=False)
        self.unsettled[kept.request.order_id] = kept
        for look in range(LOOKS):
            if look:
                self._sleep(LOOK_EVERY_S)
            kept = self._look(kept)
            if kept.settled or not self._terminal.attached:
                break
        return kept.report

    def _look(self, kept: KeptOrder) -> KeptOrder:
        """Look for an order in the books, and settle it where its fate stands there."""
        return self._looked(kept)[0]

    def _looked(self, kept: KeptOrder) -> tuple[KeptOrder, str]:
        """The same, and why nobody's word is taken for its fate just now; empty: it is."""
        order_id = kept.request.order_id
        if not kept.attempts:
            detail = "the gateway ended before it was sent"
            return self.settled(kept, nothing_dealt(replace(kept.report, detail=detail))), ""
        try:
            connected = self._view.connected()
            if self._view.login() != kept.request.login:
                return self._unseen(kept, "the terminal is logged into another account")
            fate = self._books.look(kept)
        except TerminalError as error:
            return self._unseen(kept, str(error))
        why = "" if connected else OFFLINE
        if fate is None:
            return self._without_trace(kept, connected), why
        self._without.pop(order_id, None)
        if fate.status not in ("PENDING", "UNKNOWN"):
            return self.settled(kept, self._reported(kept, fate)), ""
        kept = self._say(kept, fate.status, fate.detail, fate.order)
        return kept, why or (fate.detail if fate.waits else "")

    def _unseen(self, kept: KeptOrder, why: str) -> tuple[KeptOrder, str]:
        """The books could not be looked into; see `_looked`."""
        self._without.pop(kept.request.order_id, None)
        return self._say(kept, "UNKNOWN", why), why

    def _without_trace(self, kept: KeptOrder, connected: bool) -> KeptOrder:
        """Nothing in the books: the longer they are up to date, the surer is that nothing comes."""
        order_id, report = kept.request.order_id, kept.report
        blind = self._books.blind() if connected else OFFLINE
        if blind:
            self._without.pop(order_id, None)
            return self._say(kept, "UNKNOWN", blind)
        now = self._monotonic()
        since, last = self._without.get(order_id, (now, now))
        # Where nobody looked for a while, nobody knows whether there was a connection.
        since = since if now - last < LONGEST_GAP_S else now
        self._without[order_id] = since, now
        if now - since < SURE_AFTER_S:
            return self._say(kept, "UNKNOWN", "there is no trace of it in the terminal's books yet")
        if report.order:
            return self._say(kept, "UNKNOWN", f"the books do not show order {report.order} at all")
        detail = f"no trace of it in the terminal's books in {SURE_AFTER_S:g} s"
        return self.settled(kept, replace(nothing_dealt(report), detail=detail, found=True))

    def _reported(self, kept: KeptOrder, fate: Fate) -> OrderReport:
        report = replace(
            kept.report,
            status=fate.status,
            order=fate.order,
            found=retcode_class(kept.report.retcode) != "DONE",
            attempts=kept.attempts,
        )
        if not fate.deals:
            return replace(nothing_dealt(report), order=fate.order, detail=fate.detail)
        lots = sum(deal.lots for deal in fate.deals)
        last = fate.deals[-1]
        report = replace(
            report,
            detail=fate.detail,
            deal=last.deal,
            ticket=last.position,
            lots=round(lots, 8),
            price=sum(deal.price * deal.lots for deal in fate.deals) / lots,
            time_us=last.time_us,
            profit=sum(deal.profit for deal in fate.deals),
            commission=sum(deal.commission + deal.fee for deal in fate.deals),
            swap=sum(deal.swap for deal in fate.deals),
        )
        return self._stops.verified(kept.request, report)

    def _say(self, kept: KeptOrder, status: str, detail: str, order: int = 0) -> KeptOrder:
        """Keep what is known of an order that is not settled, where that is new."""
        assert status in ("PENDING", "UNKNOWN")
        found = kept.report.order or order
        report = replace(
            kept.report, status=status, detail=detail, order=found, attempts=kept.attempts
        )
        if report != kept.report:
            kept = self._journal.note(kept, report, settled=False)
            self.unsettled[kept.request.order_id] = kept
        return kept

    def settled(self, kept: KeptOrder, report: OrderReport) -> KeptOrder:
        """Keep an order's outcome for good.

        Raises:
            OrderJournalError: The journal cannot be written; the order is watched on.
        """
        kept = self._journal.note(kept, report, settled=True)
        self.unsettled.pop(kept.request.order_id, None)
        self._without.pop(kept.request.order_id, None)
        logger.info("order %s: %s %s", report.order_id, report.status, report.detail)
        return kept


def _by_word(kept: KeptOrder, word: SettleOrder) -> OrderReport:
    """What became of an order that the books do not show, as somebody says."""
    if not word.lots:
        detail = f"{word.who} says that it was not executed"
        return replace(nothing_dealt(kept.report), detail=detail)
    whole = word.lots > kept.request.lots - 1e-9
    return replace(
        kept.report,
        status="FILLED" if whole else "PARTIAL",
        detail=f"{word.who} says that it was executed",
        lots=word.lots,
        price=word.price,
        ticket=word.ticket,
    )


def nothing_dealt(report: OrderReport) -> OrderReport:
    """The report of an order that came to nothing."""
    return replace(report, status="REJECTED", deal=0, lots=0.0, price=0.0, ticket=0)
