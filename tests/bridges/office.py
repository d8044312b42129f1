"""A gateway's inside with a bridge behind it, and the bridge's process, both killed at will."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import zmq

from mt5crs_services.gateway.broker import Broker, KeepFarSide
from mt5crs_services.gateway.brokers.bridge.bridge_broker import bridge_maker
from mt5crs_services.gateway.brokers.bridge.reconciliation import BridgeState
from mt5crs_services.gateway.core import GatewayCore
from mt5crs_services.gateway.ledger.account import Account
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.quotes.market import Market
from mt5crs_shared.configuration.execution_structs import AccountConfig, ExecutionConfig
from mt5crs_shared.configuration.structs import Config, StrategyConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.messages import OrderAnswer, PositionClosed
from mt5crs_shared.trading.operator_requests import Adopt, Settle, TradingReport
from mt5crs_shared.trading.orders import Order, OrderResult, Position
from tests.bridges.scripted_bridge import BRIDGES, Faults
from tests.bridges.terminal_book import TerminalBook
from tests.quoted_symbols import digits_of, spread_of
from tests.system import free_port
from tests.unit.gateway_cases import Office, config, order, tick

B = TypeVar("B", bound="AnyBridge")

DEADLINE = 60.0
"""Seconds within which whatever is waited for has to come."""


class Quotes(Protocol):
    """Knows the terminal's price."""

    def bid(self, symbol: str) -> float:
        """The newest one."""


class AnyBridge(Protocol):
    """What a gateway is put in front of."""

    dialect: str
    port: int

    @property
    def book(self) -> Quotes:
        """What the terminal has."""


class BridgeProcess:
    """A scripted bridge; `book` is the truth."""

    def __init__(self, dialect: str, path: Path, faults: Faults, seed: int = 1) -> None:
        self.dialect = dialect
        self.faults = faults
        self.port = free_port()
        self.book = TerminalBook(path, BRIDGES[dialect][1])
        self.starts = 0
        self._path = path
        self._seed = seed
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, faults: Faults | None = None) -> None:
        """Begin, or begin anew after a death."""
        self.faults = faults or self.faults
        self.starts += 1
        args = [
            self.dialect,
            str(self.port),
            str(self._path),
            str(self._seed + self.starts),
            msgspec.json.encode(self.faults).decode(),
        ]
        command = [sys.executable, "-m", "tests.bridges.scripted_bridge", *args]
        self._process = subprocess.Popen(command)

    def kill(self) -> None:
        """As `kill -9` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def rest(self) -> None:
        """From now on nothing happens there but what is ordered."""
        self.book.rest()

    def pause(self) -> None:
        """It stands still, and what it is asked waits."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def died(self) -> bool:
        """It has ended."""
        return self._process is None or self._process.poll() is not None

    def revive(self) -> None:
        """Start it again where it has died."""
        if self.died:
            self.start()


class BridgeOffice(Office, Generic[B]):
    """A gateway without its own socket, whose broker is a bridge.

    Time is real here: what comes from the bridge comes when it comes. A test puts the gateway's
    clock ahead by `later` seconds.
    """

    def __init__(
        self,
        path: Path,
        bridge: B,
        strategies: tuple[StrategyConfig, ...] | None = None,
        symbols: dict[str, SymbolSpec] | None = None,
        account: AccountConfig | None = None,
        **execution: Any,
    ) -> None:
        settings = config()
        settings = msgspec.structs.replace(
            settings,
            strategies=strategies or settings.strategies,
            symbols=symbols or settings.symbols,
        )
        live = ExecutionConfig(dialect=bridge.dialect, **execution)  # type: ignore[arg-type]
        changed = msgspec.structs.replace(
            settings.globals,
            paper_trading=False,
            account=account or _account_of(bridge.dialect),
            execution=live,
            zmq_execution_host="127.0.0.1",
            zmq_execution_port=bridge.port,
        )
        self.bridge = bridge
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.poller = zmq.Poller()
        self.later = 0.0
        self.results: dict[str, OrderResult] = {}
        self.closed: list[PositionClosed] = []
        self.time_us = 0
        super().__init__(path, msgspec.structs.replace(settings, globals=changed))

    def start(self) -> None:
        """Begin on the ledger."""
        self.ledger = Ledger(
            self.path, "USD", self.config.globals.default_balance, book="account 7"
        )
        self.market = Market(self.config, self.ledger.streams())
        self.core = GatewayCore(
            self.config,
            self.market,
            self.ledger,
            self.make_broker,
            lambda _: "",
            lambda: 1_000,
            self.monotonic,
        )
        self.places = dict.fromkeys(self.market.symbols, 0)
        self.tape = {name: [] for name in self.market.symbols}

    def make_broker(
        self, config: Config, market: Market, ledger: Ledger, account: Account, keep: KeepFarSide
    ) -> Broker:
        """The bridge."""
        make = bridge_maker(self.context, self.poller, self.monotonic)
        return make(config, market, ledger, account, keep)

    def monotonic(self) -> float:
        """The gateway's clock, seconds."""
        return time.monotonic() + self.later

    def restart(self) -> None:
        """Kill it and start another one."""
        self.close()
        self.start()

    def close(self) -> None:
        """As a kill does: what was on its way is forgotten."""
        self.core.broker.shut_down()
        self.ledger.close()

    def quote(self, symbol: str = "EURUSD") -> Any:
        """The next tick of the gateway's own stream: what the terminal quotes."""
        self.time_us += 100_000
        bid = self.bridge.book.bid(symbol)
        digits, ask = digits_of(symbol), bid + spread_of(symbol)
        made = tick(self.time_us, round(bid, digits), round(ask, digits), symbol)
        self.feed(made)
        return made

    def turn(self, seconds: float = 0.02) -> None:
        """Wait for the bridge a little, and take what has come."""
        due = min(seconds, self.core.execution.next_due())
        self.poller.poll(round(1000 * due))
        self.core.execution.turn(caught_up=True)
        for _, message in self.core.execution.take_mail():
            if isinstance(message, OrderAnswer):
                self.results[message.result.order_id] = message.result
            elif isinstance(message, PositionClosed):
                self.closed.append(message)

    def send(self, request: Order) -> None:
        """Submit an order; its result comes by and by into `results`."""
        found = self.ask_submit(request)
        if found is not None:
            self.results[request.order_id] = found

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Go on until something holds."""
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, f"not within {DEADLINE:g} s: {what}; {self.trouble}"
            self.turn()

    def result(self, request: Order) -> OrderResult:
        """Submit an order, and wait for what becomes of it."""
        self.send(request)
        self.until(lambda: request.order_id in self.results, f"the end of {request.order_id}")
        return self.results[request.order_id]

    def ready(self) -> None:
        """Wait until the account has been seen."""
        self.until(lambda: self.core.broker.ready, "the bridge is there")

    @property
    def far_side(self) -> BridgeState:
        """What the broker remembers besides the ledger."""
        kept = self.ledger.far_side()
        return msgspec.json.decode(kept, type=BridgeState) if kept else BridgeState()

    @property
    def offset(self) -> float | None:
        """The broker's balance less the ledger's."""
        return self.far_side.money.offset

    @property
    def foreign(self) -> tuple[int, ...]:
        """Positions that are somebody else's."""
        return self.far_side.foreign

    @property
    def unguarded(self) -> tuple[int, ...]:
        """Positions without a stop at the broker."""
        return self.far_side.unguarded

    @property
    def trouble(self) -> str:
        """What the gateway says is wrong."""
        return self.core.trouble


BridgeDesk = BridgeOffice[BridgeProcess]


def _account_of(dialect: str) -> AccountConfig | None:
    """Where the bridge does not tell it, that the account holds a position for each order."""
    nets = BRIDGES[dialect][1]
    return None if nets else AccountConfig(7, "Broker-Demo", hedging=True)


def hold(desk: BridgeDesk) -> Position:
    """Have it open 0.1 lots for `euro`, once it is ready."""
    desk.ready()
    desk.result(order(desk.quote()))
    held = desk.position("euro")
    assert held is not None
    return held


def restart(desk: BridgeDesk, faults: Faults) -> None:
    """Have the bridge go on with faults."""
    desk.bridge.kill()
    desk.bridge.start(faults)
    desk.until(lambda: not desk.core.broker.ready, "the connection is lost")
    desk.until(lambda: desk.core.broker.ready, "it is back")


def settled(desk: BridgeOffice[Any], word: Settle | Adopt) -> str:
    """Why it changes nothing; empty: it has."""
    report = desk.core.handle(word, caught_up=True)
    assert isinstance(report, TradingReport)
    return report.refused
