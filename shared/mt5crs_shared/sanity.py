"""Which ticks are believed: the same judgement in every process, from the ticks alone."""

import math
from typing import Literal

import msgspec

from mt5crs_shared.ticks import Tick

Verdict = Literal["good", "not_positive", "late", "jump"]

MAX_JUMP = 0.10
"""A mid this share away from the last good one is not believed at once."""

LEVEL_AFTER = 3
"""Ticks in a row near each other after which a far price is the new level."""


class SanityState(msgspec.Struct, frozen=True, array_like=True):
    """What a :class:`TickSanity` must remember over a restart.

    Attributes:
        last_mid: Mid of the last good tick; 0.0 before the first.
        last_time_us: Its time.
        far_mid: Mid of the last tick in a row of far ones.
        far_count: How many stand in that row.
        late_count: Late ticks in a row.
    """

    last_mid: float = 0.0
    last_time_us: int = -(2**62)
    far_mid: float = 0.0
    far_count: int = 0
    late_count: int = 0


class TickSanity:
    """Judges the ticks of one symbol, in the order of its stream.

    A tick is bad when a price is not positive and finite, when its time lies before the last good
    tick's, or when its mid is 10 % or more away from the last good mid. Three such far ticks in a
    row that agree with each other are a new level (a gap over a weekend), and the third is good.
    A crossed quote (ask < bid) is not bad: it feeds bars, and decisions look at it themselves.
    """

    def __init__(self, state: SanityState | None = None) -> None:
        self._state = state or SanityState()
        self._last_mid = self._state.last_mid
        self._last_time_us = self._state.last_time_us
        self._far_mid = self._state.far_mid
        self._far_count = self._state.far_count
        self._late_count = self._state.late_count

    @property
    def state(self) -> SanityState:
        """What to keep for the next process."""
        return SanityState(
            self._last_mid, self._last_time_us, self._far_mid, self._far_count, self._late_count
        )

    @property
    def late_count(self) -> int:
        """Late ticks in a row: many of them mean that the feed's clock went back."""
        return self._late_count

    @property
    def last_time_us(self) -> int:
        """Time of the last good tick, us since the epoch."""
        return self._last_time_us

    def judge(self, tick: Tick) -> Verdict:
        """Say whether the next tick of the stream is good, or why not."""
        if not (0.0 < tick.bid < math.inf and 0.0 < tick.ask < math.inf):
            return "not_positive"
        if tick.time_us < self._last_time_us:
            self._late_count += 1
            return "late"
        mid = tick.mid
        if self._last_mid and _far(mid, self._last_mid) and not self._new_level(mid):
            return "jump"
        self._last_mid = mid
        self._last_time_us = tick.time_us
        self._far_count = 0
        self._late_count = 0
        return "good"

    def _new_level(self, mid: float) -> bool:
        agrees = self._far_count > 0 and not _far(mid, self._far_mid)
        self._far_count = self._far_count + 1 if agrees else 1
        self._far_mid = mid
        return self._far_count >= LEVEL_AFTER


def _far(mid: float, reference: float) -> bool:
    return abs(mid - reference) >= MAX_JUMP * reference
