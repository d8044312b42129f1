"""The newest ticks of one symbol with the judge's verdicts, found again quickly."""

from bisect import bisect_left, bisect_right
from itertools import chain

from mt5crs_shared.market.ticks import Tick, content

SEARCH_US = 60_000_000
"""How far before its own stamp a tick without a time is looked for."""


class TickLog:
    """Ticks in the order of their stream; the last is number -1, the one before it -2.

    Args:
        keep: Ticks that are always kept; up to twice as many are held, so that trimming is rare.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._ticks: list[Tick] = []
        self._good: list[bool] = []
        self._protecting: list[bool] = []
        # So many ticks from the oldest on may have later times than the column says.
        self._unsorted = 0
        # The time of the newest good tick so far: unlike the ticks' own it never goes back.
        self._times: list[int] = []

    def __len__(self) -> int:
        return len(self._ticks)

    @property
    def oldest(self) -> Tick | None:
        """The oldest tick kept."""
        return self._ticks[0] if self._ticks else None

    def append(self, tick: Tick, good: bool, good_time_us: int, protects: bool = False) -> None:
        """Add the next tick.

        Args:
            tick: The tick.
            good: It is believed.
            good_time_us: Time of the newest good tick, this one included.
            protects: Stops and targets look at it.
        """
        for index in range(len(self._times) - 1, -1, -1):
            if self._times[index] <= good_time_us:
                break
            # The clock had run ahead, and came back.
            self._times[index] = good_time_us
            self._unsorted = len(self._times)
        self._ticks.append(tick)
        self._good.append(good)
        self._protecting.append(good or protects)
        self._times.append(good_time_us)
        if len(self._ticks) > 2 * self._keep:
            for column in (self._ticks, self._good, self._protecting, self._times):
                del column[: -self._keep]
            self._unsorted = max(self._unsorted - self._keep - 1, 0)

    def find(self, tick: Tick, occurrence: int) -> int | None:
        """Where a good tick of the stream is, counted from the newest, -1; None: it is not here.

        Args:
            tick: The tick.
            occurrence: Its occurrence among equal ones, from 0, the oldest. Ignored for a tick
                without a time, for which the equal one received at the nearest moment is taken.
        """
        if not tick.timed:
            return self._find_nearest(tick)
        begin = bisect_left(self._times, tick.time_us)
        # A far price is good when it comes for the third time: its first copies stand before.
        while begin > 0 and not self._good[begin - 1]:
            begin -= 1
        wanted = content(tick)
        end = bisect_right(self._times, tick.time_us)
        for index in chain(range(min(self._unsorted, begin)), range(begin, end)):
            if content(self._ticks[index]) == wanted:
                if occurrence == 0:
                    return index - len(self._ticks)
                occurrence -= 1
        return None

    def was_looked_at(self, tick: Tick) -> bool | None:
        """Whether stops and targets looked at a tick when it came; None: it is not here.

        Args:
            tick: One with a time, believed or not.
        """
        wanted = content(tick)
        found = [i for i, each in enumerate(self._ticks) if content(each) == wanted]
        return any(self._protecting[i] for i in found) if found else None

    def good_after(self, index: int) -> list[tuple[int, Tick]]:
        """The good ticks after one, each with where it is."""
        begin, size = index + len(self._ticks) + 1, len(self._ticks)
        return [(i - size, self._ticks[i]) for i in range(begin, size) if self._good[i]]

    def good_around(
        self, begin_us: int, end_us: int
    ) -> tuple[Tick | None, list[Tick], Tick | None]:
        """The last good tick up to a moment, those up to another, and the first one after it."""
        size = len(self._ticks)
        first, last = bisect_right(self._times, begin_us), bisect_right(self._times, end_us)
        before = next((i for i in range(first - 1, -1, -1) if self._good[i]), None)
        after = next((i for i in range(last, size) if self._good[i]), None)
        return (
            self._ticks[before] if before is not None else None,
            [self._ticks[i] for i in range(first, last) if self._good[i]],
            self._ticks[after] if after is not None else None,
        )

    def newest_protects(self, since_us: int) -> bool:
        """Whether stops and targets look at the newest tick; see :meth:`protecting_after`."""
        return bool(self._ticks) and self._counts(-1, since_us)

    def protecting_after(self, index: int, since_us: int) -> list[tuple[int, Tick]]:
        """The ticks after one that stops and targets look at, each with where it is.

        Args:
            index: Where the one is.
            since_us: Of ticks that are not good, only those at or after this event time.
        """
        return [(i, self._ticks[i]) for i in range(index + 1, 0) if self._counts(i, since_us)]

    def _counts(self, index: int, since_us: int) -> bool:
        timely = self._ticks[index].time_us >= since_us
        return self._good[index] or (self._protecting[index] and timely)

    def last_until(self, time_us: int) -> int:
        """Where the last tick up to a moment is, counted from the newest, -1."""
        return bisect_right(self._times, time_us) - len(self._ticks) - 1

    def _find_nearest(self, tick: Tick) -> int | None:
        wanted = content(tick)
        found: list[tuple[int, int]] = []
        for back in range(1, len(self._ticks) + 1):
            candidate = self._ticks[-back]
            if candidate.time_us < tick.time_us - SEARCH_US:
                break
            if content(candidate) == wanted:
                found.append((abs(candidate.time_us - tick.time_us), -back))
        return min(found, key=lambda entry: entry[0])[1] if found else None
