"""The bars of one strategy as its ticks come: the open one, and the window of closed ones."""

from collections.abc import Iterable

from mt5crs_shared.configuration.structs import Timeframe
from mt5crs_shared.market.ticks import Tick
from mt5crs_worker.bars import Bar, BarBuilder, BarWindow


class BarFeed:
    """Feeds a window from ticks.

    Args:
        timeframe: Length of the bars.
        open_bar: The bar to go on with.
        window: The closed bars to go on with; None: none.
        pending: The newest closed bar has not been decided on.

    Attributes:
        closed: Bars closed so far.
    """

    def __init__(
        self,
        timeframe: Timeframe,
        open_bar: Bar | None = None,
        window: BarWindow | None = None,
        pending: bool = False,
    ) -> None:
        self.window = window or BarWindow()
        self.pending = pending
        self.closed = 0
        self._builder = BarBuilder(timeframe, open_bar)

    @property
    def open_bar(self) -> Bar | None:
        """The bar that is not closed yet."""
        return self._builder.open_bar

    def add(self, tick: Tick) -> None:
        """Count a tick in."""
        bar = self._builder.add(tick)
        if bar is not None:
            self.closed += 1
            self.warm_up([bar])
            self.pending = True

    def warm_up(self, bars: Iterable[Bar]) -> None:
        """Take bars as they are; those the window already has are left out."""
        for bar in bars:
            last = self.window.last
            if last is None or bar.start_us > last.start_us:
                self.window.append(bar)

    def rewind(self, time_us: int) -> None:
        """The feed's clock had run ahead: what was built beyond this time is let go."""
        self.window.drop_from(self._builder.rewind(time_us))
        self.pending = False
