"""`history pull`: the broker's bars, written into the files that strategies begin with."""

import csv
import io
import pkgutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from mt5crs_shared.configuration import symbols_file
from mt5crs_shared.process.files import replace_file
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.sockets.curve import KeyPlaces
from mt5crs_shared.wording import nearby
from mt5crs_supervisor.commands.editing.history.history_needed import COLUMNS, lacking
from mt5crs_supervisor.commands.editing.unchecked import UncheckedStrategy, unchecked_config
from mt5crs_supervisor.commands.failures import CommandError, matching
from mt5crs_supervisor.display.folding import say

COMMAND = "mt5crs_services.mt5_gateway.client:pull_bars"
"""Who asks; by name only, since the supervisor imports no service."""

BARS = 1_000
"""Closed bars of a strategy's timeframe: more than any needs, and over a weekend."""

MADE_OF = {"H4": ("H1", 4), "D1": ("H1", 24)}
"""The broker's own begin at its midnight, and a strategy's at that of UTC."""


class FarBar(Protocol):
    """A closed bar; its prices are bids, its spread is in points."""

    time_us: int
    open: float
    high: float
    low: float
    close: float
    spread: int


Asked = tuple[str, str, int]
"""A symbol, a timeframe, and how many bars."""

Pull = Callable[[str, Sequence[Asked], KeyPlaces | None], list[list[FarBar] | str]]


def write_history(
    config: Path, names: Sequence[str], source: str | None, missing_in: VarPaths | None = None
) -> None:
    """Write the history files of strategies anew, and tell what they hold.

    Args:
        config: The strategies file.
        names: Strategies, also with * and ?; none: all that name a history file.
        source: Address of a Windows gateway; None: that of the configuration.
        missing_in: Only where a strategy that begins on this installation lacks bars; None: all.

    Raises:
        ConfigError: The symbols file has a mistake.
        CommandError: The gateway cannot be asked, or bars cannot be had; other files are written.
    """
    found = unchecked_config(config)
    known = {strategy.name: strategy for strategy in found.strategies if strategy.name}
    wanted = [known[name] for name in (matching(known, names, "strategy") if names else known)]
    if not names:
        wanted = [strategy for strategy in wanted if strategy.history]
    if missing_in is not None:
        wanted = lacking(wanted, missing_in, say)
        if not wanted:
            return
    for strategy in wanted:
        if not strategy.history:
            raise CommandError(f"{strategy.name} names no file: {_hint(strategy)}")
    if not wanted:
        some = found.strategies[0] if found.strategies else None
        what = f", such as {_hint(some)}" if some is not None else ""
        raise CommandError(f"no strategy names a file for its bars{what}")
    place = symbols_file.find_symbols(config.absolute(), Path.cwd())
    specs = symbols_file.read_symbols(place, nearby(str(place))) if place.exists() else {}
    points = {name: spec.point for name, spec in specs.items()}
    ask: Pull = pkgutil.resolve_name(COMMAND)
    address, keys = found.gateway(source)
    answers = ask(address, [_asked(strategy) for strategy in wanted], keys)
    failed = []
    for strategy, bars in zip(wanted, answers, strict=True):
        if isinstance(bars, str) or not bars:
            why = bars if isinstance(bars, str) else "the terminal has none"
            failed.append(f"{strategy.name}: {strategy.symbol} {strategy.timeframe}: {why}")
            continue
        file = strategy.history
        assert file is not None, "it was looked at above"
        _write(file, bars, points.get(strategy.symbol, 0.0))
        first, last = (f"{_moment(bar.time_us):%Y-%m-%d %H:%M}" for bar in (bars[0], bars[-1]))
        timeframe = _asked(strategy)[1]
        what = f"{len(bars)} bars of {strategy.symbol} {timeframe}"
        say(f"{strategy.name}: {what}, {first} to {last} UTC, in {nearby(str(file))}")
    if failed:
        raise CommandError("; ".join(failed))


def _hint(strategy: UncheckedStrategy) -> str:
    return f"`history: history/{strategy.symbol}-{strategy.timeframe}.csv` in its entry"


def _asked(strategy: UncheckedStrategy) -> Asked:
    timeframe, parts = MADE_OF.get(strategy.timeframe, (strategy.timeframe, 1))
    return strategy.symbol, timeframe, BARS * parts


def _write(file: Path, bars: Sequence[FarBar], point: float) -> None:
    """Write a history file, whole or not at all; its prices are mids.

    Raises:
        CommandError: It cannot be written.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for bar in bars:
        half = bar.spread * point / 2
        prices = (round(bid + half, 10) for bid in (bar.open, bar.high, bar.low, bar.close))
        rows.writerow([_moment(bar.time_us).isoformat(), *prices, bar.spread])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, text.getvalue().encode(), synced=True)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error}") from error


def _moment(time_us: int) -> datetime:
    return datetime.fromtimestamp(time_us / 1e6, UTC)
