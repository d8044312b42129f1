"""The stand-in on a market that moves, with a broker, a package and people that do not behave.

Driven by chance alone: ``odds.json`` of its folder says how often what happens. Its prices are in
``prices.json``, for whoever compares; its book is read once, since nobody else writes it. Once
there is a file ``calm`` nothing happens there any more but what is ordered.
"""

import json
import os
import random
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.mt5_standin.broker import Broker
from tests.mt5_standin.instruments import Instrument
from tests.mt5_standin.module import VARIABLE, ZONE_S
from tests.mt5_standin.package import CrashError, Fault, StandIn
from tests.quoted_symbols import FIRST, digits_of, spread_of

MODULE = """
import sys
from tests.mt5_standin.restless import in_folder
sys.modules[__name__] = in_folder()
"""

MOVES_EVERY = 0.05
"""Seconds between two prices of a symbol."""


@dataclass
class Odds:
    """How often what should not happen does.

    Attributes:
        seed: Of all that is random.
        lost: For each order: executed, and the package answers nothing, or raises.
        crash: Our process ends before or after an order is executed.
        undealt: The package answers nothing, and nothing was executed.
        refused: The broker refuses, or wants another price.
        part: It executes a half.
        late: It executes up to a second later, and may be silent until then.
        lag: Its books show an order half a second later.
        bare: It takes no stop, or changes the comment.
        by_hand: For each second: somebody closes a position, or a half of it.
        paid: Somebody pays in or out.
        offline: The terminal has no connection for half a second.
    """

    seed: int = 1
    lost: float = 0.0
    crash: float = 0.0
    undealt: float = 0.0
    refused: float = 0.0
    part: float = 0.0
    late: float = 0.0
    lag: float = 0.0
    bare: float = 0.0
    by_hand: float = 0.0
    paid: float = 0.0
    offline: float = 0.0

    def save(self, folder: Path) -> None:
        """Have the next process do so."""
        (folder / "odds.json").write_text(json.dumps(asdict(self)))


class RestlessBroker(Broker):
    """Prices walk at random, and a stop or a target that they touch is executed."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        super().__init__(zone_s=ZONE_S, path=folder / "book.json")
        self._rng = rng
        self._prices = folder / "prices.json"
        known = json.loads(self._prices.read_text()) if self._prices.exists() else {}
        for name, first in FIRST.items():
            self.instruments[name] = made = Instrument(
                name, digits=digits_of(name), base=name[:3], profit=name[3:]
            )
            made.bid = known.get(name, first)
            made.ask = made.bid + spread_of(name)
        self._move_at = 0.0
        self.commission_a_lot = 0.35

    @property
    def calm(self) -> bool:
        return self._prices.with_name("calm").exists()

    def move(self) -> None:
        super().move()
        if self.now() < self._move_at or self.calm:
            return
        self._move_at = self.now() + MOVES_EVERY
        for name in FIRST:
            known = self.instruments[name]
            bid = round(known.bid + self._rng.uniform(-20.0, 20.0) * known.point, known.digits)
            self.quote(name, bid, round(bid + spread_of(name), known.digits))
            del known.ticks[:-1_000]
        self._touch()
        new = self._prices.with_suffix(".new")
        new.write_text(json.dumps({name: self.instruments[name].bid for name in FIRST}))
        new.replace(self._prices)

    def _touch(self) -> None:
        for held in list(self.positions):
            price, sign = self._out(held), 1.0 if held["type"] == 0 else -1.0
            if held["sl"] and sign * (price - held["sl"]) <= 0:
                self.close_by_hand(held["ticket"], reason=4, comment=f"[sl {held['sl']}]")
            elif held["tp"] and sign * (held["tp"] - price) <= 0:
                self.close_by_hand(held["ticket"], reason=5, comment=f"[tp {held['tp']}]")


class RestlessStandIn(StandIn):
    """Rolls the dice at each order, and each second."""

    def __init__(self, folder: Path) -> None:
        odds = Odds(**json.loads((folder / "odds.json").read_text()))
        self._odds = odds
        # Each process has its own luck, or it would meet the same end again and again.
        self._rng = random.Random(odds.seed * 1_000_003 + time.time_ns())
        self.broker: RestlessBroker
        super().__init__(RestlessBroker(folder, self._rng))
        self._second = int(self.broker.now())
        self._offline_until = 0.0

    def _there(self, function: str) -> bool:
        self._look()
        return super()._there(function)

    def _look(self) -> None:
        self.broker.connected = self.broker.now() >= self._offline_until
        if int(self.broker.now()) == self._second or self.broker.calm:
            return
        self._second = int(self.broker.now())
        if self._happens(self._odds.offline):
            self._offline_until = self.broker.now() + 0.5
        if self._happens(self._odds.paid):
            self.broker.pay(self._rng.choice([-3.0, 5.0]))
        if self.broker.positions and self._happens(self._odds.by_hand):
            self._close_one()

    def _close_one(self) -> None:
        held = self._rng.choice(self.broker.positions)
        half = round(int(held["volume"] * 50) / 100, 2)
        volume = half if half and self._happens(0.4) else held["volume"]
        request = {
            "action": 1,
            "symbol": held["symbol"],
            "type": 1 - held["type"],
            "volume": volume,
            "position": held["ticket"],
            "reason": 0,
        }
        self.broker.execute(request)

    def order_send(self, request: dict[str, Any]) -> Any:
        if request["action"] == 1:
            self.faults.append(self._fault(request["volume"]))
        try:
            return super().order_send(request)
        except CrashError:
            os.kill(os.getpid(), signal.SIGKILL)

    def _fault(self, volume: float) -> Fault:
        odds, half = self._odds, int(volume * 50) / 100
        fault = Fault(lag_s=0.5 if self._happens(odds.lag) else 0.0)
        if self._happens(odds.bare):
            fault.stops, fault.comment = self._rng.choice([(False, None), (True, "broker")])
        if half and self._happens(odds.part):
            fault.fraction = half / volume
        if self._happens(odds.late):
            fault.delay_s, fault.visible = self._rng.uniform(0.2, 0.8), self._happens(0.5)
            fault.answer = self._rng.choice(["result", "none"])
        if self._happens(odds.refused):
            fault.execute, fault.retcode = False, self._rng.choice([10004, 10006])
        if self._happens(odds.lost):
            fault.answer = self._rng.choice(["none", "raise"])
        if self._happens(odds.undealt):
            fault.answer, fault.execute = "none", False
        if self._happens(odds.crash):
            fault.answer, fault.execute = "crash", self._happens(0.5)
        return fault

    def _happens(self, odds: float) -> bool:
        return self._rng.random() < odds


def in_folder() -> StandIn:
    return RestlessStandIn(Path(os.environ[VARIABLE]))
