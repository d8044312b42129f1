"""The market as a reader of several symbols takes it: live socket, backlog, in one order."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo

import msgspec
import zmq

from mt5crs_shared.market.backlog import BacklogReply, BacklogSources, TickMark
from mt5crs_shared.market.catch_up import Break
from mt5crs_shared.market.market_socket import MarketSocket, Refusals
from mt5crs_shared.market.reader import Precedence, QueueClock, Reader
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.sockets.curve import KeyPlaces

logger = logging.getLogger(__name__)

TAPE_PRESENCE = b"\x00mt5crs-tape"
"""What a tape subscribes to beside its symbols, so that a feed of ours sees that it is there."""

GIVE_UP = 10.0
"""Seconds after which nobody will say any more what came before."""

SIMULATED_GIVE_UP = 60.0
"""The same where the market is a feed of ours, which waits for its readers."""


class Batch(msgspec.Struct, frozen=True):
    """Ticks to process, in order.

    Attributes:
        ticks: All of one symbol when they come from the tape.
        history: How many of the first ones were handed over for warming up.
        feed_time_us: Newest event time that is believed, which ages are measured against.
        live: They come straight from the market socket.
        breaks: Where ticks may be missing.
    """

    ticks: list[Tick]
    history: int
    feed_time_us: int
    live: bool
    breaks: tuple[Break, ...] = ()


class TickStream:
    """Ticks of some symbols: first those that came since the marks, then live ones.

    Attributes:
        give_up: Seconds after which waiting live ticks are taken without the sources' word.

    Args:
        context: The process's ZMQ context.
        market_url: Where ticks are published.
        marks: For each symbol, where an earlier reader stopped; None: the tape's oldest tick.
        sources: Addresses that answer :class:`BacklogRequest`, asked all at once.
        give_up: Overrides the attribute; None: :data:`GIVE_UP`, or :data:`SIMULATED_GIVE_UP` where
            the publisher is a feed of ours.
        presence: Subscribed to as well, for the publisher to see.
        authority: Others follow this reader. Where no source follows the market either, it goes
            on with the live ticks at once, since all would wait for each other.
        needs: Symbols whose ticks are of use only after another one's, and that one's name. They
            come after everything of the other that was published before them.
        own_feed: The publisher is a feed of ours; see `MarketSocket`.
        zone: Where the publisher's clock is; None: see `wire.decode`.
        keys: Where the keys of its connection are; None: that is in the clear.
        monotonic: The monotonic clock, seconds.
        wall_us: Wall time in us since the epoch, for frames without a time.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        market_url: str,
        marks: Mapping[str, TickMark | None],
        sources: Iterable[str],
        give_up: float | None = None,
        presence: bytes | None = None,
        authority: bool = False,
        needs: Mapping[str, str] | None = None,
        own_feed: bool = False,
        zone: tzinfo | None = None,
        keys: KeyPlaces | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._monotonic = monotonic
        self._queue = QueueClock(monotonic, wall_us)
        usual = SIMULATED_GIVE_UP if own_feed else GIVE_UP
        self.give_up = usual if give_up is None else give_up
        self._readers = {symbol: Reader(symbol, mark) for symbol, mark in marks.items()}
        self._tape_simulated = False
        # Who hears a symbol hears the one that it needs: that is subscribed to before.
        symbols = sorted(marks, key=lambda symbol: symbol in (needs or {}))
        self._market = MarketSocket(
            context, market_url, symbols, presence, own_feed, zone, keys, wall_us, monotonic
        )
        self._sources = BacklogSources(context, sources)
        # A feed of ours knows what it has published; where it is not connected yet, it will be.
        least = len(self._sources.sockets) if own_feed else 0
        self._least_helpless = least if authority else None
        self._precedence = Precedence(
            self._readers, needs or {}, self.give_up, self._least_helpless
        )

    @property
    def absence(self) -> str:
        """That nobody publishes, and why the handshake failed where it did; empty: it is there."""
        return self._market.connection.absence

    @property
    def simulated(self) -> bool:
        """The market is one of our own feeds: time there is what its ticks say, and it waits."""
        return self._market.simulated or self._tape_simulated

    @property
    def refusals(self) -> Refusals:
        """Frames of the market socket that were not taken."""
        return self._market.refusals

    @property
    def feed_time_us(self) -> int:
        """Newest event time that is believed, us since the epoch; 0: none yet."""
        readers = self._readers.values()
        return max((max(r.clock.last_time_us, r.tape_time_us) for r in readers), default=0)

    @property
    def caught_up(self) -> bool:
        """Every symbol has taken all that the tape had."""
        return all(r.catch_up.caught_up for r in self._readers.values())

    @property
    def joined(self) -> bool:
        """Every symbol follows the market."""
        return all(r.catch_up.joined for r in self._readers.values())

    @property
    def duplicates(self) -> int:
        """Live ticks that the tape had delivered already."""
        return sum(r.catch_up.duplicates for r in self._readers.values())

    @property
    def missed(self) -> int:
        """Ticks that were published but can no longer be had."""
        return sum(r.catch_up.missed for r in self._readers.values())

    def mark(self, symbol: str) -> TickMark | None:
        """Where this reader stands in a symbol's stream."""
        return self._readers[symbol].catch_up.mark

    def place(self, symbol: str) -> tuple[int, int]:
        """The tape's run, and the number in it of the last tick that was taken of a symbol."""
        return self._readers[symbol].catch_up.place

    def follows(self, symbol: str) -> bool:
        """Whether a symbol follows the market."""
        return self._readers[symbol].catch_up.joined

    def register(self, poller: zmq.Poller) -> None:
        """Have the poller wake for market and tape."""
        for socket in (*self._market.sockets, *self._sources.sockets):
            poller.register(socket, zmq.POLLIN)

    def age(self, tick: Tick) -> float:
        """Seconds since a tick was the newest, by the feed's clock.

        Nothing grows old in a simulated market: it waits for its readers, and what an outage of
        ours lasts there is a matter of its speed. Otherwise, while catching up: how far the tape
        is ahead of it. Live: see `QueueClock`.
        """
        if self.simulated:
            return 0.0
        if not self.caught_up:
            return (self.feed_time_us - tick.time_us) / 1e6
        return self._queue.age(tick)

    @property
    def withheld(self) -> str:
        """Which live ticks wait, and for what; empty: none."""
        return self._precedence.withheld(self._readers.values(), self._monotonic())

    @property
    def behind(self) -> float:
        """Seconds since the queue of live ticks was last empty."""
        return self._monotonic() - self._queue.empty_at

    def timeout(self) -> float:
        """Seconds until there is something to do without any socket being ready."""
        now = self._monotonic()
        readers = self._readers.values()
        waits = self._precedence.must_wait
        due = [r.ask_at - now for r in readers if not r.catch_up.joined and not waits(r, now)]
        due += [r.patient_until - now for r in readers if r.held is not None]
        return max(min((*due, self._market.connection.next_due())), 0.0)

    def read(self, events: Mapping[object, int]) -> Iterable[Batch]:
        """Take what the ready sockets hold; the batches are to be processed in order."""
        stood_still = self._queue.standstill()
        for reader in self._readers.values():
            reader.wait_longer(stood_still)
        yield from self._read_replies(events)
        self._market.connection.mend()
        if any(socket in events for socket in self._market.sockets):
            yield from self._read_market()
        else:
            self._queue.on_empty()
        yield from self._release()
        yield from self._ask()

    def close(self) -> None:
        """Give the sockets back."""
        self._market.close()
        self._sources.close()

    def _read_market(self) -> Iterable[Batch]:
        received = self._market.read()
        now = self._monotonic()
        if received.whole:
            self._queue.on_empty()
        ready: list[Tick] = []
        for tick, received_us in received.ticks:
            reader = self._readers[tick.symbol]
            if reader.clock.judge(tick) == "good":
                self._queue.on_tick(tick, received_us)
            joined = reader.catch_up.joined
            if reader.held_live or (joined and self._precedence.must_wait(reader, now)):
                reader.held_live.append(tick)
            else:
                ready.extend(reader.take_live(tick, now))
        if ready:
            yield Batch(ready, 0, self.feed_time_us, live=True)
        if received.interrupted:
            # What comes next must be aligned anew, since some may have been lost.
            self._tape_simulated = False
            for reader in self._readers.values():
                reader.rejoin()

    def _read_replies(self, events: Mapping[object, int]) -> Iterable[Batch]:
        for number, reply in self._sources.replies(events):
            reader = self._readers.get(reply.symbol)
            if reader is None or (reader.held is not None and not self._is_better(reader, reply)):
                continue
            self._tape_simulated = self._tape_simulated or reply.simulated
            yield from self._take_reply(reader, reply, number)
            yield from self._release()

    def _is_better(self, reader: Reader, reply: BacklogReply) -> bool:
        """Whether an answer of another source needs no waiting, as the one that is held does."""
        same = reader.held is not None and reply.request_id == reader.held.request_id
        return same and bool(reply.ticks) and self._complete(reader, reply)

    def _take_reply(self, reader: Reader, reply: BacklogReply, number: int) -> Iterable[Batch]:
        """Take a source's answer, or hold it until what it needs is here."""
        if not self._complete(reader, reply):
            reader.hold(reply, number, self._monotonic())
            self._precedence.hurry(reader)
            return
        ticks = reader.take(reply, number, self._monotonic())
        if ticks:
            history = min(max(reply.history_seq - reply.first_seq + 1, 0), len(reply.ticks))
            breaks = reader.catch_up.take_breaks()
            yield Batch(ticks, history, self.feed_time_us, live=False, breaks=breaks)

    def _complete(self, reader: Reader, reply: BacklogReply) -> bool:
        return self._precedence.is_complete(reader, reply, self._monotonic(), self._queue.empty_at)

    def _release(self) -> Iterable[Batch]:
        """Take what was held and can be taken now."""
        for reader in self._precedence.later:
            if reader.held is not None and self._complete(reader, reader.held):
                yield from self._take_reply(reader, reader.held, reader.held_from)
            now = self._monotonic()
            if reader.held_live and not self._precedence.must_wait(reader, now):
                waited, reader.held_live = reader.held_live, []
                ready = [taken for tick in waited for taken in reader.take_live(tick, now)]
                if ready:
                    yield Batch(ready, 0, self.feed_time_us, live=True)

    def _ask(self) -> Iterable[Batch]:
        now = self._monotonic()
        for reader in self._readers.values():
            catch_up = reader.catch_up
            if catch_up.joined:
                reader.waiting_since = None
                continue
            if self._precedence.blocks(reader, now):
                continue
            if reader.is_hopeless(now, self.give_up, self._least_helpless):
                logger.warning("%s: nobody knows what came before; going on live", catch_up.symbol)
                ticks = catch_up.join_now()
                if ticks:
                    breaks = catch_up.take_breaks()
                    yield Batch(ticks, 0, self.feed_time_us, live=True, breaks=breaks)
            elif now >= reader.ask_at:
                reader.on_asked(self._sources.ask(catch_up.request()), now)
