"""The Windows gateway's loop: answers requests, publishes ticks, watches orders."""

import logging
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import zmq
from msgspec.structs import replace

from mt5crs_services.mt5_gateway import answers, protocol, requests
from mt5crs_services.mt5_gateway.answers import AnyAnswer, GatewayFailure
from mt5crs_services.mt5_gateway.history import TerminalHistory
from mt5crs_services.mt5_gateway.orders.order_books import OrderBooks
from mt5crs_services.mt5_gateway.orders.order_desk import OrderDesk
from mt5crs_services.mt5_gateway.orders.order_journal import OrderJournal, OrderJournalError
from mt5crs_services.mt5_gateway.orders.order_watch import OrderWatch
from mt5crs_services.mt5_gateway.settings import WindowsGatewayConfig
from mt5crs_services.mt5_gateway.terminal.server_clock import ServerClock, ServerClockError
from mt5crs_services.mt5_gateway.terminal.terminal import Mt5Terminal, TerminalError
from mt5crs_services.mt5_gateway.terminal.terminal_view import TerminalView, UnknownSymbolError
from mt5crs_services.mt5_gateway.ticks import TickPoller
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market import wire
from mt5crs_shared.sockets.client_list import DOMAIN, ClientList, read_known
from mt5crs_shared.sockets.curve import serve_curve
from mt5crs_shared.sockets.opening import open_socket
from mt5crs_shared.wording import describe_error

logger = logging.getLogger(__name__)

JOURNAL: Final = "orders.db"
ANSWERS_AT_ONCE: Final = 64
"""Requests that are answered before ticks get their turn."""

UNSENT: Final = 100_000
"""Ticks that a subscriber may be behind before it loses some."""

LOOK_EVERY_S: Final = 1.0
"""Seconds between two looks whether the terminal is connected."""


class PortError(Mt5crsError):
    """A port is taken."""


class WindowsGateway:
    """One terminal, one account.

    Args:
        config: Its configuration.
        terminal: What it stands before.
        context: The process's ZMQ context.

    Raises:
        KeyFileError: The keys cannot be used.
        PortError: A port is taken, most likely by another gateway.
        OrderJournalError: The journal cannot be opened.
    """

    def __init__(
        self,
        config: WindowsGatewayConfig,
        terminal: Mt5Terminal,
        context: "zmq.Context[zmq.Socket[bytes]]",
    ) -> None:
        self._config = config
        self._terminal = terminal
        keys = None if config.keys is None else Path(config.keys)
        known = None if keys is None else read_known(keys)
        self._router = open_socket(context, zmq.ROUTER, protocol.MAX_REQUEST)
        self._router.setsockopt(zmq.LINGER, 500)
        self._router.setsockopt(zmq.TCP_KEEPALIVE, 1)
        self._ticks = open_socket(context, zmq.PUB, protocol.MAX_REQUEST)
        self._ticks.setsockopt(zmq.SNDHWM, UNSENT)
        self._ticks.setsockopt(zmq.LINGER, 0)
        self._ticks.setsockopt(zmq.TCP_KEEPALIVE, 1)
        self._clients = None
        if keys is not None and known is not None:
            self._clients = ClientList(context, keys, known)
        try:
            if known is not None:
                for listening in (self._router, self._ticks):
                    serve_curve(listening, known.own, DOMAIN)
            # Before the journal is touched: a second gateway has to end without a trace.
            for socket, port in (
                (self._router, config.orders_port),
                (self._ticks, config.ticks_port),
            ):
                _bind(socket, config.address(port))
            folder = Path(config.folder)
            folder.mkdir(parents=True, exist_ok=True)
            self._journal = OrderJournal(folder / JOURNAL)
        except BaseException:
            self._router.close(0)
            self._ticks.close(0)
            if self._clients is not None:
                self._clients.close()
            raise
        self._clock = ServerClock(
            config.server_zone, self._journal.zone, self._journal.remember_zone
        )
        self._view = TerminalView(terminal, self._clock)
        books = OrderBooks(terminal, self._clock, self._journal)
        self._watch = OrderWatch(terminal, self._view, self._journal, books)
        self._desk = OrderDesk(terminal, self._view, self._journal, self._watch)
        self._history = TerminalHistory(terminal, self._view, self._clock)
        self._poller = TickPoller(terminal, self._view, self._clock, config.symbols)
        self._connected = False
        self._look_at = 0.0
        self._poll_at = 0.0
        self._answer: dict[type, Callable[[Any], AnyAnswer]] = {
            requests.AskTerminal: self._hello,
            requests.SendOrder: self._desk.send,
            requests.AskOrder: lambda asked: self._watch.ask(asked.order_id),
            requests.SettleOrder: self._watch.settle,
            requests.AskPositions: self._positions,
            requests.AskOrders: self._orders,
            requests.AskDeals: self._deals,
            requests.AskAccount: lambda asked: answers.AccountAnswer(self._view.account()),
            requests.AskSymbols: self._symbols,
            requests.AskBars: self._history.bars,
            requests.AskTicks: self._history.ticks,
        }

    def run(self, goes_on: Callable[[], bool]) -> None:
        """Turn until it is to end."""
        while goes_on():
            wait_s = min(self._poll_at - time.monotonic(), self._config.poll_ms / 1000.0)
            self._router.poll(max(0, round(wait_s * 1000)), zmq.POLLIN)
            self.turn()

    def turn(self) -> None:
        """Answer what waits, publish what came, look for orders whose fate is not known."""
        for _ in range(ANSWERS_AT_ONCE):
            if not self._serve():
                break
        if time.monotonic() < self._poll_at:
            return
        self._poll_at = time.monotonic() + self._config.poll_ms / 1000.0
        self._look()
        if not self._terminal.attached:
            return
        for tick in self._poller.poll():
            self._ticks.send(wire.encode(tick))
        try:
            self._watch.watch()
        except OrderJournalError:
            logger.exception("orders whose fate is not known cannot be settled")

    def close(self) -> None:
        """Let go of sockets, journal and terminal."""
        self._router.close()
        self._ticks.close()
        if self._clients is not None:
            self._clients.close()
        self._journal.close()
        self._terminal.close()

    def _look(self) -> None:
        """Attach to the terminal where it was lost, and see whether it is connected."""
        before = self._terminal.attachments
        if not self._terminal.attach() or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_EVERY_S
        try:
            connected = self._view.connected()
        except TerminalError as error:
            logger.warning("%s", error)
            connected = False
        if self._terminal.attachments != before or connected != self._connected:
            # What comes first after an absence may be old.
            self._clock.start_over()
            logger.info("the terminal %s connected", "is" if connected else "is not")
        self._connected = connected

    def _serve(self) -> bool:
        """Answer one request; False: there is none."""
        try:
            sender, *parts = self._router.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return False
        # A REQ socket puts an empty part before its request, and expects one before the answer.
        envelope = parts[:1] if len(parts) == 2 and not parts[0] else []
        body = parts[len(envelope) :]
        request_id, answer = self._answered(body[0] if len(body) == 1 else b"")
        frame = protocol.encode_message(request_id, answer)
        if len(frame) > protocol.MAX_ANSWER:
            failure = GatewayFailure("BAD_REQUEST", "the answer is too large", "count", "ask less")
            frame = protocol.encode_message(request_id, failure)
        try:
            self._router.send_multipart([sender, *envelope, frame], zmq.DONTWAIT)
        except zmq.Again:
            logger.warning("an answer was not sent: its client takes none")
        return True

    def _answered(self, frame: bytes) -> tuple[str, AnyAnswer]:
        try:
            request_id, request = protocol.decode_request(frame)
        except protocol.ProtocolError as error:
            logger.warning("a request was refused: %s", error)
            return error.request_id, error.failure
        try:
            return request_id, self._answer[type(request)](request)
        except Exception as error:
            return request_id, _failure_of(error)

    def _hello(self, _asked: requests.AskTerminal) -> answers.TerminalReport:
        """Who this is; also without a terminal."""
        report = answers.TerminalReport(
            gateway=metadata.version("mt5crs-supervisor"),
            journal=self._journal.id,
            now_us=time.time_ns() // 1000,
            connected=False,
            trade_allowed=False,
            trouble=self._terminal.trouble,
            server_zone=self._clock.zone,
            server_offset_s=self._clock.offset_s(),
            unsettled=tuple(self._watch.unsettled),
        )
        return self._with_terminal(report) if self._terminal.attached else report

    def _with_terminal(self, report: answers.TerminalReport) -> answers.TerminalReport:
        try:
            info, account = self._view.info(), self._view.account()
            hindrance = self._view.cannot_trade(self._config.login)
        except TerminalError as error:
            return replace(report, trouble=str(error))
        troubles = [hindrance.what if hindrance else "", self._clock.trouble]
        troubles += [f"no ticks of {name}: {why}" for name, why in self._poller.trouble.items()]
        return replace(
            report,
            connected=bool(info.connected),
            trade_allowed=hindrance is None,
            trouble="; ".join(filter(None, troubles)),
            account=account,
            build=int(info.build),
            ping_ms=info.ping_last / 1000.0,
        )

    def _positions(self, _asked: requests.AskPositions) -> answers.PositionsReport:
        return answers.PositionsReport(self._view.login(), self._view.positions())

    def _orders(self, _asked: requests.AskOrders) -> answers.OrdersReport:
        return answers.OrdersReport(self._view.login(), self._view.orders())

    def _deals(self, asked: requests.AskDeals) -> answers.DealsReport:
        login = self._view.login()
        until_us = time.time_ns() // 1000 + requests.FUTURE_US
        found = self._view.deals(asked.since_us, until_us, asked.position)
        cut = len(found) > requests.MAX_DEALS
        return answers.DealsReport(login, found[: requests.MAX_DEALS], cut)

    def _symbols(self, asked: requests.AskSymbols) -> answers.SymbolsReport:
        found, unknown = [], []
        for name in asked.names or self._view.watched()[: requests.MAX_SYMBOLS]:
            try:
                found.append(self._view.symbol(name))
            except UnknownSymbolError:
                unknown.append(name)
        return answers.SymbolsReport(self._view.login(), tuple(found), tuple(unknown))


def _bind(socket: "zmq.Socket[bytes]", address: str) -> None:
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        raise PortError(
            f"{address} cannot be listened on: {error}. Does another gateway run?"
        ) from error


def _failure_of(error: Exception) -> GatewayFailure:
    """An error as the answer to the request that met it."""
    if isinstance(error, UnknownSymbolError):
        return GatewayFailure("UNKNOWN_SYMBOL", error.what, error.where, error.todo)
    if isinstance(error, TerminalError):
        code: answers.FailureCode = "NOT_CONNECTED" if error.lost else "TERMINAL"
        return GatewayFailure(code, error.what, error.where, error.todo)
    if isinstance(error, ServerClockError):
        todo = "wait for quotes, or set server_zone in the gateway's configuration"
        return GatewayFailure("CLOCK", str(error), "server_zone", todo)
    if isinstance(error, OrderJournalError):
        return GatewayFailure("JOURNAL", str(error), JOURNAL, "see the gateway's log")
    logger.error("a request cannot be answered", exc_info=error)
    return GatewayFailure("INTERNAL", describe_error(error), "", "see the gateway's log")
