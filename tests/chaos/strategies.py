"""Strategies for tests: one that records what it sees, and one that misbehaves on command."""

import ctypes
import os
import signal
import struct
import time
from pathlib import Path

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.examples.ma_cross import MovingAverageCross
from mt5crs_worker.strategy import HOLD, Signal, Strategy

RECORD = struct.Struct("<qq")
"""Event time and the moment it was seen, both in us since the epoch."""


class Recorder(Strategy):
    """Appends every tick to the file ``params["file"]``."""

    warmup = 1

    def __init__(self, config: StrategyConfig, symbol: SymbolSpec) -> None:
        super().__init__(config, symbol)
        self._file = os.open(self.params["file"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def on_bar(self, bars: BarWindow) -> Signal:
        return HOLD

    def on_tick(self, tick: Tick, bars: BarWindow) -> Signal:
        os.write(self._file, RECORD.pack(tick.time_us, time.time_ns() // 1000))
        return HOLD


class Dawdler(Recorder):
    """A recorder that is busy for a second with each bar."""

    def __init__(self, config: StrategyConfig, symbol: SymbolSpec) -> None:
        super().__init__(config, symbol)
        self._bars = 0

    def on_tick(self, tick: Tick, bars: BarWindow) -> Signal:
        super().on_tick(tick, bars)
        if tick.time_us // 5_000_000 != self._bars:
            self._bars = tick.time_us // 5_000_000
            time.sleep(1.0)  # what it is here for
        return HOLD


class Slow(Recorder):
    """Takes a while for each tick, and is sound all the same."""

    def on_tick(self, tick: Tick, bars: BarWindow) -> Signal:
        time.sleep(0.05)  # what it is here for
        return super().on_tick(tick, bars)


class Faulty(Recorder):
    """Does what the file ``params["trigger"]`` says, once; ``params["always"]`` at every tick.

    A tick with the volume ``params["poison"]`` kills it whenever it sees one.
    """

    def __init__(self, config: StrategyConfig, symbol: SymbolSpec) -> None:
        super().__init__(config, symbol)
        self._hoard: list[bytearray] = []
        self._hoarding = 0

    def on_tick(self, tick: Tick, bars: BarWindow) -> Signal:
        super().on_tick(tick, bars)
        if self._hoarding:
            # A gigabyte, in parts: in one go it can take longer than a hang is given.
            self._hoarding -= 1
            self._hoard.append(bytearray(b"x") * 100_000_000)
        trigger = Path(self.params["trigger"])
        if "always" in self.params:
            self._misbehave(self.params["always"])
        elif self.params.get("poison") == tick.volume:
            self._misbehave("segv")
        elif trigger.exists():
            fault = trigger.read_text()
            trigger.unlink()
            self._misbehave(fault)
        return HOLD

    def _misbehave(self, fault: str) -> None:
        match fault:
            case "sigkill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "segv":
                ctypes.string_at(0)
            case "exit":
                os._exit(3)
            case "exception":
                raise RuntimeError("a bug in the strategy")
            case "loop":
                while True:
                    pass
            case "sigstop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "flood":
                until = time.monotonic() + 1.0
                while time.monotonic() < until:
                    print("x" * 1000)
            case "raw flood":
                for _ in range(2_000):
                    os.write(1, b"x" * 10_000)
            case "memory":
                self._hoarding = 10
            case _:
                raise ValueError(f"no such fault: {fault}")


class QuickCross(MovingAverageCross):
    """Decides from the tenth bar on: for streams of a minute."""

    warmup = 10


class Unbootable(Strategy):
    """Cannot be made."""

    def __init__(self, config: StrategyConfig, symbol: SymbolSpec) -> None:
        raise RuntimeError("it does not even start")

    def on_bar(self, bars: BarWindow) -> Signal:
        return HOLD
