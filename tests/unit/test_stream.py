"""A symbol whose ticks are of use only after another one's gets them after those, whoever died."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from mt5crs_services.ring import TickRing
from mt5crs_services.service import BacklogServer
from mt5crs_shared.configuration.loading import load_config
from mt5crs_shared.market import wire
from mt5crs_shared.market.backlog import BacklogRequest, TickMark
from mt5crs_shared.market.reader import ANSWER_WITHIN, Reader
from mt5crs_shared.market.stream import GIVE_UP, TickStream
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.paths import VarPaths
from mt5crs_worker.process.trouble import of_market
from tests.system import ROOT, free_port, wait_for

START_US = 1_767_000_000_000_000
YEN, CROSS = "USDJPY", "EURJPY"


def tick(symbol: str, second: int) -> Tick:
    price = 150.0 if symbol == YEN else 163.0
    return Tick(symbol, START_US + second * 1_000_000, price + second / 1e3, price + 0.01 + second)


class Market:
    """A publisher, a tape that answers when it is told to, and a reader of both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = VarPaths(folder)
        paths.create()
        self.context: zmq.Context[Any] = zmq.Context()
        self.url = f"tcp://127.0.0.1:{free_port()}"
        self.publisher = self.context.socket(zmq.XPUB)
        self.publisher.setsockopt(zmq.LINGER, 0)
        self.publisher.bind(self.url)
        self.new_tape(paths)
        # The cross pair first: the order of a configuration is the trader's.
        self.stream = TickStream(
            self.context,
            self.url,
            {CROSS: None, YEN: None},
            [paths.endpoint("tape")],
            needs={CROSS: YEN},
        )
        self.poller = zmq.Poller()
        self.stream.register(self.poller)
        self.taken: list[Tick] = []
        self.stall = 0.0
        self.live = True
        heard = set()
        while len(heard) < 4:
            heard.add(self.publisher.recv())

    def new_tape(self, paths: VarPaths, generation: int = 1) -> None:
        self.rings = {symbol: TickRing(symbol, 1000, generation) for symbol in (YEN, CROSS)}
        self.tape = BacklogServer(self.context, paths, "tape", self.rings)
        self.questions: dict[str, tuple[bytes, BacklogRequest]] = {}

    def record(self, *ticks: Tick) -> None:
        for each in ticks:
            self.rings[each.symbol].append(each)

    def publish(self, *ticks: Tick) -> None:
        for each in ticks:
            self.publisher.send(wire.encode(each))

    def turn(self) -> None:
        events = dict(self.poller.poll(5))
        for batch in self.stream.read(events):
            self.taken.extend(batch.ticks)
            time.sleep(self.stall)  # a machine that is busy with what was taken

    def hear(self) -> None:
        """Take the reader's questions without answering them; the newest of a symbol counts."""
        while self.tape.socket.poll(0):
            sender, body = self.tape.socket.recv_multipart()
            request = msgspec.msgpack.decode(body, type=BacklogRequest)
            self.questions[request.symbol] = (sender, request)

    def answer(self, symbol: str) -> None:
        """Wait for the next question about a symbol and answer it."""

        def asked() -> bool:
            self.turn()
            self.hear()
            return symbol in self.questions

        wait_for(asked, f"a question about {symbol}")
        sender, request = self.questions.pop(symbol)
        reply = msgspec.structs.replace(self.tape._answer(request, True), live=self.live)
        self.tape.socket.send_multipart([sender, msgspec.msgpack.encode(reply)])
        self.turn()

    def until(self, condition: Callable[[], bool], *answering: str) -> None:
        """Turn, and answer questions about these symbols, until something is so."""

        def look() -> bool:
            self.turn()
            self.hear()
            for symbol in [s for s in answering if s in self.questions]:
                self.answer(symbol)
            return condition()

        wait_for(look, "the stream")

    def settle(self) -> None:
        """Give what is on its way time to come, where nothing is to come of it."""
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            self.turn()

    def close(self) -> None:
        self.stream.close()
        self.tape.close()
        self.publisher.close()
        self.context.term()


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    opened = Market(tmp_path / "var")
    yield opened
    opened.close()


def test_an_answer_that_is_newer_than_the_other_symbols_is_held_until_that_has_come(
    market: Market,
) -> None:
    market.record(tick(YEN, 0), tick(CROSS, 1))
    market.answer(YEN)
    # The tape goes on between the two answers: in a fast replay by minutes.
    market.record(*(tick(symbol, second) for second in range(2, 60) for symbol in (YEN, CROSS)))
    market.answer(CROSS)
    market.settle()
    assert [t for t in market.taken if t.symbol == CROSS] == []
    market.answer(YEN)
    market.until(lambda: len(market.taken) == 118)
    assert [t.symbol for t in market.taken] == [YEN] * 59 + [CROSS] * 59


def joined(market: Market) -> None:
    """Bring both symbols to the live stream."""
    market.record(tick(YEN, 0), tick(CROSS, 1))
    market.publish(tick(YEN, 0), tick(CROSS, 1))
    market.until(lambda: market.stream.joined, YEN, CROSS)
    assert market.taken == [tick(YEN, 0), tick(CROSS, 1)]


def test_live_ticks_wait_while_those_of_the_other_symbol_wait_for_the_tapes_word(
    market: Market,
) -> None:
    market.record(tick(YEN, 0), tick(CROSS, 1))
    market.publish(tick(CROSS, 1))
    market.until(lambda: len(market.taken) == 2, YEN, CROSS)
    fresh = [tick(YEN, 2), tick(CROSS, 4), tick(YEN, 5), tick(CROSS, 7)]
    assert market.stream.withheld == ""
    market.publish(*fresh)
    market.settle()
    assert market.taken == [tick(YEN, 0), tick(CROSS, 1)]
    assert market.stream.mark(CROSS).seq == 1  # type: ignore[union-attr]
    wait = "wait until the tape says what came before, 10 s at most"
    assert market.stream.withheld == f"those of EURJPY {wait}"
    market.record(*fresh[:2])
    market.until(lambda: len(market.taken) == 6, YEN)
    assert market.stream.withheld == ""
    assert market.taken[2:] == [tick(YEN, 2), tick(YEN, 5), tick(CROSS, 4), tick(CROSS, 7)]
    market.publish(tick(YEN, 8), tick(CROSS, 9))
    market.until(lambda: len(market.taken) == 8)


def test_what_live_ticks_wait_for_is_told(market: Market) -> None:
    shipped = load_config(ROOT / "config" / "strategies.yaml")
    config = msgspec.structs.replace(shipped, strategies=shipped.strategies[:1])

    def trouble(silent_for: float) -> str:
        return of_market(config, market.stream, silent_for, 0, 0)

    market.until(lambda: trouble(3.0) == "")
    market.publish(tick(CROSS, 0))
    market.until(lambda: market.stream.withheld == "those of EURJPY wait for those of USDJPY")
    assert trouble(1.0) == ""
    told = "no tick was taken for 3 s: those of EURJPY wait for those of USDJPY"
    assert trouble(3.0) == told


def test_two_symbols_that_follow_the_market_wait_for_nothing(market: Market) -> None:
    joined(market)
    both = [tick(symbol, second) for second in range(2, 100) for symbol in (CROSS, YEN)]
    market.publish(*both)
    market.until(lambda: len(market.taken) == 2 + len(both))
    assert market.taken[2:] == both


def test_an_answer_is_taken_after_a_second_where_the_tapes_numbers_cannot_be_compared(
    market: Market,
) -> None:
    joined(market)
    # Of one symbol the live stream lacks a tick: it alone asks, another run of the tape.
    market.record(tick(CROSS, 3), tick(YEN, 3))
    paths_generation = 2
    for symbol, ring in market.rings.items():
        again = TickRing(symbol, 1000, paths_generation)
        for each in (tick(YEN, 0), tick(YEN, 3)) if symbol == YEN else ring._ticks:
            again.append(each)
        market.rings[symbol] = again
    market.stream._readers[CROSS].rejoin()
    begun = time.monotonic()
    market.publish(tick(CROSS, 4))
    market.record(tick(CROSS, 4))
    market.until(lambda: tick(CROSS, 4) in market.taken, CROSS)
    assert 0.9 < time.monotonic() - begun < 5.0


@pytest.mark.parametrize(("newest", "ends"), [(1, True), (9, False)])
def test_patience_ends_where_the_tape_has_said_all_that_it_knows(newest: int, ends: bool) -> None:
    """A tape with a hole never fits to what was heard live: its next tick is no reason to wait."""
    reader = Reader(CROSS, None)
    reader.take_live(tick(CROSS, 1), 0.0)
    ring = TickRing(CROSS, 10, 1)
    ring.append(tick(CROSS, 0))
    said = msgspec.structs.replace(ring.answer(reader.catch_up.request()), newest_seq=newest)
    assert reader.take(said, 0, 9.0) == [tick(CROSS, 0)]
    assert reader.is_hopeless(10.1, 10.0, None) is ends


def test_patience_begins_when_a_symbol_can_ask(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it waits for another one nobody is asked: that nobody knows is not known yet."""
    # Ten times as long as what is measured, for a machine that is busy itself.
    monkeypatch.setattr("mt5crs_shared.market.reader.HELPLESS_AFTER", 1.0)
    stream = market.stream
    reader = stream._readers[CROSS]
    stream._least_helpless = 0
    market.publish(tick(YEN, 2), tick(CROSS, 3))
    market.until(lambda: reader.waiting_since is not None)
    reader.helpless.add(0)
    reader.asked = 1
    market.stall = 1.2  # longer than the patience of who is alone
    earlier = [tick(YEN, 0), tick(CROSS, 1), tick(YEN, 2), tick(CROSS, 3)]
    market.record(*earlier)
    market.until(lambda: stream.joined, YEN, CROSS)
    assert sorted(market.taken, key=lambda each: each.time_us) == earlier


def test_an_authority_waits_for_nothing_where_the_other_knows_nothing_either(
    market: Market,
) -> None:
    """The gateway has heard the first quotes, the tape has not: its numbers are behind for good."""
    market.stream.close()
    market.live = False
    sources = [VarPaths(market.folder).endpoint("tape")]
    market.stream = TickStream(
        market.context,
        market.url,
        {CROSS: None, YEN: None},
        sources,
        authority=True,
        needs={CROSS: YEN},
    )
    market.poller = zmq.Poller()
    market.stream.register(market.poller)

    def follows(symbol: str) -> bool:
        market.publish(tick(symbol, len(market.taken)))
        return market.stream.follows(symbol)

    market.until(lambda: follows(YEN), CROSS, YEN)
    market.record(*(tick(YEN, second) for second in range(100)))
    begun = time.monotonic()
    market.until(lambda: follows(CROSS), CROSS, YEN)
    assert time.monotonic() - begun < 5.0


@pytest.mark.parametrize("status", ["unknown", "nobody"])
def test_a_symbol_that_is_silent_and_unknown_is_not_waited_for(market: Market, status: str) -> None:
    """Over a weekend nothing comes of what converts a profit, and nobody has a word of it."""
    market.stream.close()
    market.live = False
    paths = VarPaths(market.folder)
    sources = [paths.endpoint("tape" if status == "unknown" else "gateway-backlog")]
    marks = {CROSS: None, YEN: TickMark(77, 5, (tick(YEN, -900),))}
    market.stream = TickStream(
        market.context, market.url, marks, sources, authority=True, needs={CROSS: YEN}
    )
    market.poller = zmq.Poller()
    market.stream.register(market.poller)
    begun = time.monotonic()

    def taken() -> bool:
        market.publish(tick(CROSS, len(market.taken)))
        return len(market.taken) > 3

    market.until(taken, CROSS, YEN)
    assert time.monotonic() - begun < 5.0
    assert not market.stream._readers[YEN].catch_up.caught_up


def test_a_standstill_is_no_time_in_which_anybody_could_have_answered(market: Market) -> None:
    later = 0.0
    stream = market.stream
    stream._monotonic = stream._queue._monotonic = lambda: time.monotonic() + later
    market.record(tick(YEN, 0), tick(YEN, 1))
    market.publish(tick(YEN, 1))
    market.until(lambda: stream._readers[YEN].live_waits)
    later = 3.0 * GIVE_UP
    market.settle()
    assert market.taken == [], "it has not gone on without the tape"
    market.until(lambda: len(market.taken) == 2, YEN)
    assert market.taken == [tick(YEN, 0), tick(YEN, 1)]


def test_patience_ends_though_each_question_is_waited_for(market: Market) -> None:
    later, step = 0.0, ANSWER_WITHIN + 0.05
    stream = market.stream
    stream._monotonic = stream._queue._monotonic = lambda: time.monotonic() + later
    market.publish(tick(YEN, 1))
    market.until(lambda: stream._readers[YEN].live_waits)
    for _ in range(round(GIVE_UP / step) + 2):
        later += step
        market.turn()
    assert market.taken == [tick(YEN, 1)]


def test_the_first_look_asks_before_anything_was_heard(market: Market) -> None:
    market.record(tick(YEN, 1))
    assert list(market.stream.read({})) == []

    def asked() -> bool:
        market.hear()
        assert list(market.stream.read({})) == []
        return YEN in market.questions

    wait_for(asked, "a question though no socket was said to be ready")
    assert CROSS not in market.questions, "it may ask after the other symbol alone"
    market.until(lambda: tick(YEN, 1) in market.taken, YEN)


def test_an_answer_that_comes_after_it_was_asked_again_is_taken(market: Market) -> None:
    # On a busy machine the tape took longer for each answer than readers waited before they asked
    # again, and none was ever taken: everything stood still.
    later = 0.0
    stream = market.stream
    stream._monotonic = stream._queue._monotonic = lambda: time.monotonic() + later
    market.record(tick(YEN, 0), tick(YEN, 1))
    market.publish(tick(YEN, 1))
    market.until(lambda: YEN in market.questions and stream._readers[YEN].live_waits)
    first = market.questions[YEN]
    for _ in range(3):
        asked = market.questions[YEN][1].request_id
        later += 1.1 * ANSWER_WITHIN
        market.until(lambda before=asked: market.questions[YEN][1].request_id > before)
    market.questions[YEN] = first
    market.answer(YEN)
    market.until(lambda: len(market.taken) == 2)
    assert market.taken == [tick(YEN, 0), tick(YEN, 1)]


def test_nobodys_ignorance_throws_away_what_somebody_said(market: Market) -> None:
    market.record(tick(YEN, 0), tick(CROSS, 1))
    market.answer(YEN)
    market.record(*(tick(symbol, second) for second in range(2, 60) for symbol in (YEN, CROSS)))
    market.answer(CROSS)
    market.settle()
    reader = market.stream._readers[CROSS]
    held = reader.held
    assert held is not None
    ignorant = msgspec.structs.replace(held, status="unknown", ticks=())
    late = msgspec.structs.replace(held, request_id=held.request_id - 1, newest={})
    empty = msgspec.structs.replace(held, ticks=(), newest={})
    for reply in (ignorant, late, empty):
        assert not market.stream._is_better(reader, reply)
    assert market.stream._is_better(reader, msgspec.structs.replace(held, newest={}))
