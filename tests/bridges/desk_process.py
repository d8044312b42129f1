"""A gateway with three strategies that trade at random through a bridge, until it is killed.

    python -m tests.bridges.desk_process DIALECT PORT FOLDER ORDERS SEED

It has its orders on the disk before it sends them, and sends the last of each strategy again when
it is started anew, as a strategy does that was killed.
"""

import random
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from mt5crs_services.gateway.brokers.bridge.account.evidence import Comments
from mt5crs_services.gateway.brokers.bridge.bridge_broker import BridgeBroker
from mt5crs_shared.configuration.execution_structs import AccountConfig
from mt5crs_shared.configuration.structs import RiskConfig, StrategyConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.trading.operator_requests import Settle
from mt5crs_shared.trading.orders import Order, Position, Side
from tests.bridges.office import BridgeOffice, BridgeProcess
from tests.bridges.scripted_bridge import BRIDGES, Faults
from tests.bridges.windows_side import ODDS, WindowsProcess
from tests.quoted_symbols import FIRST, digits_of
from tests.unit.gateway_cases import order

NAMES = {"euro": ("EURUSD", 7), "yen": ("USDJPY", 8), "cross": ("EURGBP", 9)}
"""Strategies, each with its symbol and magic number; nobody trades what else is quoted."""

QUICK = {
    "trust_account": True,
    "timeout": 0.15,
    "settle_after": 0.3,
    "unknown_after": 1.5,
    "reconcile_every": 0.5,
}
"""The defaults wait for people and for real bridges; here hours are to pass in minutes."""


class Desk:
    """Three strategies and their gateway."""

    def __init__(self, dialect: str, port: int, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.exact = dialect not in ("order_send", "expert_advisor")
        self.office = office_of(dialect, port, folder)
        self.intents = folder / "intents.jsonl"
        self.on_way: dict[str, Order] = {}
        self.not_before: dict[str, float] = {}
        self.sent = 0

    def run(self, orders: int) -> None:
        """Trade until so many orders have been sent in all lives together."""
        self._take_up()
        while self.sent < orders or self.on_way:
            self._quote_all()
            for name in NAMES:
                free = time.monotonic() >= self.not_before.get(name, 0.0)
                if name not in self.on_way and self.sent < orders and free:
                    self._decide(name)
            self.office.turn(0.005)
            for name, request in list(self.on_way.items()):
                if (result := self.office.results.get(request.order_id)) is not None:
                    del self.on_way[name]
                    # A bridge takes no other order of a symbol while one is unsettled there.
                    busy = "UNSETTLED" in result.detail
                    self.not_before[name] = time.monotonic() + (0.2 if busy else 0.0)
            self._look_in_terminal()
        self._come_to_rest()

    def _take_up(self) -> None:
        """What an earlier process of each strategy was about to send is sent again."""
        lines = self.intents.read_bytes().splitlines() if self.intents.exists() else []
        requests = [msgspec.json.decode(line, type=Order) for line in lines if line.endswith(b"}")]
        self.sent = len(requests)
        self.office.time_us = max([0, *(r.tick.time_us - START for r in requests)])
        self._quote_all()
        for request in {each.strategy: each for each in requests}.values():
            self._send(request)

    def _quote_all(self) -> None:
        for symbol in self.office.config.symbols:
            self.office.quote(symbol)

    def _decide(self, name: str) -> None:
        held = self.office.position(name)
        if self.rng.random() < 0.3:
            return
        request = self._closing(name, held) if held is not None else self._opening(name)
        with self.intents.open("ab") as file:
            file.write(msgspec.json.encode(request) + b"\n")
        self.sent += 1
        self._send(request)

    def _send(self, request: Order) -> None:
        self.on_way[request.strategy] = request
        self.office.send(request)

    def _opening(self, name: str) -> Order:
        symbol, magic = NAMES[name]
        on = self.office.quote(symbol)
        side: Side = self.rng.choice(["BUY", "SELL"])
        sign = 1.0 if side == "BUY" else -1.0
        spec = self.office.config.symbols[symbol]
        distance = self.rng.choice([50, 200]) * spec.point
        return order(
            on,
            side,
            name,
            lots=self.rng.randint(1, 10) / 10,
            magic=magic,
            order_id=f"{name}:{self.sent}",
            stop_loss=round(on.bid - sign * distance, spec.digits),
            take_profit=round(on.bid + sign * 2 * distance, spec.digits),
        )

    def _closing(self, name: str, held: Position) -> Order:
        symbol, magic = NAMES[name]
        side: Side = "SELL" if held.side == "BUY" else "BUY"
        return order(
            self.office.quote(symbol),
            side,
            name,
            lots=held.lots,
            magic=magic,
            order_id=f"{name}:{self.sent}",
            ticket=held.ticket,
        )

    def _look_in_terminal(self) -> None:
        """What a trader does of whom it is asked: looks for the comment, and says what is there."""
        broker = self.office.core.broker
        assert isinstance(broker, BridgeBroker)
        if "does not list position" in broker.trouble:
            self._say_what_was_closed(broker)
        if "nobody knows" not in broker.trouble and "may have opened" not in broker.trouble:
            return
        for sent in broker.in_doubt:
            if sent.doubted(time.monotonic()) < QUICK["unknown_after"]:
                continue  # The bridge may come to it still.
            comment = Comments("").of(sent.order.order_id)
            if self.office.bridge.book.waits(comment):
                continue
            entry = "IN" if sent.order.action == "OPEN" else "OUT"
            deals = self.office.bridge.book.deals()
            found = [d for d in deals if (d.comment, d.entry) == (comment, entry)]
            said = (found[0].ticket, found[0].lots, found[0].price) if found else ()
            word = Settle(sent.order.order_id, bool(found), "trader", *said)
            self.office.core.handle(word, caught_up=True)

    def _say_what_was_closed(self, broker: BridgeBroker) -> None:
        """A closing that has moved no money is believed at somebody's word alone."""
        closed = {d.ticket: d for d in self.office.bridge.book.deals() if d.entry == "OUT"}
        for position in list(broker.positions().values()):
            deal = closed.get(position.ticket)
            if deal is not None:
                word = Settle(str(position.ticket), True, "trader", 0, deal.lots, deal.price)
                self.office.core.handle(word, caught_up=True)

    def _come_to_rest(self) -> None:
        """Wait until the books here have followed those of the terminal."""
        broker = self.office.core.broker
        assert isinstance(broker, BridgeBroker)
        self.office.bridge.rest()
        calm_since = time.monotonic()
        give_up_at = calm_since + 40.0  # then the comparison says what is unlike
        while time.monotonic() < min(calm_since + 2.0, give_up_at):
            self._quote_all()
            self.office.turn(0.02)
            self._look_in_terminal()
            here = {position.ticket for position in broker.positions().values()}
            there = {position.ticket for position in self.office.bridge.book.positions()}
            # Something may have been closed by hand just now.
            alike = not self.exact or here == there
            if broker.in_doubt or broker.trouble or not alike:
                calm_since = time.monotonic()


START = 1_700_000_000_000_000


def office_of(dialect: str, port: int, folder: Path) -> BridgeOffice[Any]:
    """A gateway in front of the bridge that listens there."""
    if dialect == WindowsProcess.dialect:
        windows = WindowsProcess(folder / "windows", ODDS)
        windows.port = port
        account = AccountConfig(5001, "StandIn-Demo")
        settings = QUICK | {"timeout": 1.0}
        return BridgeOffice(folder / "ledger.db", windows, account=account, **settings, **desk_of())
    bridge = BridgeProcess(dialect, folder / "terminal.db", Faults())
    bridge.port = port
    return BridgeOffice(folder / "ledger.db", bridge, **QUICK, **desk_of())


def desk_of() -> dict[str, object]:
    """The strategies and symbols of the desk."""
    symbols = {
        name: SymbolSpec(name, 100_000.0, digits_of(name), 0.01, 0.01, 100.0, name[3:], name[:3])
        for name in FIRST
    }
    strategies = tuple(
        StrategyConfig(name, symbol, magic=magic, risk_config=RiskConfig(max_position_size=1.0))
        for name, (symbol, magic) in NAMES.items()
    )
    return {"strategies": strategies, "symbols": symbols}


if __name__ == "__main__":
    _, spoken, number, where, wanted, chosen = sys.argv
    assert spoken in (*BRIDGES, WindowsProcess.dialect)
    Desk(spoken, int(number), Path(where), int(chosen)).run(int(wanted))
