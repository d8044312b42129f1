"""What a quote currency is worth in the account's, as of an event time."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_shared.market.rates import KEPT, LAG_US, RateBook, converter, needed
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick


def spec(name: str, base: str, quote: str) -> SymbolSpec:
    return SymbolSpec(name, 1e5, 5, 0.01, 0.01, 100.0, quote, base)


EURJPY, USDJPY = spec("EURJPY", "EUR", "JPY"), spec("USDJPY", "USD", "JPY")
EURGBP, GBPUSD = spec("EURGBP", "EUR", "GBP"), spec("GBPUSD", "GBP", "USD")
EURUSD = spec("EURUSD", "EUR", "USD")
SPECS = {s.name: s for s in (EURJPY, USDJPY, EURGBP, GBPUSD, EURUSD)}
SECOND = 1_000_000
EURO_AT = Tick("EURJPY", 100 * SECOND, 163.0, 163.01)


def yen(second: float, bid: float, ask: float | None = None) -> Tick:
    return Tick("USDJPY", round(second * SECOND), bid, bid if ask is None else ask)


def rate_after(*ticks: Tick) -> float | None:
    book = RateBook("USD", SPECS)
    for tick in ticks:
        book.add(tick)
    return book.rate(EURJPY, EURO_AT)


@pytest.mark.parametrize(
    ("symbol", "account", "name"),
    [
        (EURJPY, "USD", "USDJPY"),
        (EURGBP, "USD", "GBPUSD"),
        (EURUSD, "USD", None),
        (USDJPY, "USD", None),
        (EURGBP, "PLN", None),
    ],
)
def test_the_converting_symbol_is_found_by_its_currencies(
    symbol: SymbolSpec, account: str, name: str | None
) -> None:
    found = converter(symbol, account, SPECS)
    assert (found.name if found is not None else None) == name


def test_a_brokers_decoration_does_not_matter_and_its_own_comes_first() -> None:
    suffixed = {s.name: s for s in (spec("EURJPY.s", "EUR", "JPY"), spec("USDJPY.s", "USD", "JPY"))}
    found = converter(suffixed["EURJPY.s"], "USD", {**suffixed, "USDJPY": USDJPY})
    assert found == suffixed["USDJPY.s"]
    assert set(needed(["EURJPY.s"], "USD", suffixed)) == {"EURJPY.s", "USDJPY.s"}


def test_before_the_first_quote_there_is_no_rate() -> None:
    book = RateBook("USD", SPECS)
    assert book.rate(EURJPY, EURO_AT) is None
    assert "no quote of USDJPY yet" in book.missing(EURJPY)
    assert book.rate(EURUSD, EURO_AT) == 1.0


def test_the_rate_is_that_of_a_second_before_whatever_came_since() -> None:
    assert rate_after(yen(98, 150.0)) == 1 / 150.0
    assert rate_after(yen(98, 150.0), yen(99, 151.0), yen(99.5, 152.0)) == 1 / 151.0


@pytest.mark.parametrize("bad", [yen(98.5, 0.0), yen(98.5, 15_000.0), yen(98.5, 1.5)])
def test_a_quote_that_is_not_believed_is_no_rate(bad: Tick) -> None:
    assert rate_after(yen(98, 150.0), bad) == 1 / 150.0


def test_a_crossed_quote_is_no_rate() -> None:
    assert rate_after(yen(98, 150.0), yen(98.5, 150.4, 150.3)) == 1 / 150.0


def test_a_long_day_is_trimmed() -> None:
    book = RateBook("USD", SPECS)
    for number in range(3 * KEPT):
        book.add(yen(number / 100, 150.0))
    assert len(book.states["USDJPY"].quotes) <= 2 * KEPT
    book.forget(3 * KEPT * SECOND // 100)
    assert len(book.states["USDJPY"].quotes) <= LAG_US // 10_000 + 1


@given(
    st.lists(st.tuples(st.integers(0, 120), st.floats(140.0, 160.0)), max_size=40),
    st.integers(0, 40),
    st.lists(st.integers(0, 130), max_size=10),
)
def test_a_book_that_was_restarted_says_the_same(
    quotes: Sequence[tuple[int, float]], cut: int, asked: list[int]
) -> None:
    whole, first = RateBook("USD", SPECS), RateBook("USD", SPECS)
    stream = [yen(second, mid) for second, mid in sorted(quotes)]
    for tick in stream:
        whole.add(tick)
    for tick in stream[:cut]:
        first.add(tick)
    first.forget(stream[cut - 1].time_us if 0 < cut <= len(stream) else 0)
    second = RateBook("USD", SPECS, first.states)
    for tick in stream[cut:]:
        second.add(tick)
    begin = stream[cut - 1].time_us if 0 < cut <= len(stream) else 0
    for moment in asked:
        at = Tick("EURJPY", begin + moment * SECOND, 163.0, 163.0)
        assert second.rate(EURJPY, at) == whole.rate(EURJPY, at)
