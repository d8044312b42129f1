"""Every shape arrives over a real PUB socket, by what a reader really subscribes to."""

from collections.abc import Iterator

import pytest
import zmq

from mt5crs_shared.market import wire
from mt5crs_shared.market.market_socket import SIMULATED, MarketSocket
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire_formats import FORMATS, Example
from tests.system import free_port, wait_for

EXAMPLES = [example for known in FORMATS for example in known.examples]
T1 = [wire.encode(Tick("EURUSD", 1_767_000_000_000_000, 1.1, 1.2))]
TOKEN = [b'{"token": "t", "symbol": "EURUSD", "bid": 1.3, "ask": 1.4, "time": 1767000000}']
OTHER = [b'{"token": "t", "symbol": "GBPUSD", "bid": 1.3, "ask": 1.4, "time": 1767000000}']
LONGER = [b'EURUSD.s {"symbol": "EURUSD.s", "bid": 1.3, "ask": 1.4, "time": 1767000000}']
STRANGE = [b'{"type": "heartbeat", "seq": 5}']


class Market:
    """A publisher that sees what its one reader subscribes to, and that reader."""

    def __init__(self, *symbols: str, own_feed: bool = False) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.url = f"tcp://127.0.0.1:{free_port()}"
        self.subscribed: set[bytes] = set()
        self.publisher = self._bind()
        self.reader = MarketSocket(self.context, self.url, symbols, own_feed=own_feed)
        self._all = {*wire.WIDER} if not own_feed else set()
        self._all.update(prefix for symbol in symbols for prefix in wire.subscriptions(symbol))
        self.wait_subscribed()

    def restart(self) -> None:
        """Another publisher takes the place."""
        self.publisher.close(0)
        wait_for(lambda: self.reader.read().interrupted, "the interruption")
        self.publisher = self._bind()
        self.wait_subscribed()

    def wait_subscribed(self) -> None:
        wait_for(lambda: self._all <= self.words(), "the subscriptions")

    def words(self) -> set[bytes]:
        """What the reader is subscribed to now."""
        # A socket says what it has to say when its thread touches it.
        self.reader.socket.getsockopt(zmq.EVENTS)
        while self.publisher.poll(0):
            word = self.publisher.recv()
            (self.subscribed.add if word[:1] == b"\x01" else self.subscribed.discard)(word[1:])
        return self.subscribed

    def take(self, *messages: list[bytes]) -> list[Tick]:
        """What the reader takes of some messages."""
        self.reader.simulated = False
        for frames in (*messages, [SIMULATED]):
            self.publisher.send_multipart(frames)
        taken: list[Tick] = []

        def all_read() -> bool:
            taken.extend(tick for tick, _ in self.reader.read().ticks)
            return self.reader.simulated

        wait_for(all_read, "the last message")
        return taken

    def close(self) -> None:
        self.reader.close()
        self.publisher.close(0)
        self.context.term()

    def _bind(self) -> "zmq.Socket[bytes]":
        self.subscribed = set()
        publisher = self.context.socket(zmq.XPUB)
        publisher.bind(self.url)
        return publisher


@pytest.fixture
def market() -> Iterator[Market]:
    opened = Market("EURUSD")
    yield opened
    opened.close()


def wider(market: Market) -> bool:
    """Whether the reader still hears all beginnings."""
    words = market.words()
    return all(prefix in words for prefix in wire.WIDER)


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{e.name} {e.what}" for e in EXAMPLES])
def test_every_shape_arrives(example: Example) -> None:
    market = Market(example.symbol)
    try:
        frames = list(example.frames)
        (tick,) = market.take(frames)
        assert (tick.symbol, tick.timed) == (example.symbol, example.timed)
        narrow = frames[0].startswith(wire.subscriptions(example.symbol))
        if narrow:
            wait_for(lambda: not wider(market), "the end of the wider subscriptions")
        again = market.take(frames, OTHER, STRANGE, frames)
        assert [(t.symbol, t.bid, t.ask) for t in again] == [(tick.symbol, tick.bid, tick.ask)] * 2
        assert wider(market) is not narrow
        assert market.reader.refusals.total == 0
    finally:
        market.close()


def test_messages_of_others_are_nobodys_fault(market: Market) -> None:
    assert [tick.symbol for tick in market.take(OTHER, STRANGE, LONGER, TOKEN)] == ["EURUSD"]
    assert market.reader.refusals.counts == {wire.OTHER_SYMBOL.reason: 1}
    assert market.reader.refusals.total == 0


def test_a_message_that_names_the_symbol_and_is_no_tick_is_counted_and_told(market: Market) -> None:
    broken = [b'{"token": "t", "symbol": "EURUSD", "bid": null, "ask": 1.4}']
    assert market.take(broken, TOKEN) != []
    told = str(market.reader.refusals)
    assert told.startswith('1 of an unknown shape; the newest begins b\'{"token"')
    assert "got `null` - at `$.bid`" in told


def test_one_symbol_comes_in_one_shape(market: Market) -> None:
    assert [tick.bid for tick in market.take(TOKEN, T1, TOKEN, T1)] == [1.3, 1.1, 1.1]
    wait_for(lambda: not wider(market), "the end of the wider subscriptions")
    assert [tick.bid for tick in market.take(TOKEN, T1)] == [1.1]


def test_the_wider_subscriptions_stay_until_every_symbol_has_come() -> None:
    market = Market("EURUSD", "GBPUSD")
    try:
        assert [tick.symbol for tick in market.take(T1, OTHER, TOKEN)] == ["EURUSD", "GBPUSD"]
        # EURUSD has come by a prefix of its own: of it the rest is left, here and in every reader.
        assert market.reader.refusals.counts == {wire.SECOND_SHAPE.reason: 1}
        assert wider(market)
    finally:
        market.close()


def test_the_next_publisher_may_send_another_shape(market: Market) -> None:
    for frames, bid in ((T1, 1.1), (TOKEN, 1.3), (T1, 1.1), (TOKEN, 1.3)):
        assert [tick.bid for tick in market.take(frames)] == [bid]
        market.restart()
        assert wider(market)


def test_what_waits_of_the_last_publisher_does_not_hide_the_next_ones_shape(
    market: Market,
) -> None:
    assert market.take(T1) != []
    for _ in range(3):
        market.publisher.send_multipart(T1)
    market.restart()
    assert [tick.bid for tick in market.take(TOKEN)] == [1.3]


def test_nothing_wider_is_asked_of_a_feed_of_ours() -> None:
    market = Market("EURUSD", own_feed=True)
    try:
        assert not market.words() & set(wire.WIDER)
    finally:
        market.close()
