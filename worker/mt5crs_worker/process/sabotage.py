"""A strategy that hurts itself on command: what `chaos` cannot do to a process from outside.

Each strategy of a campaign runs as a :class:`Sabotaged` of itself. It decides exactly as it would,
until a file says otherwise; the file is removed first, so that each fault happens once.
"""

import ctypes
import re
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.trading.orders import Fill
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.strategy import Signal, Strategy, class_of

HOARD = 20
PART = 50_000_000
"""A memory hog takes so many parts of so many bytes; a gigabyte in one go stops small machines."""

LOOK_EVERY = 0.01


class Sabotaged(Strategy):
    """Stands for another strategy, which it makes itself into.

    Params: ``strategy`` (its class; null for the model), ``params`` (its own), and ``orders``
    (the file that says what to do next: ``loop``, ``memory`` or ``crash-at-fill``).
    """

    def __new__(cls, config: StrategyConfig, symbol: SymbolSpec) -> Any:
        """An instance of a class made of the other one."""
        own = config.params
        real = msgspec.structs.replace(config, strategy=own["strategy"], params=own["params"])
        base = class_of(real)
        members = {"orders": Path(own["orders"])}
        strategy = type(f"Sabotaged{base.__name__}", (_CrashesAtFill, base), members)(real, symbol)
        threading.Thread(target=_obey, args=(members["orders"],), daemon=True).start()
        return strategy

    def on_bar(self, bars: BarWindow) -> Signal:
        """Never called: nobody is one of these."""
        raise NotImplementedError


class _CrashesAtFill(Strategy):
    orders: Path

    def on_fill(self, fill: Fill) -> None:
        if _take(self.orders, "crash-at-fill"):
            ctypes.string_at(0)
        super().on_fill(fill)


def _obey(orders: Path) -> None:
    """From a thread of its own: a fault falls on any moment, as faults do."""
    hoard: list[bytes] = []
    hoarding = 0
    while True:
        time.sleep(LOOK_EVERY)  # a look at a file
        if hoarding:
            hoard.append(b"x" * PART)
            hoarding -= 1
        if _take(orders, "loop"):
            # Nobody else gets the interpreter's lock as long as this takes: for ever.
            re.match(r"(a+)+$", "a" * 100 + "b")
        if _take(orders, "memory"):
            hoarding = HOARD


def _take(orders: Path, fault: str) -> bool:
    """Whether that is the order; it is taken away then."""
    try:
        wanted = orders.read_text() == fault
    except FileNotFoundError:
        return False
    if wanted:
        orders.unlink()
    return wanted
