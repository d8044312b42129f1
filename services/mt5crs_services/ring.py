"""The newest ticks of one symbol in memory, and the answer to "what came after this one?"."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Literal

from mt5crs_shared.market.backlog import (
    LONGEST_TAIL,
    BacklogReply,
    BacklogRequest,
    TickMark,
    tail_of,
)
from mt5crs_shared.market.sanity import TickSanity
from mt5crs_shared.market.ticks import Content, Tick, content

SEARCH_US = 60_000_000
"""How far before its own time a tick is looked for: publishers' clocks step back a little."""

LONGEST_HOLE_US = 3_600_000_000
"""A hole up to this long is told by its times alone; readers go on live after a longer one."""

MOST_REPEATED = 2_000
"""Most ticks that are looked through for what a reader has taken of a repetition."""

REMEMBERED = 64
"""Tails that were looked for in vain; who asks again has only the newer ticks looked through."""

Status = Literal["ok", "trimmed", "unknown"]

JUDGED = 64
"""Newest ticks that are looked at to find a time that can be believed."""


class TickRing:
    """The last ticks of one symbol, numbered from 1 in the order they came.

    Args:
        symbol: The symbol.
        keep: Ticks that are always kept; up to twice as many are held, so that trimming is rare.
        generation: Number of the run in which the ticks are counted.
    """

    def __init__(self, symbol: str, keep: int, generation: int) -> None:
        self.symbol = symbol
        self._keep = keep
        self._generation = generation
        self._ticks: list[Tick] = []
        # The latest time so far at each tick: before it, none of that time can be.
        self._latest_us: list[int] = []
        # Of all that are kept, since the first one may be of a clock that had run ahead.
        self._oldest_us: int | None = None
        self._first_seq = 1
        self._history_seq = 0
        self._breaks: list[int] = []
        self._absent: dict[tuple[Content, ...], int] = {}

    def __len__(self) -> int:
        return len(self._ticks)

    @property
    def newest_seq(self) -> int:
        """Number of the newest tick; 0 where there is none."""
        return self._first_seq + len(self._ticks) - 1

    def append(
        self, tick: Tick, history: bool = False, broken: bool = False, known_before: bool = False
    ) -> None:
        """Add the next tick.

        Args:
            tick: The tick.
            history: It was handed over for warming up.
            broken: Ticks before it may be missing.
            known_before: It only says where the ring begins: what lies before it, nobody has lost.
        """
        self._ticks.append(tick)
        latest_us = self._latest_us[-1] if self._latest_us else tick.time_us
        self._latest_us.append(max(tick.time_us, latest_us))
        if not known_before:
            self._oldest_us = min(self._oldest_us or tick.time_us, tick.time_us)
        if history:
            self._history_seq = self.newest_seq
        if broken:
            self._breaks.append(self.newest_seq)
        if len(self._ticks) > 2 * self._keep:
            self._first_seq += len(self._ticks) - self._keep
            del self._ticks[: -self._keep]
            del self._latest_us[: -self._keep]
            self._oldest_us = min(tick.time_us for tick in self._ticks)
            self._breaks = [seq for seq in self._breaks if seq >= self._first_seq]

    def mark(self) -> TickMark | None:
        """Where this ring ends, for asking another source what came after."""
        if not self._ticks:
            return None
        return TickMark(self._generation, self.newest_seq, tail_of(self._ticks[-LONGEST_TAIL:]))

    def answer(
        self, request: BacklogRequest, own: TickMark | None = None, joined: bool = True
    ) -> BacklogReply:
        """The ticks after the request's mark, at most `limit` of them.

        Gateway and tape ask each other. What one has from the other it must not say back: taken
        for news there, and asked for again here, it would go round for ever.

        Args:
            request: The question.
            own: Where the owner of this ring stands in the stream that it is filled from.
            joined: The owner follows the market; otherwise all it gets is what others tell it.
        """
        after = request.after
        if after is not None and own is not None and own.generation == after.generation:
            # It is asked by whoever has numbered these ticks: what lies beyond is news there.
            beyond = own.seq - after.seq
            if beyond < 0 or (beyond == 0 and not joined):
                return self._reply(request, "unknown", 0, 0)
            after = TickMark(self._generation, max(self.newest_seq - beyond, 0), after.tail)
        return self._reply(request, *self._begin(after))

    def _reply(
        self, request: BacklogRequest, status: Status, begin: int, missed: int
    ) -> BacklogReply:
        ticks = self._ticks[begin : begin + request.limit] if status != "unknown" else []
        first = self._first_seq + begin
        return BacklogReply(
            request_id=request.request_id,
            symbol=self.symbol,
            status=status,
            generation=self._generation,
            first_seq=first,
            ticks=tuple(ticks),
            newest_seq=self.newest_seq,
            history_seq=self._history_seq,
            newest_time_us=self._newest_time_us(),
            missed=missed,
            breaks=tuple(seq for seq in self._breaks if first <= seq < first + len(ticks)),
        )

    def _newest_time_us(self) -> int:
        """Event time of the newest tick that is believed; 0 where there is none."""
        judge = TickSanity()
        for tick in self._ticks[-JUDGED:]:
            judge.judge(tick)
        return max(judge.last_time_us, 0)

    def after(self, tick: Tick, occurrence: int) -> list[Tick] | None:
        """The ticks after this one; None where it is not here (yet).

        Args:
            tick: A tick of this symbol.
            occurrence: Its occurrence among equal ones, from 0, the oldest. Ignored for a tick
                without a time, for which the equal one received at the nearest moment is taken.
        """
        found = list(self._equal_ones(tick))
        if tick.timed:
            if occurrence >= len(found):
                return None
            return self._ticks[found[-1 - occurrence] + 1 :]
        if not found:
            return None
        nearest = min(found, key=lambda i: abs(self._ticks[i].time_us - tick.time_us))
        return self._ticks[nearest + 1 :]

    def _equal_ones(self, tick: Tick) -> Iterator[int]:
        """Indices of the ticks equal to this one, newest first."""
        wanted = content(tick)
        oldest_us = tick.time_us - SEARCH_US
        for index in range(len(self._ticks) - 1, -1, -1):
            candidate = self._ticks[index]
            if candidate.time_us < oldest_us:
                return
            if content(candidate) == wanted:
                yield index

    def _begin(self, mark: TickMark | None) -> tuple[Status, int, int]:
        """Where the ticks after a mark begin: (status, index, how many are gone)."""
        if mark is None:
            return "ok", 0, 0
        if mark.generation == self._generation and mark.seq <= self.newest_seq:
            index = mark.seq - self._first_seq
            if index < -1:
                return "trimmed", 0, -1 - index
            if index == -1 or content(self._ticks[index]) == content(mark.tail[-1]):
                return "ok", index + 1, 0
        found = self._search(mark.tail)
        if found is None:
            found = self._search_newest(mark.tail)
        if found is not None:
            return "ok", _past_taken(self._ticks, mark.tail, found) + 1, 0
        last = mark.tail[-1]
        for tick in (mark.tail[newest_of(mark.tail)], last):
            hole = self._hole_around(tick)
            if hole is not None:
                return "ok", hole, 0
        if last.timed and self._oldest_us is not None and last.time_us < self._oldest_us:
            return "trimmed", 0, -1
        return "unknown", 0, 0

    def _hole_around(self, tick: Tick) -> int | None:
        """Index of the first tick after the hole that a reader's last one falls into.

        When the connection to a publisher breaks, one reader has heard a few ticks more than
        another.
        """
        # What is newer than all that is here may fall into a hole whose end is not here yet.
        if not tick.timed or self._newest_time_us() <= tick.time_us:
            return None
        for seq in reversed(self._breaks):
            index = seq - self._first_seq
            if index > 0:
                before, after = self._ticks[index - 1], self._ticks[index]
                # A first tick of a clock that had run ahead ends no hole of now.
                latest = min(after.time_us, tick.time_us + LONGEST_HOLE_US)
                if before.time_us <= tick.time_us < after.time_us == latest:
                    return index
        return None

    def _search(self, tail: tuple[Tick, ...]) -> int | None:
        """Index of the tick that a reader took last: the best match of its tail.

        Of several that are equally good the oldest, where ticks have a time: a publisher that
        repeats itself says the same again later. What is taken twice so is late, and known as
        that; what is left out is lost. Without times it is the newest, since prices repeat.
        """
        wanted = [content(tick) for tick in reversed(tail)]
        key, last = tuple(wanted), tail[-1]
        best, best_length = None, 0
        searched = max(self._absent.get(key, 0) - self._first_seq + 1, 0)
        if last.timed:
            searched = max(searched, bisect_left(self._latest_us, last.time_us))
        for index in range(len(self._ticks) - 1, searched - 1, -1):
            if last.timed and self._ticks[index].time_us != last.time_us:
                continue
            length = _match(self._ticks, index, wanted)
            if length > best_length or (last.timed and length == best_length > 0):
                best, best_length = index, length
            if best_length == len(wanted) and not last.timed:
                break
        # Prices alone repeat: without times only the whole tail names a place.
        if best is None or (not last.timed and best_length < len(wanted)):
            self._absent[key] = self.newest_seq
            if len(self._absent) > REMEMBERED:
                del self._absent[next(iter(self._absent))]
            return None
        return best

    def _search_newest(self, tail: tuple[Tick, ...]) -> int | None:
        """Index of the newest tick of a tail whose last one, a repeated one, is not here.

        Not where something newer came before it here: then this is a repetition of it.
        """
        newest = newest_of(tail)
        found = self._search(tail[: newest + 1]) if newest < len(tail) - 1 else None
        if found is None:
            return None
        begin_us = tail[newest].time_us
        earlier = self._ticks[max(found - MOST_REPEATED, 0) : found]
        if any(begin_us < tick.time_us <= begin_us + LONGEST_HOLE_US for tick in earlier):
            return None
        return found


def newest_of(tail: Sequence[Tick]) -> int:
    """Place of the newest tick of a tail; of several the first.

    One from more than an hour after the last is of a clock that had run ahead, and not newer. Of
    ticks without a time the last one is.
    """
    if not tail[-1].timed:
        return len(tail) - 1
    latest_us = tail[-1].time_us + LONGEST_HOLE_US
    places = (place for place, tick in enumerate(tail) if tick.time_us <= latest_us)
    return max(places, key=lambda place: (tail[place].time_us, -place))


def _past_taken(ticks: Sequence[Tick], tail: Sequence[Tick], found: int) -> int:
    """Index of the last tick of a ring that a reader of this tail has taken.

    Where the reader heard a repetition that this ring lacks, in whole or in part, it is found
    among what was repeated: then the reader has taken what follows there, as far as its tail
    says so, and up to what is newer than all of that.

    Args:
        ticks: All that are here.
        tail: The last ticks that it took.
        found: Index at which they match best.
    """
    newest = newest_of(tail)
    if newest == len(tail) - 1:
        return found
    if _match(ticks, found, [content(tick) for tick in reversed(tail)]) == len(tail):
        return found
    newest_us, taken, end = tail[newest].time_us, {content(tick) for tick in tail}, found
    for index in range(found + 1, min(found + 1 + MOST_REPEATED, len(ticks))):
        tick = ticks[index]
        if content(tick) not in taken:
            if tick.time_us >= newest_us:
                break
        elif index == end + 1 or tick.time_us <= newest_us:
            end = index
    return end


def _match(ticks: Sequence[Tick], index: int, wanted: Sequence[Content]) -> int:
    """How many ticks up to this one are those, newest first."""
    length = 0
    while length < min(len(wanted), index + 1) and content(ticks[index - length]) == wanted[length]:
        length += 1
    return length
