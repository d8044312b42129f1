"""The stand-in in a process of its own: driven by files of a folder, which outlive it.

``book.json`` is the broker's book; ``faults.json`` what is wrong with the next orders, the first of
them first; while there is a file ``down`` the terminal is gone, while ``offline`` it has no
connection, while ``forgetful`` its books lose every order that waits. What stands in ``paid`` is
paid in; the ticket in ``closed`` is closed by hand, with the swap that stands beside it. The bars
of EURUSD, of whatever timeframe, are those of ``rates.json``.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.mt5_standin.broker import Broker
from tests.mt5_standin.instruments import Instrument
from tests.mt5_standin.package import CrashError, Fault, StandIn

VARIABLE = "MT5_STANDIN"
ZONE_S = 19_800

MODULE = """
import sys
from tests.mt5_standin.module import in_folder
sys.modules[__name__] = in_folder()
"""


class FolderStandIn(StandIn):
    """Looks into its folder at each call."""

    def __init__(self, folder: Path) -> None:
        broker = Broker(zone_s=ZONE_S, path=folder / "book.json")
        broker.instruments["GBPUSD"] = Instrument("GBPUSD", bid=1.3, ask=1.3002, filling_mode=2)
        broker.interval_s = 0.1
        super().__init__(broker)
        self._folder = folder
        if (rates := folder / "rates.json").exists():
            broker.instruments["EURUSD"].rates = json.loads(rates.read_text())

    def initialize(self, *path: str, **options: Any) -> bool:
        self._look()
        return super().initialize(*path, **options)

    def _there(self, function: str) -> bool:
        self._look()
        return super()._there(function)

    def _look(self) -> None:
        self.broker.load()
        self.down = (self._folder / "down").exists()
        self.broker.connected = not (self._folder / "offline").exists()
        if (self._folder / "forgetful").exists():
            self.broker.orders.clear()
            self.broker.delayed.clear()
            self.broker.save()
        if (paid := self._folder / "paid").exists():
            amount = float(paid.read_text())
            paid.unlink()
            self.broker.pay(amount)
        if (closed := self._folder / "closed").exists():
            ticket, swap = json.loads(closed.read_text())
            closed.unlink()
            self.broker.close_by_hand(ticket, swap=swap)

    def order_send(self, request: dict[str, Any]) -> Any:
        file = self._folder / "faults.json"
        waiting = json.loads(file.read_text()) if file.exists() else []
        if waiting:
            self.faults.append(Fault(**waiting.pop(0)))
            file.write_text(json.dumps(waiting))
        try:
            return super().order_send(request)
        except CrashError:
            os.kill(os.getpid(), signal.SIGKILL)


def in_folder() -> StandIn:
    return FolderStandIn(Path(os.environ[VARIABLE]))


def as_package(folder: Path) -> dict[str, str]:
    """Make the package importable; the variables of a process that imports it."""
    packages = folder / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    (packages / "MetaTrader5.py").write_text(MODULE)
    root = Path(__file__).parents[2]
    return {VARIABLE: str(folder), "PYTHONPATH": f"{packages}{os.pathsep}{root}"}
