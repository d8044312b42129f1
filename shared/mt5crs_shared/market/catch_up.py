"""From the tape's backlog to the live stream without losing a tick or taking one twice.

A reader subscribes first, so that nothing is missed from then on, and then asks the tape for
what came before. The first live ticks are usually on the tape too; publishers number nothing, so
the overlap is found by the contents of the ticks in their order. Until it is found the tape's
word is processed and the live ticks wait.

Pure: no socket, no clock. The owner sends :meth:`CatchUp.request`, hands in what comes back and
what comes live, and processes the ticks it is given, in that order.
"""

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from mt5crs_shared.market.backlog import (
    LONGEST_TAIL,
    TAIL,
    BacklogReply,
    BacklogRequest,
    TickMark,
    tail_of,
)
from mt5crs_shared.market.sanity import MAX_LEAP_US, TickSanity
from mt5crs_shared.market.ticks import Content, Tick, content

REMEMBERED = 20_000
"""Ticks taken from the tape that the first live one is looked for among."""

PATIENCE = 20
"""Replies for which an ambiguous overlap may wait for more ticks to tell it apart."""


class Break(msgspec.Struct, frozen=True):
    """Two ticks that were taken one after the other, between which some may be missing.

    Nobody of ours was connected then, and publishers number nothing.

    Attributes:
        index: Place of `after` among the ticks that were handed over together.
        before: The last tick before.
        after: The first tick after.
    """

    index: int
    before: Tick
    after: Tick


class CatchUp:
    """Where one reader stands in one symbol's stream.

    Args:
        symbol: The symbol.
        mark: Where an earlier reader stopped; None: begin with the oldest tick of the tape.
    """

    def __init__(self, symbol: str, mark: TickMark | None = None) -> None:
        self.symbol = symbol
        self.duplicates = 0
        self.missed = 0
        self._breaks: list[Break] = []
        self._generation = mark.generation if mark else 0
        self._seq = mark.seq if mark else 0
        self._taken: deque[Tick] = deque(mark.tail if mark else (), maxlen=LONGEST_TAIL)
        self._marked = mark is not None
        self._beginning = mark is None
        self._live: deque[Tick] = deque()
        self._from_tape: deque[Content] = deque(maxlen=REMEMBERED)
        self._joined = False
        self._exhausted = False
        self._expected: deque[Content] = deque()
        self._ambiguous = 0
        self._requests = 0
        self._answered = 0

    @property
    def joined(self) -> bool:
        """The live stream is aligned with the tape: live ticks pass straight through."""
        return self._joined

    @property
    def caught_up(self) -> bool:
        """All that the tape had has been taken; what is missing can only be newer."""
        return self._joined or self._exhausted

    @property
    def mark(self) -> TickMark | None:
        """Where this reader stands, for the next one; None before the first tick."""
        tail = self._tail()
        return TickMark(self._generation, self._seq, tail) if tail else None

    @property
    def place(self) -> tuple[int, int]:
        """The tape's run, and the number in it of the last tick taken."""
        return self._generation, self._seq

    def reached(self, generation: int, seq: int) -> bool:
        """Whether the tick of that number, in that run of the tape, has been taken."""
        return self._generation == generation and self._seq >= seq

    def request(self) -> BacklogRequest:
        """The question to ask the tape now, about what came after the last tick taken."""
        self._requests += 1
        after = self.mark if self._marked or self._taken else None
        return BacklogRequest(request_id=self._requests, symbol=self.symbol, after=after)

    def rejoin(self) -> None:
        """The live stream was interrupted: what comes next must be aligned anew.

        Waiting live ticks are dropped: the tape has them, or will.
        """
        self._joined = False
        self._exhausted = False
        self._answered = self._requests  # What was asked before was about another place.
        self._expected.clear()
        self._ambiguous = 0
        self._live.clear()
        self._from_tape.clear()
        # The live stream may go on before the last tick taken, when its publisher repeats itself.
        self._from_tape.extend(content(tick) for tick in self._tail())

    def on_live(self, tick: Tick) -> tuple[Tick, ...]:
        """Take a tick of the live stream; what may be processed now is returned."""
        if not self._joined:
            self._live.append(tick)
            return ()
        if self._expected:
            if content(tick) == self._expected[0]:
                self._expected.popleft()
                self.duplicates += 1
                return ()
            # The live stream lacks what the tape has: it was interrupted, and is aligned anew.
            self.rejoin()
            self._live.append(tick)
            return ()
        self._take(tick)
        return (tick,)

    def on_backlog(self, reply: BacklogReply) -> list[Tick]:
        """Take the tape's answer; what may be processed now is returned, in order."""
        # A late answer is as good as one to the newest question, which asked about the same place
        # again: who is slow would otherwise never have said anything.
        fits = self._answered < reply.request_id <= self._requests
        if not fits or self._joined or reply.status == "unknown":
            return []
        if reply.ticks:
            # Several sources are asked at once; the first that has something is believed.
            self._answered = self._requests
        self._generation = reply.generation
        self._seq = reply.first_seq - 1
        self.missed += max(reply.missed, 0)
        ticks = list(reply.ticks)
        for index, tick in enumerate(ticks):
            if reply.first_seq + index in reply.breaks:
                self._note_break(index, tick)
            self._take(tick)
            self._from_tape.append(content(tick))
        self._exhausted = self._seq >= reply.newest_seq
        ticks.extend(self._align())
        return ticks

    def join_now(self) -> list[Tick]:
        """Give up waiting for the tape: go on with the live ticks, after the last one taken."""
        newest_us = self._taken[-1].time_us if self._taken else -1
        known = {*self._from_tape, *map(content, self._tail())}
        # The last one taken may have been from the future; what is older all the same is late, and
        # known as that.
        fresh = [
            tick
            for tick in self._live
            if tick.time_us > newest_us or (tick.timed and content(tick) not in known)
        ]
        self.duplicates += len(self._live) - len(fresh)
        self._live.clear()
        self._joined = True
        self._beginning = False
        if fresh:
            first = _first_new(self._tail(), fresh)
            self._note_break(first, fresh[first])
        for tick in fresh:
            self._take(tick)
        return fresh

    def take_breaks(self) -> tuple[Break, ...]:
        """Where ticks may be missing in what was handed over last."""
        taken, self._breaks = tuple(self._breaks), []
        return taken

    def _note_break(self, index: int, tick: Tick) -> None:
        """Nobody can say what was published between the last tick taken and this one."""
        if self._taken:
            self._breaks.append(Break(index, self._taken[-1], tick))

    def _take(self, tick: Tick) -> None:
        self._seq += 1
        self._taken.append(tick)

    def _tail(self) -> tuple[Tick, ...]:
        return tail_of(tuple(self._taken))

    def _align(self) -> list[Tick]:
        """Find the first live tick among those taken from the tape, and join there."""
        if not self._live:
            return []
        taken = list(self._from_tape)
        live = [content(tick) for tick in self._live]
        starts = list(_overlaps(taken, live))
        if not starts:
            unheard = _unheard(taken, live)
            starts = list(_overlaps(taken, live[unheard:])) if unheard else []
            if not starts:
                return []
            self._leave_out(taken[: starts[0]], unheard)
            live = live[unheard:]
        if len(starts) > 1 and self._ambiguous < PATIENCE:
            self._ambiguous += 1
            return []
        overlap = len(taken) - starts[0]
        self._joined = True
        self._beginning = False
        self._expected.extend(taken[starts[0] + len(live) :])
        self.duplicates += min(overlap, len(live))
        fresh = list(self._live)[overlap:]
        self._live.clear()
        self._from_tape.clear()
        for tick in fresh:
            self._take(tick)
        return fresh

    def _leave_out(self, before: list[Content], count: int) -> None:
        """Go by the tape: later ticks have been taken, so these cannot be any more."""
        if self._beginning and not before and len(self._from_tape) < REMEMBERED:
            # It begins with the oldest tick of the tape: what came before that is not missed.
            for _ in range(count):
                self._live.popleft()
            return
        newest_us = before[-1][0] if before else -1
        for _ in range(count):
            # What is no newer is what the publisher has said before.
            fresh = content(self._live.popleft())[0] > newest_us
            self.missed += fresh
            self.duplicates += not fresh


def _first_new(before: Iterable[Tick], after: Sequence[Tick]) -> int:
    """Which of the ticks after a hole is the first that the publisher does not repeat.

    It is newer than what is believed of those before. After one from the future all that follow
    would be late, to the next such one: the hole would be told as one that reaches until then. Nor
    is one from the future new after ticks of a clock that has returned in the hole: nothing is
    newer then, and all of it is new. A publisher that repeats itself does not go back so far.
    """
    judge = TickSanity()
    for tick in before:
        judge.judge(tick)
    believed_us, returned = judge.last_time_us, False
    for number, tick in enumerate(after):
        early = judge.judge(tick) == "early"
        if tick.time_us > believed_us and not (early and returned):
            return number
        returned = believed_us - tick.time_us > MAX_LEAP_US
    return 0


def _unheard(taken: list[Content], live: list[Content]) -> int:
    """How many of the first live ticks the tape lacks for good; 0: none, or nobody knows yet.

    Whoever connects to a publisher before the tape does hears more than the tape, which will never
    have that. It shows by later live ticks that the tape has: in their order, to the end of what it
    has or of what is live.
    """
    known = set(taken)
    for first in range(1, len(live)):
        # Without a time a single quote may be another one of the same price.
        enough = first + (1 if live[first][0] else TAIL) <= len(live)
        if enough and live[first] in known and list(_overlaps(taken, live[first:])):
            return first
    return 0


def _overlaps(taken: list[Content], live: list[Content]) -> Iterable[int]:
    """Places in `taken` from which `live` repeats it, to the end of the shorter; newest first."""
    first = live[0]
    for start in range(len(taken) - 1, -1, -1):
        if taken[start] != first:
            continue
        length = min(len(taken) - start, len(live))
        if taken[start : start + length] == live[:length]:
            yield start
