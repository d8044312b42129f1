"""A strategy's answers: checked before anything else of the system sees them.

What a trader's class gives back is input like a frame from outside. What is no signal, no note,
no probability or no state that can be kept is the strategy's error, and nothing is ordered on it.
"""

import enum
import math
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.wording import ERROR_LENGTH, describe_error, one_line, shown
from mt5crs_worker.bars import BarWindow

NOTE_LENGTH: Final = 500
"""Characters of a note that are kept."""

STATE_DEPTH: Final = 50
"""Lists and dicts within each other that a state may have."""


_PACKAGE = str(Path(__file__).parent)


class Signal(enum.IntEnum):
    """What a strategy answers.

    BUY and SELL open a position, or turn an opposite one. HOLD leaves everything as it is, EXIT
    closes what is open.
    """

    SELL = -1
    HOLD = 0
    BUY = 1
    EXIT = 2


BUY: Final = Signal.BUY
SELL: Final = Signal.SELL
HOLD: Final = Signal.HOLD
EXIT: Final = Signal.EXIT

ALLOWED: Final = "BUY (1), SELL (-1), HOLD (0) or EXIT (2)"


class AnswerError(Mt5crsError):
    """A strategy answered what cannot be used. It is counted as its error; nothing is ordered."""


class StateError(Mt5crsError):
    """A strategy's `state` cannot be kept. It alone stops, until the operator mends its class."""


class Answering(Protocol):
    """The parts of a `Strategy` that are checked here."""

    state: dict[str, Any]
    note: str
    probability: float | None

    def on_bar(self, bars: BarWindow) -> Signal:
        """See `Strategy.on_bar`."""

    def on_tick(self, tick: Tick, bars: BarWindow) -> Signal:
        """See `Strategy.on_tick`."""


class Answer(msgspec.Struct, frozen=True):
    """One evaluation of a strategy, checked.

    Attributes:
        signal: What it decided.
        note: Its own words, on one line of at most :data:`NOTE_LENGTH` characters.
        probability: Of an upward move, in [0, 1]; None: it gave none.
    """

    signal: Signal
    note: str = ""
    probability: float | None = None


def ask_bar(strategy: Answering, bars: BarWindow) -> Answer:
    """Ask a strategy about a closed bar.

    Raises:
        AnswerError: It answered what cannot be used.
        StateError: It would order something, and its state cannot be kept.
    """
    _forget(strategy)
    with bars.lent():
        said = strategy.on_bar(bars)
    return _checked(strategy, strategy.on_bar, said)


def ask_tick(strategy: Answering, tick: Tick, bars: BarWindow) -> Answer:
    """Ask a strategy about a tick; raises as `ask_bar` does."""
    _forget(strategy)
    with bars.lent():
        said = strategy.on_tick(tick, bars)
    return _checked(strategy, strategy.on_tick, said)


def plain_state(state: object) -> dict[Any, Any]:
    """A copy of a strategy's state that holds nothing but Python's own plain values.

    Raises:
        StateError: It holds something else, and where.
    """
    if not isinstance(state, dict):
        raise StateError(f"the strategy's state must be a dict, and is {shown(state)}")
    kept: dict[Any, Any] = _plain(state, "state", 0)
    return kept


def describe_answer(error: BaseException) -> str:
    """An error of a strategy's code for people: what, and in which line of the trader's."""
    if isinstance(error, AnswerError):
        return one_line(str(error), ERROR_LENGTH)
    return describe_error(error, is_ours)


def is_ours(filename: str) -> bool:
    """Whether a file is this package's, and no strategy."""
    return filename.startswith(f"{_PACKAGE}/") and not filename.startswith(f"{_PACKAGE}/examples/")


def _forget(strategy: Answering) -> None:
    """What was said of an earlier decision is not said of this one; a respawn never heard it."""
    strategy.note, strategy.probability = "", None


def _checked(strategy: Answering, method: Callable[..., object], said: object) -> Answer:
    signal = _signal(said)
    if signal is None:
        raise AnswerError(f"{place(method)} answered {shown(said)}; it must answer {ALLOWED}")
    note: object = strategy.note
    if not isinstance(note, str):
        raise AnswerError(f"{place(method)} set note to {shown(note)}; it must be a text")
    probability: object = strategy.probability
    if probability is not None and not _is_probability(probability):
        raise AnswerError(
            f"{place(method)} set probability to {shown(probability)}; "
            "it must be a number in [0, 1], or None"
        )
    if signal != HOLD:
        try:
            plain_state(strategy.state)
        except StateError as error:
            raise StateError(f"after {place(method)}: {error}") from None
    return Answer(
        signal=signal,
        note=one_line(note, NOTE_LENGTH),
        probability=None if probability is None else float(probability),  # type: ignore[arg-type]
    )


def _signal(said: object) -> Signal | None:
    # `return fast > slow` is an error: what would False mean?
    if isinstance(said, bool | np.bool_ | np.ndarray):
        return None
    try:
        return Signal(operator.index(said))  # type: ignore[arg-type]  # what has none raises
    except (TypeError, ValueError):
        return None


def _is_probability(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    number = float(value)
    return math.isfinite(number) and 0.0 <= number <= 1.0


def place(method: Callable[..., object]) -> str:
    """Where a method of a trader's stands: ``Breakout.on_bar (my_strategies.py:12)``."""
    name = getattr(method, "__qualname__", "the strategy")
    code = getattr(method, "__code__", None)
    if code is None:
        return str(name)
    return f"{name} ({code.co_filename.rpartition('/')[2]}:{code.co_firstlineno})"


def _plain(value: Any, where: str, depth: int) -> Any:
    value = _own(value)
    if depth > STATE_DEPTH:
        raise StateError(f"the strategy's state cannot be kept: more than {STATE_DEPTH} deep")
    if type(value) is dict:
        return {
            _key(key, where): _plain(entry, f"{where}[{shown(key)}]", depth + 1)
            for key, entry in value.items()
        }
    if type(value) in (list, tuple):
        return [_plain(entry, f"{where}[{n}]", depth + 1) for n, entry in enumerate(value)]
    return _scalar(value, where)


def _key(key: Any, where: str) -> Any:
    return _scalar(_own(key), f"a key of {where}")


def _own(value: Any) -> Any:
    """A number out of an array, a signal or a code as one of Python's own values."""
    if isinstance(value, np.generic):
        return value.item()
    return value.value if isinstance(value, enum.IntEnum | enum.StrEnum) else value


def _scalar(value: Any, where: str) -> Any:
    fault = ""
    if type(value) is int:
        fault = "" if -(2**63) <= value < 2**64 else "a number of more than 64 bits"
    elif type(value) is str:
        fault = "" if value.isascii() or _encodable(value) else "a text with half a character"
    elif value is not None and type(value) not in (bool, float):
        fault = f"{shown(value)}, and may be a number, a text, a list or a dict"
    if fault:
        raise StateError(f"the strategy's state cannot be kept: {where} is {fault}")
    return value


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
