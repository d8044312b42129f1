"""A tick that kills: a strategy that dies twice on the same one is spared it the third time."""

from mt5crs_shared.market.ticks import Tick

KEPT = 20
"""Poison ticks remembered for each strategy."""


class PoisonWatch:
    """One strategy's deaths, by the tick that was being processed; pure."""

    def __init__(self) -> None:
        self.ticks: tuple[Tick, ...] = ()
        self._suspect: Tick | None = None

    def on_death(self, unfinished: Tick | None) -> Tick | None:
        """Note a death.

        Args:
            unfinished: The tick that was being processed; None: it died between two.

        Returns:
            The tick, when it has just been found to be poison.
        """
        same = unfinished is not None and unfinished == self._suspect
        self._suspect = unfinished
        if unfinished is None or not same or unfinished in self.ticks:
            return None
        self.ticks = (*self.ticks, unfinished)[-KEPT:]
        return unfinished
