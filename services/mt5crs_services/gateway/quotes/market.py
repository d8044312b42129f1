"""The gateway's own view of the market: each symbol's ticks, and which of them are believed."""

from collections import deque

import msgspec

from mt5crs_services.gateway.quotes.tick_log import TickLog
from mt5crs_services.ring import TickRing
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market.backlog import TickMark
from mt5crs_shared.market.rates import RateBook, RateState
from mt5crs_shared.market.sanity import SanityState, TickSanity
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick, content

KEEP = 20_000
"""Ticks that are kept of each symbol, for strategies that are behind the gateway's stream."""

POINT_EVERY = 5_000
"""Ticks between two points that a later process may begin to read at."""

POINTS = 3
"""Points that are remembered; a later process begins at the oldest."""

UNTIMED_SLACK_US = 1_000_000
"""Two processes stamp a tick without a time at slightly different moments."""


class StreamPoint(msgspec.Struct, frozen=True, array_like=True):
    """Where a symbol's stream was, and all that the next tick is judged by.

    Attributes:
        count: Ticks taken since the ledger began.
        mark: The last of them; None before the first.
        sanity: The judge's state.
        quote: The last good quote that was not crossed.
        highest_us: The latest time of any good tick.
    """

    count: int = 0
    mark: TickMark | None = None
    sanity: SanityState = SanityState()
    quote: Tick | None = None
    highest_us: int = -(2**62)


class StreamState(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a symbol's stream for the next process.

    Attributes:
        now: The last tick that the book has seen.
        far: An earlier one to begin reading at, so that the ticks before `now` are at hand again
            for strategies that are behind.
    """

    now: StreamPoint = StreamPoint()
    far: StreamPoint = StreamPoint()


class Around(msgspec.Struct, frozen=True):
    """What a stream has around a tick.

    Attributes:
        quotes: The good ticks next to it, oldest first.
        passed: The stream has gone on beyond its time.
        begins_later: What was before it is not remembered any more.
    """

    quotes: list[Tick]
    passed: bool
    begins_later: bool


Numbered = tuple[int, Tick]
"""A good tick and its number in the symbol's stream."""


class SymbolMarket:
    """The stream of one symbol.

    After a restart it begins a good way before the last tick that the book has seen. Those ticks
    fill the ring and bring the judge of ticks to where it was; positions that have seen them are
    told apart by the ticks' numbers.

    Args:
        spec: The symbol.
        state: What an earlier process left; None: nothing.
        generation: Number of this run, for readers of the ring.
    """

    def __init__(self, spec: SymbolSpec, state: StreamState | None, generation: int) -> None:
        self.spec = spec
        self.ring = TickRing(spec.name, KEEP, generation)
        self._seen = state.now if state is not None else StreamPoint()
        begin = state.far if state is not None else StreamPoint()
        self.start_mark = begin.mark
        self.count = begin.count
        self.quote: Tick | None = begin.quote or self._seen.quote
        self._highest_us = begin.highest_us
        self._tape = (begin.mark.generation, begin.mark.seq) if begin.mark else (0, 0)
        self._tape_count = self.count
        self._sanity = TickSanity(begin.sanity)
        self._judge = self._sanity.judge
        self._log = TickLog(KEEP)
        for tick in begin.mark.tail if begin.mark else ():
            self.ring.append(tick, known_before=True)
            self._log.append(tick, False, self._sanity.last_time_us)
        self._points: deque[StreamPoint] = deque([begin], maxlen=POINTS)
        self._next_point = self.count + POINT_EVERY
        self.replaying = self.count < self._seen.count

    @property
    def clock_returned(self) -> bool:
        """The feed's clock had run ahead; there are good ticks with later times than the newest."""
        return self._highest_us > self._sanity.last_time_us

    def align(self, place: tuple[int, int], unread: int) -> None:
        """Say where the tape has the next tick to be added.

        Args:
            place: The tape's run, and the number in it of the last tick that was read.
            unread: How many ticks up to that one are about to be added.
        """
        generation, seq = place
        self._tape = (generation, seq - unread)
        self._tape_count = self.count

    def add(self, tick: Tick, history: bool = False, broken: bool = False) -> bool:
        """Take the next tick of the stream; False where it is not believed.

        Args:
            tick: The tick.
            history: It was handed over for warming up.
            broken: Ticks before it may be missing.
        """
        self.ring.append(tick, history, broken)
        self.count += 1
        good = self._judge(tick) == "good"
        self._log.append(tick, good, self._sanity.last_time_us, self._sanity.protects)
        if good:
            self._highest_us = max(self._highest_us, tick.time_us)
        if self.replaying:
            self._watch_replay(tick, good)
        if good and tick.bid <= tick.ask:
            self.quote = tick
        if self.count >= self._next_point:
            self._next_point = self.count + POINT_EVERY
            self._points.append(self._point())
        return good

    def state(self) -> StreamState:
        """What to keep for the next process.

        While the ticks of an earlier process are read again, that is what it was given.
        """
        now = self._seen if self.replaying else self._point()
        return StreamState(now=now, far=self._points[0])

    def after(self, tick: Tick, occurrence: int) -> list[Numbered] | None:
        """The good ticks after this one; None where it is not here (yet).

        Args:
            tick: A good tick of this symbol.
            occurrence: Its occurrence among equal ones, from 0.
        """
        index = self._log.find(tick, occurrence)
        return None if index is None else self._numbered(self._log.good_after(index))

    def number(self, tick: Tick, occurrence: int) -> int | None:
        """The number of a good tick; None where it is not here (yet)."""
        index = self._log.find(tick, occurrence)
        return None if index is None else self.count + 1 + index

    def has(self, tick: Tick, occurrence: int) -> bool:
        """Whether a good tick is here."""
        return self._log.find(tick, occurrence) is not None

    def was_looked_at(self, tick: Tick) -> bool | None:
        """See `TickLog.was_looked_at`."""
        return self._log.was_looked_at(tick)

    def occurrence(self, tick: Tick, number: int) -> int:
        """The occurrence among equal ones of a tick that is in the ring."""
        occurrence = 0
        while (found := self.number(tick, occurrence)) is not None and found < number:
            occurrence += 1
        return occurrence

    def later(self, tick: Tick) -> list[Numbered] | None:
        """The good ticks with a later time than one that is not here.

        None where the log begins after that time: what came in between is not known any more.
        """
        index = self._last_until(tick)
        return None if index is None else self._numbered(self._log.good_after(index))

    def protects(self, since_us: int) -> bool:
        """Whether stops and targets look at the newest tick.

        Args:
            since_us: When the position was opened: a tick that is late says nothing of earlier
                times than its own.
        """
        return self._log.newest_protects(since_us)

    def since(self, tick: Tick, occurrence: int) -> list[Numbered] | None:
        """The ticks after a good one that stops and targets look at; None where it has not come.

        Where the stream does not have it, or no longer, only what is surely later counts.
        """
        index = self._log.find(tick, occurrence)
        if index is None:
            if not self.passed(tick):
                return None
            index = self._last_until(tick)
        return (
            [] if index is None else self._numbered(self._log.protecting_after(index, tick.time_us))
        )

    def _last_until(self, tick: Tick) -> int | None:
        oldest = self._log.oldest
        whole = self.start_mark is None and self.count == len(self._log)
        if oldest is None or (oldest.time_us > tick.time_us and not whole):
            return None
        return self._log.last_until(tick.time_us + (0 if tick.timed else UNTIMED_SLACK_US))

    def around(self, tick: Tick) -> Around:
        """The good ticks next to a moment, for a tick that is not among them."""
        slack = 0 if tick.timed else UNTIMED_SLACK_US
        before, within, after = self._log.good_around(tick.time_us - slack, tick.time_us + slack)
        quotes = [before] if before is not None else []
        quotes += [*within, *([after] if after is not None else [])]
        if after is None and self.replaying and self._seen.quote is not None:
            # An earlier process came further than this one has read again.
            quotes.append(self._seen.quote)
        if not quotes and self.quote is not None:
            quotes.append(self.quote)
        return Around(quotes, after is not None, before is None and after is not None)

    def passed(self, tick: Tick) -> bool:
        """Whether the stream has a good tick with a later time than this one."""
        slack = 0 if tick.timed else UNTIMED_SLACK_US
        return self._sanity.last_time_us > tick.time_us + slack

    def _numbered(self, ticks: list[Numbered]) -> list[Numbered]:
        """Turn places counted from the newest tick into numbers in the stream."""
        return [(self.count + 1 + index, tick) for index, tick in ticks]

    def _point(self) -> StreamPoint:
        generation, seq = self._tape
        last = self.ring.mark()
        ahead = self.count - self._tape_count
        mark = TickMark(generation, seq + ahead, last.tail) if last is not None else None
        return StreamPoint(self.count, mark, self._sanity.state, self.quote, self._highest_us)

    def _watch_replay(self, tick: Tick, good: bool) -> None:
        """Notice the end of what an earlier process has seen already."""
        slack = 0 if tick.timed else UNTIMED_SLACK_US
        if good and tick.time_us > self._seen.highest_us + slack:
            # The tape has lost some: this one is new, whatever its number.
            self._renumber(self._seen.count + 1)
            self.replaying = False
        elif self.count >= self._seen.count:
            seen = self._seen.mark
            if seen is None or content(seen.tail[-1]) == content(tick):
                self.replaying = False
            else:
                # The tape has more than the earlier process saw: this one is not new yet.
                self._renumber(self._seen.count - 1)

    def _renumber(self, count: int) -> None:
        """Give the newest tick this number, and move those before it along."""
        self._tape_count += count - self.count
        self.count = count


class Market:
    """Every configured symbol's stream, and the prices of currencies.

    Args:
        config: The configuration.
        states: What an earlier process left, by symbol.
        generation: Number of this run, for readers of the rings.
    """

    def __init__(
        self, config: Config, states: dict[str, StreamState] | None = None, generation: int = 1
    ) -> None:
        kept = states or {}
        self.symbols = {
            name: SymbolMarket(spec, kept.get(name), generation)
            for name, spec in config.symbols.items()
        }
        begun = {name: _rate_state(state.far) for name, state in kept.items()}
        self.rates = RateBook(config.globals.account_currency, config.symbols, begun)

    @property
    def rings(self) -> dict[str, TickRing]:
        """The ticks of each symbol, for readers of the backlog."""
        return {name: symbol.ring for name, symbol in self.symbols.items()}

    @property
    def start_marks(self) -> dict[str, TickMark | None]:
        """Where the stream of each symbol has to begin."""
        return {name: symbol.start_mark for name, symbol in self.symbols.items()}

    def add(self, tick: Tick, history: bool = False, broken: bool = False) -> bool:
        """Take the next tick of a symbol's stream; see `SymbolMarket.add`."""
        self.rates.add(tick)
        return self.symbols[tick.symbol].add(tick, history, broken)


def _rate_state(point: StreamPoint) -> RateState:
    """The rates of a symbol whose stream is read again from a point on."""
    quote = point.quote
    quotes = ((quote.time_us, quote.mid),) if quote is not None else ()
    return RateState(point.sanity, quotes)
