"""Candles of one symbol, made of the tape as a strategy makes its bars of the market."""

from collections.abc import Iterator
from pathlib import Path

from mt5crs_services.tape.tape_reader import read_newest_ticks
from mt5crs_shared.configuration.values import Timeframe
from mt5crs_shared.market.bars import TIMEFRAME_US, Bar, BarBuilder
from mt5crs_shared.market.sanity import TickSanity
from mt5crs_shared.market.ticks import Tick


def read_candles(tape: Path, symbol: str, timeframe: Timeframe, most: int) -> list[Bar]:
    """The newest candles, the open one at the end; none where the tape has nothing of it.

    Ticks are judged as in a strategy, and counted into bars by the same code; the oldest candle may
    lack the ticks that came before those that are read.

    Args:
        tape: The tape's folder.
        symbol: Exact symbol.
        timeframe: Length of a candle.
        most: The newest so many.
    """
    builder = BarBuilder(timeframe)
    bars = [
        bar
        for tick in _believed(tape, symbol, most * TIMEFRAME_US[timeframe])
        if (bar := builder.add(tick)) is not None
    ]
    open_bar = builder.open_bar
    return [*bars, *([open_bar] if open_bar is not None else [])][-most:]


def _believed(tape: Path, symbol: str, span_us: int) -> Iterator[Tick]:
    sanity = TickSanity()
    for tick in read_newest_ticks(tape, symbol, span_us):
        if sanity.judge(tick) == "good":
            yield tick
