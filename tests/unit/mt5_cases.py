"""A Windows gateway's order desk on the stand-in, with a clock that tests turn."""

from pathlib import Path
from typing import Any

from mt5crs_services.mt5_gateway.answers import GatewayFailure, OrderReport
from mt5crs_services.mt5_gateway.orders.order_books import OrderBooks
from mt5crs_services.mt5_gateway.orders.order_desk import OrderDesk
from mt5crs_services.mt5_gateway.orders.order_journal import OrderJournal
from mt5crs_services.mt5_gateway.orders.order_watch import OrderWatch
from mt5crs_services.mt5_gateway.requests import SendOrder
from mt5crs_services.mt5_gateway.terminal.server_clock import ServerClock
from mt5crs_services.mt5_gateway.terminal.terminal import Login, Mt5Terminal
from mt5crs_services.mt5_gateway.terminal.terminal_view import TerminalView
from tests.mt5_standin.broker import Broker
from tests.mt5_standin.package import StandIn


class Moment:
    """Time that goes on when somebody waits, or a test says so; it begins now.

    The journal has the time of this machine, so that the two must not be far apart.
    """

    def __init__(self, now: float) -> None:
        self.at = now

    def __call__(self) -> float:
        return self.at

    def wait(self, seconds: float) -> None:
        self.at += seconds


class Office:
    """One gateway after the other, on one journal and one terminal."""

    def __init__(self, folder: Path, now: float, hedging: bool = True) -> None:
        self.time = Moment(now)
        self.path = folder / "orders.db"
        self.broker = Broker(hedging, now=self.time)
        self.package = StandIn(self.broker, self.time.wait)
        self.broker.quote("EURUSD", 1.1, 1.1001)
        self.start()

    def start(self, zone: str = "+02:00") -> None:
        """A new process of the gateway; the one before is gone."""
        if hasattr(self, "journal"):
            self.journal.close()
        self.terminal = Mt5Terminal(self.package, Login(), monotonic=self.time)
        self.terminal.attach()
        self.clock = ServerClock(zone, now=self.time)
        self.view = TerminalView(self.terminal, self.clock)
        self.journal = OrderJournal(self.path, self.time)
        self.books = OrderBooks(self.terminal, self.clock, self.journal, self.time)
        self.watch = OrderWatch(
            self.terminal, self.view, self.journal, self.books, self.time, self.time.wait
        )
        self.desk = OrderDesk(self.terminal, self.view, self.journal, self.watch, self.time)

    def order(self, order_id: str = "a:1", **fields: Any) -> SendOrder:
        """An order that opens 0.1 lots, unless said otherwise."""
        given: dict[str, Any] = {
            "order_id": order_id,
            "journal": self.journal.id,
            "login": self.broker.login,
            "action": "OPEN",
            "symbol": "EURUSD",
            "side": "BUY",
            "lots": 0.1,
            "magic": 7,
        }
        return SendOrder(**(given | fields))

    def turn(self, seconds: float) -> None:
        """The gateway's loop turns for so long."""
        until = self.time.at + seconds
        while self.time.at < until:
            self.time.wait(0.5)
            self.terminal.attach()
            self.watch.watch()


def sent(office: Office, order_id: str = "a:1", **fields: Any) -> OrderReport:
    report = office.desk.send(office.order(order_id, **fields))
    assert isinstance(report, OrderReport), report
    return report


def failed(office: Office, order_id: str = "a:1", **fields: Any) -> GatewayFailure:
    failure = office.desk.send(office.order(order_id, **fields))
    assert isinstance(failure, GatewayFailure), failure
    return failure
