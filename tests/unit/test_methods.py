"""A class that cannot work is refused before it is used, with what to write instead."""

import pytest

from mt5crs_shared.trading.methods import fault_of_methods, own_module


class Base:
    def on_bar(self, bars: object) -> int:
        return 0

    def on_fill(self, fill: object) -> None:
        return None


METHODS = {"on_bar": "self, bars", "on_fill": "self, fill"}


class Fine(Base):
    limit = 3

    def on_bar(self, bars: object, *, far: bool = False) -> int:
        return 1

    def on_bars_that_matter(self) -> None:
        """A helper of its own."""

    def _on_fil(self) -> None:
        """What is private is never meant."""


class Unbound(Base):
    @staticmethod
    def on_bar(bars: object) -> int:  # type: ignore[override]
        return 1


class TooFew(Base):
    def on_bar(self) -> int:  # type: ignore[override]
        return 1


class TooMany(Base):
    def on_bar(self, bars: object, tick: object) -> int:  # type: ignore[override]
        return 1


class Later(Base):
    async def on_bar(self, bars: object) -> int:  # type: ignore[override]
        return 1


class Yielding(Base):
    def on_fill(self, fill: object):  # type: ignore[no-untyped-def]
        yield fill


class Misspelt(Base):
    def onfill(self, fill: object) -> None:
        """Nothing calls it."""


class Inherits(Misspelt):
    """Its parent's mistake is its own."""


@pytest.mark.parametrize("kind", [Base, Fine, Unbound])
def test_what_works_has_no_fault(kind: type) -> None:
    assert fault_of_methods(kind, Base, METHODS) == ""


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (TooFew, "on_bar takes (self, bars) (too many positional arguments)"),
        (TooMany, "on_bar takes (self, bars) (missing a required argument: 'tick')"),
        (Later, "on_bar has to answer at once: neither async nor yield"),
        (Yielding, "on_fill has to answer at once: neither async nor yield"),
        (Misspelt, "nothing calls its method onfill; did you mean on_fill?"),
        (Inherits, "nothing calls its method onfill; did you mean on_fill?"),
    ],
)
def test_what_cannot_work_says_what_to_write(kind: type, said: str) -> None:
    assert fault_of_methods(kind, Base, METHODS) == said


def test_a_file_with_a_name_of_pythons_own_is_told_of() -> None:
    assert own_module("signal") == own_module("signal.inner").replace("inner", "")
    assert "give your file another name" in own_module("statistics")
    assert own_module("my_strategies") == ""
