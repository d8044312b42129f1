"""Quotes of the terminal, published as T1 frames: every one of them once, in UTC.

The terminal is asked again from the second of the last quote on, and what is known of that second
is skipped by counting, so that no quote is lost between two polls, or between two in one ms.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from mt5crs_services.mt5_gateway.terminal.server_clock import ServerClock, ServerClockError
from mt5crs_services.mt5_gateway.terminal.terminal import Mt5Terminal, TerminalError
from mt5crs_services.mt5_gateway.terminal.terminal_view import TerminalView
from mt5crs_shared.market.ticks import Tick

logger = logging.getLogger(__name__)

COPY_INFO: Final = 1
"""Quotes: what changes bid or ask."""

CHUNK: Final = 1_000
"""Quotes that the terminal is asked for at once; more where one second has more."""

MOST: Final = 1_000_000
TRY_AGAIN_S: Final = 30.0
"""Seconds until a symbol that cannot be had is tried again."""


class _Cursor(msgspec.Struct):
    """How far a symbol's quotes were taken.

    Attributes:
        last_ms: Time of the last one, by the server's clock.
        known: How many of that ms were taken.
        newest: What the terminal said was the newest, when everything was taken.
    """

    last_ms: int
    known: int
    newest: tuple[int, float, float] = (0, 0.0, 0.0)


class TickPoller:
    """Takes the quotes of some symbols from the terminal.

    Args:
        terminal: Where they are.
        view: Puts symbols into its Market Watch.
        clock: Of the broker's server.
        symbols: Which ones.
        monotonic: The monotonic clock, seconds.

    Attributes:
        taken: Quotes so far.
        trouble: Symbols that cannot be had, and why.
    """

    def __init__(
        self,
        terminal: Mt5Terminal,
        view: TerminalView,
        clock: ServerClock,
        symbols: Iterable[str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.taken = 0
        self.trouble: dict[str, str] = {}
        self._terminal = terminal
        self._view = view
        self._clock = clock
        self._symbols = tuple(symbols)
        self._monotonic = monotonic
        self._cursors: dict[str, _Cursor] = {}
        self._try_at: dict[str, float] = {}

    def poll(self) -> Iterator[Tick]:
        """Quotes that have come since the last poll; the first one begins with those after it."""
        for symbol in self._symbols:
            if self._monotonic() < self._try_at.get(symbol, 0.0):
                continue
            try:
                yield from self._of_symbol(symbol)
                self.trouble.pop(symbol, None)
            except ServerClockError:
                # Its trouble is told by the clock; the cursor stays, so that nothing is lost.
                continue
            except TerminalError as error:
                if not self._terminal.attached:
                    return
                self._refuse(symbol, error)

    def _of_symbol(self, symbol: str) -> Iterator[Tick]:
        cursor = self._cursors.get(symbol)
        if cursor is None:
            self._view.symbol(symbol)
            cursor = self._begin(symbol)
            self._cursors[symbol] = cursor
        tick = self._terminal.ask("symbol_info_tick", symbol)
        newest = int(tick.time_msc), float(tick.bid), float(tick.ask)
        self._clock.observe(symbol, newest[0])
        if newest == cursor.newest:
            return
        count = CHUNK
        while True:
            rows = self._rows(symbol, cursor.last_ms // 1000, count)
            fresh = _after(rows, cursor)
            for row in fresh:
                yield from self._taken(symbol, row, cursor)
            if len(rows) < count:
                break
            # Where a second has more than that, the same question would never get past it.
            count = count if fresh else min(count * 2, MOST)
            if not fresh and len(rows) >= MOST:
                break
        # Where the history has not that one yet, it is asked again.
        if cursor.last_ms >= newest[0]:
            cursor.newest = newest

    def _begin(self, symbol: str) -> _Cursor:
        """From the newest quote on; those of its ms are known."""
        tick = self._terminal.ask("symbol_info_tick", symbol)
        last_ms = int(tick.time_msc)
        rows = self._rows(symbol, last_ms // 1000, MOST) if last_ms else ()
        return _Cursor(last_ms, sum(1 for row in rows if int(row["time_msc"]) == last_ms))

    def _rows(self, symbol: str, since_s: int, count: int) -> Any:
        return self._terminal.ask("copy_ticks_from", symbol, since_s, count, COPY_INFO)

    def _taken(self, symbol: str, row: Any, cursor: _Cursor) -> Iterator[Tick]:
        """A quote, which counts as taken when it was published."""
        time_ms, bid, ask = int(row["time_msc"]), float(row["bid"]), float(row["ask"])
        time_us = self._clock.to_us(time_ms)
        if bid > 0.0 and ask > 0.0:
            yield Tick(symbol, time_us, bid, ask, float(row["volume_real"]) or float(row["volume"]))
            self.taken += 1
        cursor.known = cursor.known + 1 if time_ms == cursor.last_ms else 1
        cursor.last_ms = time_ms

    def _refuse(self, symbol: str, error: TerminalError) -> None:
        if self.trouble.get(symbol) != str(error):
            logger.error("no ticks of %s: %s", symbol, error)
        self.trouble[symbol] = str(error)
        self._try_at[symbol] = self._monotonic() + TRY_AGAIN_S


def _after(rows: Any, cursor: _Cursor) -> list[Any]:
    """The rows that are new, which are in the order of their times."""
    fresh, known = [], cursor.known
    for row in rows:
        time_ms = int(row["time_msc"])
        if time_ms > cursor.last_ms:
            fresh.append(row)
        elif time_ms == cursor.last_ms:
            if known:
                known -= 1
            else:
                fresh.append(row)
    return fresh
