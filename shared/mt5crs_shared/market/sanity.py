"""Which ticks are believed: the same judgement in every process, from the ticks alone."""

from typing import Literal

import msgspec

from mt5crs_shared.market.ticks import Tick

Verdict = Literal["good", "not_positive", "late", "early", "jump"]

PRICES = (1e-9, 1e10)
"""A price outside of this is no price."""

MAX_JUMP = 0.10
"""A mid this share away from the last good one is not believed at once."""

AGREEING = 3
"""Ticks in a row that agree with each other after which a far price, or a far time, is believed."""

CONFIRMED = 2
"""Far prices, or early times, in a row that agree after which stops and targets act on them."""

MAX_LEAP_US = 300_000_000
"""A tick this far ahead of the last good one is not believed at once ..."""

LEAP_IN_PACE = 10
"""... unless the symbol has been this many times slower than that allows."""

GAP_US = 10_000_000
"""A silence longer than this is remembered: the clock may have run ahead in it."""

GAPS = 4
"""Silences that are remembered."""

_FOREVER_AGO = -(2**62)


class SanityState(msgspec.Struct, frozen=True, array_like=True):
    """What a :class:`TickSanity` must remember over a restart.

    Attributes:
        last_mid: Mid of the last good tick; 0.0 before the first.
        last_time_us: Its time.
        far_mid: Mid of the last tick in a row of far ones.
        far_count: How many stand in that row.
        pace_us: Usual time between two good ticks, decaying.
        ahead_us: Time of the last tick in a row of early ones.
        ahead_count: How many stand in that row.
        back_us: Time of the last tick in a row of late ones on which the clock may return.
        back_count: How many stand in that row.
        late_count: Late ticks in a row.
        gaps: Spans of event time (from, to) in which no tick was believed, the newest last.
    """

    last_mid: float = 0.0
    last_time_us: int = _FOREVER_AGO
    far_mid: float = 0.0
    far_count: int = 0
    pace_us: int = 0
    ahead_us: int = 0
    ahead_count: int = 0
    back_us: int = 0
    back_count: int = 0
    late_count: int = 0
    gaps: tuple[tuple[int, int], ...] = ()


class TickSanity:
    """Judges the ticks of one symbol, in the order of its stream.

    Price: a tick is bad when a price is no number above zero, or when its mid is 10 % or more away
    from the last good mid. Three such far ticks in a row that agree with each other are a new level
    (a gap over a weekend), and the third is good. A crossed quote (ask < bid) is not bad: it
    feeds bars, and decisions look at it themselves.

    Time: a tick is early when it lies more than five minutes ahead of the last good one (more for
    a symbol that is quoted seldom), and late when it lies before it. Three early ticks in a row
    are the new clock. Three late ones in a row are it too where no tick was believed in that
    span of time before: then the clock had run ahead. A late tick among those that were taken
    already stays late: it would be taken twice. Ticks without a time carry that of their receipt,
    and may always go back.

    Attributes:
        protects: Stops and targets look at the tick that was judged last, although it may be bad:
            its price is believed, or confirmed by a second one; and so is a time that is ahead. Of
            a late tick this says nothing about positions that were opened after its time.
    """

    def __init__(self, state: SanityState | None = None) -> None:
        self.protects = False
        self._state = state or SanityState()
        self._last_mid = self._state.last_mid
        self._last_time_us = self._state.last_time_us
        self._far_mid = self._state.far_mid
        self._far_count = self._state.far_count
        self._pace_us = self._state.pace_us
        self._ahead_us = self._state.ahead_us
        self._ahead_count = self._state.ahead_count
        self._back_us = self._state.back_us
        self._back_count = self._state.back_count
        self._late_count = self._state.late_count
        self._gaps = self._state.gaps

    @property
    def state(self) -> SanityState:
        """What to keep for the next process."""
        return SanityState(
            last_mid=self._last_mid,
            last_time_us=self._last_time_us,
            far_mid=self._far_mid,
            far_count=self._far_count,
            pace_us=self._pace_us,
            ahead_us=self._ahead_us,
            ahead_count=self._ahead_count,
            back_us=self._back_us,
            back_count=self._back_count,
            late_count=self._late_count,
            gaps=self._gaps,
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
        self.protects = False
        least, most = PRICES
        if not (least < tick.bid < most and least < tick.ask < most):
            return "not_positive"
        time_us, mid = tick.time_us, tick.mid
        near = not self._last_mid or not _far(mid, self._last_mid)
        ahead = time_us - self._last_time_us
        if ahead < 0 and not self._returns(tick):
            self.protects = near
            return "late"
        early = ahead > MAX_LEAP_US and self._leaps(time_us, ahead)
        level = near or self._new_level(mid)
        confirmed = not early or self._ahead_count >= CONFIRMED
        self.protects = confirmed and (near or self._far_count >= CONFIRMED)
        if early:
            return "early"
        if not level:
            return "jump"
        self._believe(time_us, mid, ahead)
        return "good"

    def _believe(self, time_us: int, mid: float, ahead: int) -> None:
        if ahead < 0:
            # The clock had run ahead. What lies above is open again; what lies below stays shut.
            self._gaps = tuple(gap for gap in self._gaps if gap[1] <= time_us)
            self._pace_us = 0
        elif ahead > GAP_US:
            self._gaps = (*self._gaps, (self._last_time_us, time_us))[-GAPS:]
            since = time_us - self._ahead_us if self._ahead_count else ahead
            self._pace_us = 0 if self._last_time_us == _FOREVER_AGO else max(since, self._pace_us)
        else:
            self._pace_us = max(ahead, self._pace_us - self._pace_us // 16)
        self._last_mid = mid
        self._last_time_us = time_us
        self._far_count = self._ahead_count = self._back_count = self._late_count = 0

    def _leaps(self, time_us: int, ahead: int) -> bool:
        """Whether a tick that far ahead is not believed yet."""
        if self._last_time_us == _FOREVER_AGO or ahead <= LEAP_IN_PACE * self._pace_us:
            return False
        agrees = self._ahead_count > 0 and time_us >= self._ahead_us
        self._ahead_count = self._ahead_count + 1 if agrees else 1
        if self._ahead_count >= AGREEING:
            return False
        self._ahead_us = time_us
        return True

    def _returns(self, tick: Tick) -> bool:
        """Whether a late tick is the third of a clock that had run ahead."""
        self._late_count += 1
        time_us = tick.time_us
        if tick.timed and not any(begin < time_us < end for begin, end in self._gaps):
            self._back_count = 0
            return False
        agrees = self._back_count > 0 and time_us >= self._back_us
        self._back_count = self._back_count + 1 if agrees else 1
        self._back_us = time_us
        return self._back_count >= AGREEING

    def _new_level(self, mid: float) -> bool:
        agrees = self._far_count > 0 and not _far(mid, self._far_mid)
        self._far_count = self._far_count + 1 if agrees else 1
        self._far_mid = mid
        return self._far_count >= AGREEING


def _far(mid: float, reference: float) -> bool:
    return abs(mid - reference) >= MAX_JUMP * reference
