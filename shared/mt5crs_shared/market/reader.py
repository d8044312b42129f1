"""One symbol of a stream: its catch-up, when to ask the tape again, and what it has to wait for."""

from collections.abc import Callable, Iterable, Mapping

from mt5crs_shared.market.backlog import BacklogReply, TickMark
from mt5crs_shared.market.catch_up import CatchUp
from mt5crs_shared.market.sanity import TickSanity
from mt5crs_shared.market.ticks import Tick

ASK_AGAIN = (0.01, 5.0)
"""Shortest and longest wait, in seconds, between two questions while nothing is new.

A live tick that has to be placed is asked about at once; the longest is for a silent symbol, of
which the tape might have heard what this reader has not.
"""

ASK_URGENTLY = 0.03
"""Longest wait between two questions while live ticks wait for the answer."""

ASK_UNCONNECTED = 0.002
"""Shortest wait, in seconds, where no source was connected; it is doubled each time, up to
:data:`ASK_URGENTLY`. Who begins has asked before the connection is made."""

HELPLESS_AFTER = 0.1
"""Seconds that an authority's live ticks wait when nobody it can ask follows the market."""

ANSWER_WITHIN = 1.0
"""Seconds after which an unanswered question to the tape is asked again."""

HELD_FOR = 1.0
"""Seconds that an answer is held for another symbol whose place nobody can compare."""

STOOD_STILL = 2.5 * ANSWER_WITHIN
"""Seconds from one turn to the next above which this process, or the machine, stood still.

Whoever is asked has stood still as well, perhaps: no time has passed for him to answer in. A
question that nobody answers is a turn every :data:`ANSWER_WITHIN`: patience with that has to end.
"""


class QueueClock:
    """How old a live tick can be at most, while no two clocks of the system need to agree.

    Two bounds: how long our own queue has not been empty, and how far the feed's clock must be by
    now (the largest lead of event time over wall time so far, added to wall time).

    Args:
        monotonic: The monotonic clock, seconds.
        wall_us: Wall time, us since the epoch.

    Attributes:
        empty_at: Monotonic time at which the queue of live ticks was last empty, seconds.
    """

    def __init__(self, monotonic: Callable[[], float], wall_us: Callable[[], int]) -> None:
        self.empty_at = monotonic()
        self._monotonic = monotonic
        self._wall_us = wall_us
        self._lead_us = -(2**62)
        self._turned_at = self.empty_at

    def standstill(self) -> float:
        """Seconds that this process stood still since it was asked last, at its last turn."""
        now = self._monotonic()
        gap, self._turned_at = now - self._turned_at, now
        return gap if gap > STOOD_STILL else 0.0

    def on_empty(self) -> None:
        """Everything that had come was taken."""
        self.empty_at = self._monotonic()

    def on_tick(self, tick: Tick, received_us: int) -> None:
        """A tick whose time is believed was received."""
        self._lead_us = max(self._lead_us, tick.time_us - received_us)

    def age(self, tick: Tick) -> float:
        """Seconds since a tick was the newest."""
        queued = self._monotonic() - self.empty_at
        return min(queued, (self._wall_us() + self._lead_us - tick.time_us) / 1e6)


class Reader:
    """Where one symbol of a `stream.TickStream` stands.

    Args:
        symbol: The symbol.
        mark: Where an earlier reader stopped; None: the tape's oldest tick.

    Attributes:
        waiting_since: Monotonic time since which live ticks wait for the tape's word.
        held: An answer of the tape that needs ticks of another symbol, which are not here yet.
        held_from: The source that gave it.
        held_live: Live ticks of which the same is true, in order.
        blocked: It had to wait for another symbol when it was looked at last.
        asking_since: Monotonic time since which the sources are asked; None: not yet.
        patient_until: Monotonic time until which `held` waits where it cannot be seen whether
            they are.
    """

    def __init__(self, symbol: str, mark: TickMark | None) -> None:
        self.catch_up = CatchUp(symbol, mark)
        self.clock = TickSanity()
        self.tape_time_us = 0
        self.ask_at = 0.0
        self.pause = ASK_AGAIN[0]
        self.waiting_since: float | None = None
        self.asked = 0
        self._connecting = ASK_UNCONNECTED
        self.asking_since: float | None = None
        self.helpless: set[int] = set()
        self.held: BacklogReply | None = None
        self.held_from = 0
        self.held_live: list[Tick] = []
        self.blocked = False
        self.patient_until = 0.0

    @property
    def live_waits(self) -> bool:
        """Live ticks are here that cannot be taken yet."""
        return not self.catch_up.joined and self.waiting_since is not None

    @property
    def withholds(self) -> bool:
        """Live ticks are here that wait, for the sources' word or for another symbol's ticks."""
        return self.live_waits or bool(self.held_live)

    def take_live(self, tick: Tick, now: float) -> tuple[Tick, ...]:
        """Take a live tick; what may be processed now is returned."""
        ready = self.catch_up.on_live(tick)
        if not self.catch_up.joined and self.waiting_since is None:
            self.waiting_since = now
            self.ask_at, self.pause = min(self.ask_at, now), ASK_AGAIN[0]
        return ready

    def hold(self, reply: BacklogReply, source: int, now: float) -> None:
        """Keep an answer for later; nothing else is asked meanwhile."""
        self.held, self.held_from, self.patient_until = reply, source, now + HELD_FOR

    def hurry(self) -> None:
        """Somebody waits for the next answer."""
        self.ask_at, self.pause = 0.0, ASK_AGAIN[0]

    def take(self, reply: BacklogReply, source: int, now: float) -> list[Tick]:
        """Take a source's answer; the ticks that it adds are returned, in order."""
        self.held = None
        ticks = self.catch_up.on_backlog(reply)
        self.tape_time_us = reply.newest_time_us
        self._schedule(reply, bool(ticks), now)
        if ticks or reply.live:
            self.helpless.clear()
        else:
            self.helpless.add(source)
        return ticks

    def _schedule(self, reply: BacklogReply, progress: bool, now: float) -> None:
        """When to ask for the next part: at once while there is more, seldom while there is not."""
        last_seq = reply.first_seq + len(reply.ticks) - 1
        if progress and last_seq < reply.newest_seq:
            if self.waiting_since is not None:
                # There is more to come before the live ticks can fit: patience begins anew.
                self.waiting_since = now
            self.hurry()
            return
        longest = ASK_AGAIN[1] if self.waiting_since is None else ASK_URGENTLY
        self.pause = min(self.pause, longest)
        if self.ask_at > now:  # Unless somebody is in a hurry.
            self.ask_at = now + self.pause
        self.pause *= 2

    def on_asked(self, sources: int, now: float) -> None:
        """So many sources were asked, which may be none."""
        self.asked = sources
        if sources:
            self.ask_at, self._connecting = now + ANSWER_WITHIN, ASK_UNCONNECTED
        else:
            self.ask_at = now + self._connecting
            self._connecting = min(2.0 * self._connecting, ASK_URGENTLY)
        if self.asking_since is None:
            self.asking_since = now

    def wait_longer(self, seconds: float) -> None:
        """So many seconds do not count: nobody could have answered in them."""
        if self.waiting_since is not None:
            self.waiting_since += seconds
        if self.asking_since is not None:
            self.asking_since += seconds

    def block(self, blocked: bool, now: float) -> bool:
        """Note, and say, that it waits for another symbol; patience begins when it can ask."""
        if (blocked or self.blocked) and self.waiting_since is not None:
            self.waiting_since = now
        self.blocked = blocked
        return blocked

    def is_hopeless(self, now: float, give_up: float, least_helpless: int | None) -> bool:
        """Live ticks wait, and it makes no sense to let them wait any longer.

        Args:
            now: Monotonic time, seconds.
            give_up: Seconds after which it makes none whatever others say.
            least_helpless: So many sources at least, and all that were asked, have to know nothing
                for it to go on at once; None: it never does.
        """
        since = self.waiting_since
        return since is not None and now - since > self._patience(give_up, least_helpless)

    def is_silent(self, now: float, give_up: float, least_helpless: int | None) -> bool:
        """Nothing of it comes, and nobody says what came before: none is to be waited for.

        See `is_hopeless`.
        """
        since = self.asking_since
        if self.live_waits or since is None:
            return False
        return now - since > self._patience(give_up, least_helpless)

    def _patience(self, give_up: float, least_helpless: int | None) -> float:
        alone = least_helpless is not None and len(self.helpless) >= max(least_helpless, self.asked)
        return HELPLESS_AFTER if alone else give_up

    def rejoin(self) -> None:
        """What comes next must be aligned anew, since some may have been lost."""
        self.catch_up.rejoin()
        self.waiting_since = None
        self.asking_since = None
        self.helpless.clear()
        self.held = None
        self.held_live.clear()
        self.hurry()


class Precedence:
    """Which symbols' ticks are of use only after another one's, and whether those are here.

    Args:
        readers: By symbol.
        needs: Those symbols, and what each has to come after.
        give_up: Seconds after which a symbol is not waited for of which nothing comes.
        least_helpless: See `Reader.is_hopeless`.
    """

    def __init__(
        self,
        readers: Mapping[str, Reader],
        needs: Mapping[str, str],
        give_up: float,
        least_helpless: int | None,
    ) -> None:
        pairs = [
            (symbol, other) for symbol, other in needs.items() if {symbol, other} <= {*readers}
        ]
        self._before = {symbol: readers[other] for symbol, other in pairs}
        self._give_up = give_up
        self._least_helpless = least_helpless
        self.later = [readers[symbol] for symbol, _ in pairs]

    def must_wait(self, reader: Reader, now: float) -> bool:
        """Its ticks need those of another symbol, which have not come yet."""
        other = self._before.get(reader.catch_up.symbol)
        if other is None:
            return False
        # Live ticks that wait for the tape's word are not there yet either.
        return other.live_waits or not (other.catch_up.caught_up or self._is_silent(other, now))

    def blocks(self, reader: Reader, now: float) -> bool:
        """Whether it may not ask just now; what it waits for is asked about at once."""
        blocked = reader.held is not None or self.must_wait(reader, now)
        if blocked and not reader.blocked:
            self.hurry(reader)
        return reader.block(blocked, now)

    def withheld(self, readers: Iterable[Reader], now: float) -> str:
        """Which live ticks wait, and for what; empty: none."""
        for reader in readers:
            if not reader.withholds:
                continue
            symbol = reader.catch_up.symbol
            other = self._before.get(symbol)
            if other is None or other.live_waits or not self.must_wait(reader, now):
                wait = f"until the tape says what came before, {self._give_up:g} s at most"
            else:
                wait = f"for those of {other.catch_up.symbol}"
            return f"those of {symbol} wait {wait}"
        return ""

    def hurry(self, reader: Reader) -> None:
        """Somebody waits for what has to come before a symbol."""
        other = self._before.get(reader.catch_up.symbol)
        if other is not None:
            other.hurry()

    def is_complete(self, reader: Reader, reply: BacklogReply, now: float, empty_at: float) -> bool:
        """Whether all that was published before a reply's ticks is here, of what they need.

        Args:
            reader: Of the symbol.
            reply: A source's answer.
            now: Monotonic time, seconds.
            empty_at: The same, when the queue of live ticks was last empty.
        """
        other = self._before.get(reply.symbol)
        if other is None or reply.status == "unknown":
            return True
        if other.live_waits:
            return False
        if other.catch_up.reached(reply.generation, reply.newest.get(other.catch_up.symbol, 0)):
            return True
        if not other.catch_up.joined:
            return self._is_silent(other, now)
        if not reply.ticks:
            # Held, the word that a source knows nothing would be asked for again and again, and
            # patience with it would never end.
            return True
        # The numbers of another run of the tape say nothing; a live stream is no second behind.
        return reader.held is reply and empty_at >= reader.patient_until

    def _is_silent(self, other: Reader, now: float) -> bool:
        return other.is_silent(now, self._give_up, self._least_helpless)
