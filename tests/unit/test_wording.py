"""What is said to people is short and of one line, whatever it is made of."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_shared.wording import (
    ERROR_LENGTH,
    VALUE_LENGTH,
    describe_error,
    nearest,
    one_line,
    place_of,
    shown,
    utc_now,
)
from mt5crs_worker import answers
from mt5crs_worker.answers import is_ours
from mt5crs_worker.bars import BarWindow


class UnspeakableError(Exception):
    """Raises when it is asked for its words."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __repr__(self) -> str:
        raise SystemExit(3)


class RudeError(Exception):
    """Ends the process that asks for its words."""

    def __str__(self) -> str:
        raise SystemExit(3)


class HeavyText(str):
    """A text that does not know its length."""

    def __len__(self) -> int:
        raise RuntimeError("no length")


class HeavyError(Exception):
    """Says such a text."""

    def __str__(self) -> str:
        return HeavyText("heavy")


class InterruptingError(Exception):
    """Pretends that somebody has pressed Ctrl-C."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


class Nameless(type):
    """Makes classes without a name."""

    @property
    def __name__(cls) -> str:
        raise RuntimeError("no name")


class NamelessError(Exception, metaclass=Nameless):
    """Has none."""


def test_an_error_of_any_kind_is_described() -> None:
    assert describe_error(HeavyError()) == "HeavyError: heavy"
    assert describe_error(InterruptingError()) == "InterruptingError: its text cannot be had"
    assert describe_error(NamelessError("words")) == "NamelessError: words"
    odd = SyntaxError("odd")
    odd.filename = 5  # type: ignore[assignment]
    assert describe_error(odd).startswith("SyntaxError: odd")


def test_a_terminal_takes_every_line() -> None:
    assert one_line("a\x1b[2Jb\x07\x00\u2028c\ud800", 50) == "a [2Jb c"


@pytest.mark.parametrize("kind", [UnspeakableError, RudeError])
def test_an_error_without_words_is_described(kind: type[Exception]) -> None:
    assert describe_error(kind()) == f"{kind.__name__}: its text cannot be had"


def test_an_error_of_many_words_is_one_short_line() -> None:
    said = describe_error(ValueError("a line of it\n" * 500))
    assert said.startswith("ValueError: a line of it a line")
    assert len(said) == ERROR_LENGTH
    assert "\n" not in said


def test_an_error_without_text_has_its_name() -> None:
    assert describe_error(ValueError()) == "ValueError"


def test_a_value_that_cannot_be_shown_has_its_kind() -> None:
    assert shown(UnspeakableError()) == "<UnspeakableError>"
    assert len(shown(["a text of some length"] * 1_000)) <= VALUE_LENGTH


def test_a_moment_has_the_letter_of_utc() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", utc_now())
    assert re.fullmatch(r".*\.\d{6}Z", utc_now("microseconds"))


def test_the_nearest_name_ignores_case() -> None:
    assert nearest("MAX_lots", ["max_lots", "min_lots"]) == "max_lots"
    assert nearest("zzz", ["max_lots"]) == ""


@given(st.text(), st.integers(1, 50))
def test_a_line_is_a_line(text: str, length: int) -> None:
    line = one_line(text, length)
    assert len(line) <= length
    assert line.encode().decode().splitlines() in ([], [line])


def test_the_place_of_an_error_is_the_traders_line() -> None:
    def asked() -> None:
        BarWindow().append("no bar")  # type: ignore[arg-type]

    with pytest.raises(Exception) as raised:
        asked()
    assert re.fullmatch(r"test_wording\.py:\d+", place_of(raised.value, is_ours))


def test_an_error_that_no_line_of_theirs_raised_names_no_line_of_ours() -> None:
    with pytest.raises(TypeError) as raised:
        exec(compile("int([])", answers.__file__, "exec"))
    raised.value.__traceback__ = raised.tb.tb_next  # without this test's own line
    assert place_of(raised.value, is_ours) == ""


def test_the_place_of_a_syntax_error_is_where_it_stands() -> None:
    with pytest.raises(SyntaxError) as raised:
        compile("def f(:\n", "/home/trader/my.py", "exec")
    assert place_of(raised.value, is_ours) == "my.py:1"
