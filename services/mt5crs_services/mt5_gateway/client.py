"""A client of the Windows gateway that waits for each answer."""

import itertools
import time
from collections.abc import Sequence
from typing import Final, TypeVar, cast, get_args

import msgspec
import zmq

from mt5crs_services.mt5_gateway import protocol
from mt5crs_services.mt5_gateway.answers import (
    AnyAnswer,
    BarsReport,
    GatewayFailure,
    SymbolsReport,
    TerminalReport,
)
from mt5crs_services.mt5_gateway.requests import (
    AnyRequest,
    AskBars,
    AskSymbols,
    AskTerminal,
    BarTimeframe,
)
from mt5crs_services.mt5_gateway.terminal_records import TerminalBar, TerminalSymbol
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.sockets.connection import Connection
from mt5crs_shared.sockets.curve import KeyPlaces, read_keys
from mt5crs_shared.sockets.opening import open_socket

TIMEOUT_S: Final = 10.0
"""Seconds that an answer may take; an order may wait for the broker."""

TRY_AGAIN: Final = 0.05
"""Seconds between two attempts to send where no connection takes a question."""

Expected = TypeVar("Expected")


class WindowsGatewayError(Mt5crsError):
    """The Windows gateway does not answer, or not with what was asked for."""


class WindowsGatewayClient:
    """Asks one question at a time; answers to those that were given up are thrown away.

    Args:
        address: ``tcp://host:port`` of the gateway's orders.
        timeout_s: Seconds that each answer may take.
        keys: Where the keys of the connection are; None: it is in the clear.

    Raises:
        KeyFileError: The keys cannot be used.
    """

    def __init__(
        self, address: str, timeout_s: float = TIMEOUT_S, keys: KeyPlaces | None = None
    ) -> None:
        self._address = address
        self._timeout_s = timeout_s
        known = read_keys(keys)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = open_socket(self._context, zmq.DEALER, protocol.MAX_ANSWER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._connection = Connection(self._socket, address, known)
        self._poller = zmq.Poller()
        for socket in (self._socket, self._connection.monitor):
            self._poller.register(socket, zmq.POLLIN)
        self._numbers = itertools.count(1)

    def ask(self, request: AnyRequest, expected: type[Expected]) -> Expected:
        """The answer to a request.

        Raises:
            WindowsGatewayError: There is none in time, it is a failure, or of another kind.
        """
        answer = self.answer_to(request)
        if isinstance(answer, GatewayFailure):
            where = f" ({answer.where})" if answer.where else ""
            todo = f"; {answer.todo}" if answer.todo else ""
            raise WindowsGatewayError(f"{self._address}: {answer.what}{where}{todo}")
        if not isinstance(answer, expected):
            raise WindowsGatewayError(f"{self._address} answered with a {type(answer).__name__}")
        return answer

    def answer_to(self, request: AnyRequest) -> AnyAnswer:
        """The answer, failure or not.

        Raises:
            WindowsGatewayError: There is none in time, or the handshake has failed.
        """
        request_id = str(next(self._numbers))
        question, sent = protocol.encode_message(request_id, request), False
        deadline = time.monotonic() + self._timeout_s
        while (left := deadline - time.monotonic()) > 0.0:
            sent = sent or self._send(question)
            left = min(left, self._connection.next_due(), left if sent else TRY_AGAIN)
            ready = dict(self._poller.poll(round(left * 1000) + 1))
            self._see_connection()
            if self._socket not in ready:
                continue
            frames = self._socket.recv_multipart()
            try:
                answered, answer = protocol.decode_answer(frames[-1])
            except protocol.ProtocolError as error:
                raise WindowsGatewayError(f"{self._address}: {error}") from error
            if answered == request_id or (not answered and isinstance(answer, GatewayFailure)):
                return answer
        raise WindowsGatewayError(
            f"{self._address} does not answer within {self._timeout_s:g} s: see that mt5crs-gateway"
            " runs there, and that a firewall or tunnel lets it through"
        )

    def _send(self, question: bytes) -> bool:
        """Send it; False where a handshake has failed, and nobody would ever take it."""
        try:
            self._socket.send(question, zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True

    def _see_connection(self) -> None:
        for _ in self._connection.changes():
            pass  # It is the last refusal that counts.
        if self._connection.refusal:
            advice = "docs/windows.md says which key goes where"
            raise WindowsGatewayError(f"{self._address}: {self._connection.refusal}; {advice}")
        self._connection.mend()

    def close(self) -> None:
        """Give the socket back."""
        self._connection.close()
        self._context.destroy(linger=0)


def pull_symbols(
    address: str, names: Sequence[str], keys: KeyPlaces | None
) -> tuple[str, list[SymbolSpec], list[str]]:
    """What the broker says of symbols.

    Args:
        address: ``tcp://host:port`` of a Windows gateway's orders.
        names: Exact symbols.
        keys: Where the keys of the connection are; None: it is in the clear.

    Returns:
        Who says so; the symbols; and why others are none, a line each.

    Raises:
        WindowsGatewayError: It cannot be had.
        KeyFileError: The keys cannot be used.
    """
    client = WindowsGatewayClient(address, keys=keys)
    try:
        hello = client.ask(AskTerminal(), TerminalReport)
        if hello.account is None:
            raise WindowsGatewayError(f"{address}: {hello.trouble}")
        report = client.ask(AskSymbols(tuple(names)), SymbolsReport)
    finally:
        client.close()
    account = hello.account
    refused = [f"{name}: the broker has no such symbol" for name in report.unknown]
    specs = []
    for symbol in report.symbols:
        try:
            specs.append(symbol_spec(symbol, account.currency, account.leverage))
        except msgspec.ValidationError as error:
            refused.append(f"{symbol.name}: cannot be traded by us: {error}")
    who = f"{account.login} at {account.server} ({account.trade_mode}, {account.company})"
    return who, specs, refused


def pull_bars(
    address: str, wanted: Sequence[tuple[str, str, int]], keys: KeyPlaces | None
) -> list[list[TerminalBar] | str]:
    """Closed bars of the terminal, the oldest first.

    Args:
        address: ``tcp://host:port`` of a Windows gateway's orders.
        wanted: Exact symbol, timeframe, and how many of the newest bars.
        keys: Where the keys of the connection are; None: it is in the clear.

    Returns:
        Of each, its bars; or why there are none.

    Raises:
        WindowsGatewayError: The gateway does not answer.
        KeyFileError: The keys cannot be used.
    """
    client = WindowsGatewayClient(address, keys=keys)
    try:
        client.ask(AskTerminal(), TerminalReport)
        return [_bars_of(client, *each) for each in wanted]
    finally:
        client.close()


def _bars_of(
    client: WindowsGatewayClient, symbol: str, timeframe: str, count: int
) -> list[TerminalBar] | str:
    if timeframe not in get_args(BarTimeframe):
        return f"a terminal has no bars of {timeframe}, only {', '.join(get_args(BarTimeframe))}"
    answer = client.answer_to(AskBars(symbol, cast(BarTimeframe, timeframe), count))
    if isinstance(answer, GatewayFailure):
        return answer.what + (f"; {answer.todo}" if answer.todo else "")
    assert isinstance(answer, BarsReport), "the protocol answers with nothing else"
    return list(answer.bars)


def symbol_spec(symbol: TerminalSymbol, currency: str, leverage: int) -> SymbolSpec:
    """A symbol as our configuration has it.

    Args:
        symbol: What the broker says of it.
        currency: Of the account.
        leverage: Of the account.

    Raises:
        msgspec.ValidationError: It is none that can be traded: without a volume step, say.
    """
    fields = {
        "name": symbol.name,
        "base_currency": symbol.base_currency,
        "quote_currency": symbol.profit_currency,
        "contract_size": symbol.contract_size,
        "digits": symbol.digits,
        "lot_min": symbol.lot_min,
        "lot_step": symbol.lot_step,
        "lot_max": symbol.lot_max,
        "spread_points": symbol.spread,
        "margin_rate": _margin_rate(symbol, currency, leverage),
    }
    return msgspec.convert(fields, SymbolSpec, strict=False)


def _margin_rate(symbol: TerminalSymbol, currency: str, leverage: int) -> float:
    """Share of the leveraged margin that is asked; 1.0 where that cannot be told."""
    if symbol.margin_currency == currency:
        price = 1.0
    elif symbol.profit_currency == currency and symbol.margin_currency == symbol.base_currency:
        price = symbol.ask
    else:
        return 1.0
    usual = symbol.contract_size * price / max(leverage, 1)
    rate = symbol.margin / usual if usual and symbol.margin else 1.0
    return 1.0 if abs(rate - 1.0) < 0.01 else round(rate, 4)
