"""Bars and ticks of the terminal's history, in UTC: what a strategy's indicators begin with."""

import time
from collections.abc import Callable
from typing import Any, Final

from mt5crs_services.mt5_gateway.answers import BarsReport, TicksReport
from mt5crs_services.mt5_gateway.requests import AskBars, AskTicks
from mt5crs_services.mt5_gateway.terminal.server_clock import ServerClock
from mt5crs_services.mt5_gateway.terminal.terminal import Mt5Terminal
from mt5crs_services.mt5_gateway.terminal.terminal_view import TerminalView
from mt5crs_services.mt5_gateway.terminal_records import TerminalBar, TerminalTick

TIMEFRAMES: Final = {
    "M1": (1, 60),
    "M5": (5, 300),
    "M15": (15, 900),
    "M30": (30, 1_800),
    "H1": (16_385, 3_600),
    "H4": (16_388, 14_400),
    "D1": (16_408, 86_400),
}
"""The package's number, and seconds."""

COPY_INFO: Final = 1
SECOND_MS: Final = 1_000


class TerminalHistory:
    """Reads the terminal's history, which it may have to fetch from the broker first.

    Args:
        terminal: The terminal.
        view: Puts symbols into its Market Watch.
        clock: Of the broker's server.
        now: This machine's clock, seconds since the epoch.
    """

    def __init__(
        self,
        terminal: Mt5Terminal,
        view: TerminalView,
        clock: ServerClock,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._terminal = terminal
        self._view = view
        self._clock = clock
        self._now = now

    def bars(self, request: AskBars) -> BarsReport:
        """Closed bars.

        Raises:
            TerminalError: They cannot be had.
            ServerClockError: The server's zone is not known.
        """
        self._view.symbol(request.symbol)
        number, seconds = TIMEFRAMES[request.timeframe]
        until = self._clock.to_server_s(request.before_us or round(self._now() * 1e6))
        # The newest one that has begun by then is still open.
        count = request.count + 1
        rows = self._terminal.ask("copy_rates_from", request.symbol, number, until, count)
        closed = [row for row in rows if int(row["time"]) + seconds <= until]
        bars = tuple(self._bar(row) for row in closed[-request.count :])
        return BarsReport(request.symbol, request.timeframe, bars)

    def ticks(self, request: AskTicks) -> TicksReport:
        """Quotes.

        Raises:
            TerminalError: They cannot be had.
            ServerClockError: The server's zone is not known.
        """
        self._view.symbol(request.symbol)
        until_us = request.until_us or round(self._now() * 1e6)
        found: list[TerminalTick] = []
        count, skip = request.count + request.skip + 1, request.skip
        since_s = self._clock.to_server_s(request.since_us)
        while True:
            rows = self._terminal.ask("copy_ticks_from", request.symbol, since_s, count, COPY_INFO)
            found = [tick for tick in map(self._tick, rows) if tick.time_us >= request.since_us]
            found = [tick for tick in found if tick.time_us < until_us]
            known = sum(1 for tick in found[:skip] if tick.time_us == request.since_us)
            found = found[known:]
            ended = len(rows) < count or self._clock.to_us(int(rows[-1]["time_msc"])) >= until_us
            if ended or len(found) > request.count:
                break
            # What came earlier in that second has taken the places of what was asked for.
            count *= 2
        more = len(found) > request.count or not ended
        return TicksReport(request.symbol, tuple(found[: request.count]), more)

    def _bar(self, row: Any) -> TerminalBar:
        return TerminalBar(
            self._clock.to_us(int(row["time"]) * SECOND_MS),
            float(row["open"]),
            float(row["high"]),
            float(row["low"]),
            float(row["close"]),
            int(row["tick_volume"]),
            int(row["spread"]),
            int(row["real_volume"]),
        )

    def _tick(self, row: Any) -> TerminalTick:
        return TerminalTick(
            self._clock.to_us(int(row["time_msc"])),
            float(row["bid"]),
            float(row["ask"]),
            float(row["last"]),
            float(row["volume_real"]) or float(row["volume"]),
        )
