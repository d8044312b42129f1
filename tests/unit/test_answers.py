"""What a strategy answers is checked before anything else sees it: nonsense orders nothing."""

import collections
import sys
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.backlog import TickMark
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.trading.orders import Fill
from mt5crs_worker.answers import (
    AnswerError,
    StateError,
    ask_bar,
    plain_state,
)
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.strategy import (
    BUY,
    EXIT,
    HOLD,
    SELL,
    Signal,
    Strategy,
    StrategyError,
    load_strategy,
)
from tests.unit.instance_cases import SYMBOL, Book, config, wobble

HERE = "tests.unit.test_answers"


class Told(Strategy):
    """Does and answers what the test has put into its class."""

    warmup: Any = 15
    answer: Any = HOLD
    set: ClassVar[dict[str, Any]] = {}

    def on_bar(self, bars: BarWindow) -> Signal:
        for attribute, value in self.set.items():
            setattr(self, attribute, value)
        answer: Signal = self.answer
        return answer


class Unfinished(Strategy):
    """Forgot super().__init__."""

    def __init__(self, config: StrategyConfig, symbol: SymbolSpec) -> None:
        self.fast = 3

    def on_bar(self, bars: BarWindow) -> Signal:
        return HOLD


class Hasty(Unfinished):
    """Reads the params before anybody set them."""

    def __init__(self, config: StrategyConfig, symbol: SymbolSpec) -> None:
        self.fast = self.params["fast"]


class Vandal(Strategy):
    """Writes into what it was given."""

    warmup = 15

    def on_bar(self, bars: BarWindow) -> Signal:
        match self.params["what"]:
            case "append":
                last = bars.last
                assert last is not None
                bars.append(msgspec.structs.replace(last, start_us=last.start_us + 1_000_000))
            case "closes":
                closes = bars.closes
                closes.setflags(write=True)
                closes[-1] = 9.0
        return BUY


class UnspeakableError(Exception):
    """Cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no")


class BadFill(Told):
    """Opens, and fails at its deal."""

    def on_fill(self, fill: Fill) -> None:
        raise UnspeakableError


def run(book: Book, answer: Any = HOLD, kind: str = "Told", **attributes: Any) -> StrategyInstance:
    Told.answer, Told.set = answer, attributes
    one = StrategyInstance(config(strategy=f"{HERE}:{kind}"), SYMBOL, book, 10_000.0, "USD")
    for tick in wobble(17):
        one.on_tick(tick)
    return one


@pytest.mark.parametrize(
    ("answer", "action"),
    [
        *[(BUY, "OPEN"), (1, "OPEN"), (np.int64(1), "OPEN")],
        *[(SELL, "OPEN"), (-1, "OPEN"), (np.int8(-1), "OPEN")],
        *[(HOLD, "NONE"), (EXIT, "NONE"), (np.uint8(2), "NONE")],
    ],
)
def test_numbers_that_are_signals_are_signals(answer: object, action: str) -> None:
    one = run(Book(), answer)
    (first, *_) = one.take_decisions()
    assert (first.action, type(first.signal)) == (action, Signal)
    assert one.get_status().error_count == 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("BUY", "answered 'BUY'"),
        ("SELL", "answered 'SELL'"),
        (3, "answered 3"),
        (-2, "answered -2"),
        (float("nan"), "answered nan"),
        (1.0, "answered 1.0"),
        (np.sign(0.3), "1.0"),
        (None, "answered None"),
        (True, "answered True"),
        (np.bool_(True), "True"),
        (np.array(1), "array(1)"),
        (2**70, "answered 1180591620717411303424"),
        ([], "answered []"),
        (object(), "answered <object"),
        ("x" * 1_000_000, "answered 'xxx"),
    ],
)
def test_nonsense_orders_nothing_and_says_so(answer: object, words: str) -> None:
    book = Book()
    one = run(book, answer)
    status = one.get_status()
    assert (book.results, one.take_decisions()) == ({}, [])
    assert (status.error_count, status.signals_generated, status.orders_sent) == (2, 0, 0)
    assert status.last_error.startswith("Told.on_bar (test_answers.py:")
    assert words in status.last_error
    assert "must answer BUY (1), SELL (-1), HOLD (0) or EXIT (2)" in status.last_error
    assert len(status.last_error) < 600
    one.checkpoint(TickMark(0, 0, ()), 0, status)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"note": 3}, "set note to 3; it must be a text"),
        ({"note": None}, "set note to None"),
        ({"probability": float("nan")}, "set probability to nan"),
        ({"probability": "0.5"}, "set probability to '0.5'"),
        ({"probability": 1.5}, "set probability to 1.5; it must be a number in [0, 1], or None"),
        ({"probability": np.array([0.5])}, "set probability to array([0.5])"),
    ],
)
def test_a_note_and_a_probability_are_checked_too(attributes: Any, words: str) -> None:
    book = Book()
    one = run(book, BUY, **attributes)
    assert book.results == {}
    assert words in one.get_status().last_error


def test_a_probability_out_of_an_array_is_a_number() -> None:
    first = run(Book(), BUY, probability=np.float32(0.5), note="a\nb").take_decisions()[0]
    assert (type(first.probability), first.probability, first.note) == (float, 0.5, "a b")


def test_a_note_of_a_megabyte_is_cut() -> None:
    (first, *_) = run(Book(), BUY, note="x\ud800" * 1_000_000).take_decisions()
    assert len(first.note) == 500
    assert first.note.encode()


def test_what_was_said_of_an_earlier_decision_is_not_said_again() -> None:
    one = run(Book(), HOLD, note="old", probability=0.7)
    Told.set = {}
    answer = ask_bar(one.strategy, one.window)
    assert (answer.note, answer.probability) == ("", None)


@pytest.mark.parametrize("state", [[1], None, {"a": object()}, {"a": {1, 2}}, {"a": 2**70}])
def test_a_state_that_cannot_be_kept_stops_the_strategy_before_it_orders(state: object) -> None:
    book = Book()
    with pytest.raises(StateError):
        run(book, BUY, state=state)
    assert book.results == {}


def test_a_state_that_holds_itself_is_refused() -> None:
    state: dict[str, Any] = {}
    state["me"] = state
    with pytest.raises(StateError, match="more than 50 deep"):
        plain_state(state)


def test_a_state_says_where_it_is_wrong() -> None:
    with pytest.raises(StateError, match=r"state\['levels'\]\[1\] is Decimal"):
        import decimal

        plain_state({"levels": [1, decimal.Decimal(1)]})
    with pytest.raises(StateError, match="is defaultdict"):
        plain_state({"a": collections.defaultdict(int)})
    with pytest.raises(StateError, match="half a character"):
        plain_state({"a": "\ud800"})


def test_numbers_out_of_arrays_and_signals_are_kept_as_plain_ones() -> None:
    state = {"close": np.float64(1.1), "n": np.int64(3), "up": np.bool_(True), "last": BUY}
    kept = plain_state(state)
    assert kept == {"close": 1.1, "n": 3, "up": True, "last": 1}
    assert [type(value) for value in kept.values()] == [float, int, bool, int]


scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
keys = st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=12,
)


@given(st.dictionaries(keys, values, max_size=5))
def test_a_plain_state_comes_back_as_it_was(state: dict[str, Any]) -> None:
    encoded = msgspec.msgpack.encode(plain_state(state))
    assert msgspec.msgpack.encode(msgspec.msgpack.decode(encoded)) == encoded


@pytest.mark.parametrize("kind", ["Unfinished", "Hasty"])
def test_a_forgotten_init_says_what_to_write(kind: str) -> None:
    with pytest.raises(StrategyError, match=r"super\(\).__init__\(config, symbol\)"):
        load_strategy(config(strategy=f"{HERE}:{kind}"), SYMBOL)


class Lonely(Told):
    def __init__(self) -> None:
        raise AssertionError("nobody can make it")


class Idle(Strategy):
    warmup = 1


def test_a_class_that_answers_nothing_is_not_told_of_its_init() -> None:
    with pytest.raises(StrategyError) as caught:
        load_strategy(config(strategy=f"{HERE}:Idle"), SYMBOL)
    assert "on_bar" in str(caught.value) and "made with" not in str(caught.value)


def test_an_init_that_takes_nothing_is_named_with_its_line_and_what_it_is_given() -> None:
    line = Lonely.__init__.__code__.co_firstlineno
    given = rf"it is made with \(config, symbol\): Lonely.__init__ \(test_answers.py:{line}\)"
    with pytest.raises(StrategyError, match=given):
        load_strategy(config(strategy=f"{HERE}:Lonely"), SYMBOL)


@pytest.mark.parametrize("warmup", ["20", 0, 257, 20.0, None])
def test_a_warmup_is_a_number_of_bars(monkeypatch: pytest.MonkeyPatch, warmup: object) -> None:
    monkeypatch.setattr(Told, "warmup", warmup)
    with pytest.raises(StrategyError, match="whole number of bars, 1 to 256"):
        load_strategy(config(strategy=f"{HERE}:Told"), SYMBOL)


@pytest.mark.parametrize("what", ["append", "closes"])
def test_bars_are_only_lent(what: str) -> None:
    book = Book()
    entry = config(strategy=f"{HERE}:Vandal", params={"what": what})
    one = StrategyInstance(entry, SYMBOL, book, 10_000.0, "USD")
    for tick in wobble(17):
        one.on_tick(tick)
    assert (book.results, one.get_status().error_count, len(one.window)) == ({}, 2, 16)
    assert one.window.closes.max() < 2.0


class Leaver(Strategy):
    """Wants to end everything."""

    warmup = 15

    def on_bar(self, bars: BarWindow) -> Signal:
        sys.exit("enough")


def test_a_strategy_that_wants_to_exit_has_an_error() -> None:
    status = run(Book(), kind="Leaver").get_status()
    assert status.error_count == 2
    assert status.last_error.startswith("SystemExit: enough (test_answers.py:")


def test_an_error_at_a_deal_does_not_undo_it() -> None:
    one = run(Book(), BUY, kind="BadFill")
    assert one.bot.position is not None
    status = one.get_status()
    assert (status.orders_filled, status.error_count) == (1, 1)
    assert status.last_error.startswith(
        "UnspeakableError: its text cannot be had (test_answers.py:"
    )


def test_an_answer_error_is_no_reason_to_stop() -> None:
    one = run(Book(), "BUY")
    with pytest.raises(AnswerError):
        ask_bar(one.strategy, one.window)
    Told.answer = BUY
    assert ask_bar(one.strategy, one.window).signal is BUY
