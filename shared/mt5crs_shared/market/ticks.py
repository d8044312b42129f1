"""One market quote, as every process of the system holds it."""

from typing import Annotated

import msgspec
from msgspec import Meta

EventTime = Annotated[int, Meta(ge=-(2**57), le=2**57)]
"""Microseconds since the epoch that a calendar has: the years 0 to 6000, about."""


class Tick(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A quote of one symbol.

    Attributes:
        symbol: Exact symbol, e.g. ``"EURUSD"``.
        time_us: Event time in microseconds since the epoch, UTC. Where the frame carried no
            time this is the moment it was received.
        bid: Best bid, in the quote currency.
        ask: Best ask, in the quote currency.
        volume: Volume as published, 0.0 where the frame has none.
        timed: False where the frame carried no time; such ticks can be recognised again only
            by the sequence of their contents.
    """

    symbol: str
    time_us: EventTime
    bid: float
    ask: float
    volume: float = 0.0
    timed: bool = True

    @property
    def mid(self) -> float:
        """The middle of bid and ask, which bars are built from."""
        return (self.bid + self.ask) / 2.0

    @property
    def crossed(self) -> bool:
        """True where ask < bid: such a quote feeds bars, but nothing is decided on it."""
        return self.ask < self.bid


Content = tuple[int, float, float]


def content(tick: Tick) -> Content:
    """What makes two copies of a tick equal: bid, ask, and the time where it was published."""
    return (tick.time_us if tick.timed else 0, tick.bid, tick.ask)
