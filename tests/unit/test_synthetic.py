import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt5crs_services.feed.synthetic import MINUTE_US, MarketState, SyntheticMarket
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick

EURUSD = SymbolSpec("EURUSD", 100_000.0, 5, 0.01, 0.01, 100.0, "USD", "EUR", spread_points=8.0)
XAUUSD = SymbolSpec("XAUUSD", 100.0, 2, 0.01, 0.01, 100.0, "USD", "XAU", spread_points=25.0)
START_US = 1_767_261_600_000_000
FIRST = START_US // MINUTE_US


def market(
    symbols: tuple[SymbolSpec, ...] = (EURUSD, XAUUSD),
    seed: int = 42,
    rate: float = 4.0,
    bad: float = 0.0,
) -> SyntheticMarket:
    return SyntheticMarket(symbols, seed, rate, bad, START_US)


def run(made: SyntheticMarket, minutes: int) -> list[Tick]:
    first = made.state().next_minute
    return [tick for number in range(first, first + minutes) for tick in made.minute(number)]


def of(symbol: SymbolSpec, ticks: list[Tick]) -> list[Tick]:
    return [tick for tick in ticks if tick.symbol == symbol.name]


def test_same_seed_same_ticks_and_another_seed_others() -> None:
    ticks = run(market(), 5)
    assert ticks == run(market(), 5)
    assert ticks != run(market(seed=43), 5)


def test_global_random_state_is_neither_read_nor_changed() -> None:
    np.random.seed(1)
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    ticks = run(market(), 2)
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]
    np.random.seed(2)
    assert run(market(), 2) == ticks


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(0, 12), bad=st.sampled_from([0.0, 0.2]))
def test_a_restarted_market_goes_on_exactly(cut: int, bad: float) -> None:
    whole = run(market(bad=bad), 12)
    former = market(bad=bad)
    ticks = run(former, cut)
    saved = msgspec.json.decode(msgspec.json.encode(former.state()), type=MarketState)
    later = market(bad=bad)
    later.restore(saved)
    assert repr(ticks + run(later, 12 - cut)) == repr(whole)
    assert former.state() == saved


def test_a_symbol_does_not_depend_on_the_others() -> None:
    both = run(market(), 5)
    assert of(XAUUSD, both) == run(market((XAUUSD,)), 5)
    assert of(EURUSD, both) == run(market((EURUSD,)), 5)


def test_a_symbol_that_is_new_begins_beside_the_restored_ones() -> None:
    former = market((EURUSD,))
    run(former, 5)
    later = market()
    later.restore(former.state())
    ticks = later.minute(FIRST + 5)
    assert of(EURUSD, ticks) == former.minute(FIRST + 5)
    assert of(XAUUSD, ticks)[0].mid == pytest.approx(2400.0, rel=1e-3)


def test_times_are_whole_ascending_and_inside_the_minute() -> None:
    made = market(rate=50.0)
    for number in range(FIRST, FIRST + 3):
        ticks = made.minute(number)
        assert all(type(tick.time_us) is int for tick in ticks)
        assert all(number * MINUTE_US < tick.time_us < (number + 1) * MINUTE_US for tick in ticks)
        assert all(a.time_us <= b.time_us for a, b in pairwise(ticks))
        assert all(a.time_us < b.time_us for a, b in pairwise(of(EURUSD, ticks)))


def test_minutes_go_forward_and_may_be_left_out() -> None:
    made = market()
    last = of(EURUSD, made.minute(FIRST))[-1]
    with pytest.raises(ValueError, match=f"minute {FIRST} is made already"):
        made.minute(FIRST)
    after = of(EURUSD, made.minute(FIRST + 2_880))[0]
    assert after.mid == pytest.approx(last.mid, rel=1e-3)


def test_a_state_of_another_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="seed 42 cannot go on with seed 7"):
        market(seed=7).restore(market().state())


def test_quotes_look_like_a_market() -> None:
    ticks = run(market(), 300)
    for symbol, price in ((EURUSD, 1.10), (XAUUSD, 2400.0)):
        quotes = of(symbol, ticks)
        assert len(quotes) == pytest.approx(300 * 240, rel=0.02)
        assert all(tick.bid == round(tick.bid, symbol.digits) for tick in quotes)
        assert all(tick.ask == round(tick.ask, symbol.digits) for tick in quotes)
        assert not any(tick.crossed for tick in quotes)
        spreads = np.array([(tick.ask - tick.bid) / symbol.point for tick in quotes])
        assert np.median(spreads) == pytest.approx(symbol.spread_points, rel=0.3)
        assert len(np.unique(np.rint(spreads))) > 3
        assert quotes[-1].mid == pytest.approx(price, rel=0.05)


def test_an_unknown_symbol_starts_at_one_and_stays_positive() -> None:
    coin = SymbolSpec("COIN", 1.0, 0, 0.01, 0.01, 100.0, "USD", "XXX", spread_points=1.0)
    assert all(tick.bid >= 1.0 for tick in run(market((coin,)), 20))
    fine = msgspec.structs.replace(coin, digits=8)
    assert run(market((fine,)), 1)[0].mid == pytest.approx(1.0, rel=1e-3)


def test_a_quiet_symbol_may_have_minutes_without_ticks() -> None:
    made = market((EURUSD,), rate=0.005)
    counts = [len(made.minute(FIRST + number)) for number in range(200)]
    assert counts.count(0) > 100
    assert sum(counts) > 20


def test_returns_cluster_revert_and_jump() -> None:
    made = market((EURUSD,), rate=0.5)
    prices = []
    for number in range(FIRST, FIRST + 20_000):
        made.minute(number)
        prices.append(made.state().symbols["EURUSD"].log_price)
    returns = np.diff(prices)
    assert returns.std() == pytest.approx(0.08 / math.sqrt(260 * 1440), rel=0.1)
    assert -0.2 < np.corrcoef(returns[1:], returns[:-1])[0, 1] < -0.08
    assert np.corrcoef(returns[1:] ** 2, returns[:-1] ** 2)[0, 1] > 0.03
    assert np.abs(returns).max() > 6.0 * returns.std()


def test_bad_ticks_come_in_their_share_and_leave_the_others_alone() -> None:
    good, spoilt = run(market((EURUSD,)), 40), run(market((EURUSD,), bad=0.1), 40)
    assert len(good) == len(spoilt)
    changed = [
        (i, a, b)
        for i, (a, b) in enumerate(zip(good, spoilt, strict=True))
        if a is not b and a != b
    ]
    assert len(changed) == pytest.approx(0.1 * len(good), rel=0.15)
    kinds = {
        "crossed": sum(b.crossed and b.bid == a.ask for _, a, b in changed),
        "zero": sum(b.bid == 0.0 for _, _, b in changed),
        "nan": sum(math.isnan(b.ask) for _, _, b in changed),
        "far": sum(abs(b.bid / a.bid - 1.0) > 0.09 < b.bid for _, a, b in changed),
        "again": sum(b == good[i - 1] for i, _, b in changed),
        "back": sum(1e6 <= a.time_us - b.time_us <= 5e6 and a.bid == b.bid for _, a, b in changed),
    }
    assert min(kinds.values()) > len(changed) / 12, kinds
