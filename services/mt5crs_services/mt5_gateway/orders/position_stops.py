"""Stops are verified at the position after a fill, and set where the broker lacks them."""

import logging

from msgspec.structs import replace

from mt5crs_services.mt5_gateway.answers import OrderReport
from mt5crs_services.mt5_gateway.orders.order_checks import stops_request
from mt5crs_services.mt5_gateway.requests import SendOrder
from mt5crs_services.mt5_gateway.terminal.terminal import Mt5Terminal, TerminalError
from mt5crs_services.mt5_gateway.terminal.terminal_view import TerminalView
from mt5crs_services.mt5_gateway.terminal_records import TerminalPosition

logger = logging.getLogger(__name__)


class PositionStops:
    """Sees whether a position has the stops that its order asked for.

    Args:
        terminal: Where it is.
        view: What is known there.
    """

    def __init__(self, terminal: Mt5Terminal, view: TerminalView) -> None:
        self._terminal = terminal
        self._view = view

    def verified(self, request: SendOrder, report: OrderReport) -> OrderReport:
        """The report with the position's stops.

        Without a word on them where none were asked for, or the position is closed already.
        """
        if request.action != "OPEN" or not (request.stop_loss or request.take_profit):
            return report
        try:
            point = self._view.symbol(request.symbol).point
            held = self._held(report.ticket)
            if held is not None and not _has(held, request, point):
                self._set(request, held)
                held = self._held(report.ticket)
        except TerminalError as error:
            logger.error("the stops of position %d cannot be looked at: %s", report.ticket, error)
            return replace(report, stops="MISSING", detail=f"its stops cannot be seen: {error}")
        if held is None:
            return report
        found = replace(report, stop_loss=held.stop_loss, take_profit=held.take_profit)
        if _has(held, request, point):
            return replace(found, stops="SET")
        logger.error("position %d has not the stops that it was opened with", report.ticket)
        return replace(found, stops="MISSING", detail="the broker has not set its stops")

    def _held(self, ticket: int) -> TerminalPosition | None:
        return next((p for p in self._view.positions() if p.identifier == ticket), None)

    def _set(self, request: SendOrder, held: TerminalPosition) -> None:
        symbol = self._view.symbol(request.symbol)
        result = self._terminal.send(stops_request(request, symbol, held.ticket))
        logger.warning("position %d lacked its stops: %s", held.ticket, result.comment)


def _has(held: TerminalPosition, request: SendOrder, point: float) -> bool:
    return (
        abs(held.stop_loss - request.stop_loss) < point
        and abs(held.take_profit - request.take_profit) < point
    )
