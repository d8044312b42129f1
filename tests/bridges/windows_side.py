"""The program beside the terminal in a process of its own, for campaigns; `book` is the truth."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bridges.terminal_book import BookedDeal, BookedPosition
from tests.mt5_standin.module import VARIABLE
from tests.mt5_standin.restless import MODULE, Odds
from tests.quoted_symbols import FIRST
from tests.system import free_port

SIDES = ("BUY", "SELL")

CODE = """
from mt5crs_services.mt5_gateway.orders import order_watch
order_watch.SURE_AFTER_S = 3.0
from mt5crs_services.mt5_gateway.command import gateway
gateway(prog_name="mt5crs-gateway")
"""
"""By default an order without a trace is given up after a minute; a campaign has thousands."""

ODDS = Odds(
    lost=0.01,
    crash=0.01,
    undealt=0.003,
    refused=0.03,
    part=0.03,
    late=0.005,
    lag=0.01,
    bare=0.05,
    by_hand=0.1,
    paid=0.03,
    offline=0.02,
)


class WindowsBook:
    """What the broker has, as its file says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def balance(self) -> float:
        """Of the account."""
        return float(self._book()["balance"])

    def bid(self, symbol: str) -> float:
        """The newest price."""
        file = self._folder / "prices.json"
        return float((json.loads(file.read_text()) if file.exists() else FIRST)[symbol])

    def positions(self) -> list[BookedPosition]:
        """What is open."""
        return [
            BookedPosition(
                ticket=each["ticket"],
                symbol=each["symbol"],
                side=SIDES[each["type"]],
                lots=each["volume"],
                open_price=each["price_open"],
                sl=each["sl"],
                tp=each["tp"],
                magic=each["magic"],
                comment=each["comment"],
            )
            for each in self._book()["positions"]
        ]

    def deals(self) -> list[BookedDeal]:
        """All that has happened; each with the comment that it was sent with."""
        return [
            BookedDeal(
                ticket=each["position_id"],
                entry=("IN", "OUT")[each["entry"]],
                side=SIDES[each["type"]],
                lots=each["volume"],
                price=each["price"],
                profit=each["profit"],
                magic=each["magic"],
                comment=each["sent_as"].partition(" ")[2],
                reason=str(each["reason"]),
            )
            for each in self._book()["deals"]
            if each["symbol"]
        ]

    def waits(self, comment: str) -> bool:
        """The broker has an order, and executes it once the terminal is there again."""
        return any(comment in each["request"]["sent_as"] for each in self._book()["delayed"])

    def _book(self) -> dict[str, Any]:
        file = self._folder / "book.json"
        empty = {"balance": 10_000.0, "positions": [], "deals": [], "delayed": []}
        return dict(json.loads(file.read_text())) if file.exists() else empty


class WindowsProcess:
    """A machine with a restless terminal, and our program beside it."""

    dialect = "windows_gateway"

    def __init__(self, folder: Path, odds: Odds) -> None:
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.book = WindowsBook(folder)
        self.starts = 0
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        odds.save(folder)
        packages = folder / "packages"
        packages.mkdir(exist_ok=True)
        (packages / "MetaTrader5.py").write_text(MODULE)
        root = Path(__file__).parents[2]
        path = f"{packages}{os.pathsep}{root}"
        self._environment = os.environ | {VARIABLE: str(folder), "PYTHONPATH": path}

    def start(self) -> None:
        """Begin, or begin anew after a death."""
        self.starts += 1
        config = self._folder / "gateway.yaml"
        config.write_text(
            f"login: 5001\nserver: StandIn-Demo\nsymbols: [{', '.join(FIRST)}]\n"
            f"orders_port: {self.port}\nticks_port: {free_port()}\nserver_zone: '+05:30'\n"
        )
        command = [sys.executable, "-c", CODE, "--config", str(config)]
        with (self._folder / "out.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """As `kill -9` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def rest(self) -> None:
        """From now on nothing happens there but what is ordered."""
        (self._folder / "calm").touch()

    @property
    def died(self) -> bool:
        """It has ended."""
        return self._process is None or self._process.poll() is not None

    def revive(self) -> None:
        """Start it again where it has died."""
        if self.died:
            self.start()
