"""What the page shows of a span: every figure is that of `trades`."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_services.page.history.correlation import DAY, HOUR, correlations, period_of
from mt5crs_services.page.history.view import (
    POINTS,
    AskedTrades,
    history_of,
    meant,
    thinned_curve,
)
from mt5crs_shared.trading.trades import Trade, grouped_by, performance
from tests.unit.test_trades import DAY_US, MONDAY_US, made


def renamed(trades: list[Trade], strategy: str, symbol: str = "EURUSD") -> list[Trade]:
    return [msgspec.structs.replace(t, strategy=strategy, symbol=symbol) for t in trades]


def together(*parts: list[Trade]) -> list[Trade]:
    return sorted((t for part in parts for t in part), key=lambda t: t.closed_us)


EURO = renamed(made([5.0, -2.0, 3.0, -9.0, 1.0, 4.0], at=DAY_US), "euro")
CABLE = renamed(made([-5.0, 2.0, -3.0, 9.0, -1.0, -4.0], at=DAY_US), "cable", "GBPUSD")
EVERY = together(EURO, CABLE)


def test_each_group_has_the_figures_of_its_trades() -> None:
    view = history_of(EVERY, AskedTrades())
    assert view.together is not None
    assert view.together.net == performance(EVERY).net
    for span, groups in view.groups.items():
        own = grouped_by(EVERY, span)  # type: ignore[arg-type]  # it is a Span
        assert [group.name for group in groups] == list(own)
        for group in groups:
            found = performance(own[group.name])
            assert (group.net, group.drawdown) == (found.net, found.drawdown)


def test_a_span_begins_with_its_first_moment_and_ends_before_its_last() -> None:
    begin = (MONDAY_US + 2 * DAY_US) / 1e6
    found = meant(EURO, AskedTrades(since=begin, until=begin + 86_400.0))
    assert [t.net for t in found] == [-2.0]
    assert [t.strategy for t in meant(EVERY, AskedTrades(strategy="cable"))] == ["cable"] * 6
    assert meant(EVERY, AskedTrades(strategy="cable", symbol="EURUSD")) == []


def test_where_nothing_was_closed_there_is_nothing() -> None:
    view = history_of([], AskedTrades())
    assert view.together is None
    assert view.correlation == {}
    assert [curve.points for curve in view.curves] == [()]


def test_who_wins_what_the_other_loses_goes_against_it() -> None:
    found = correlations({"euro": EURO, "cable": CABLE}, DAY)
    assert found["euro"]["cable"] == found["cable"]["euro"] == -1.0
    assert found["euro"]["euro"] == 1.0


def test_where_little_happened_nothing_is_said() -> None:
    assert correlations({"euro": EURO[:2], "cable": CABLE[:2]}, DAY)["euro"]["cable"] is None
    flat = renamed(made([1.0] * 6, at=DAY_US), "flat")
    assert correlations({"euro": EURO, "flat": flat}, DAY)["euro"]["flat"] is None


def test_a_short_span_is_looked_at_by_the_hour() -> None:
    assert period_of(0.0, 10 * 86_400.0) == DAY
    assert period_of(0.0, 9 * 86_400.0) == HOUR


@given(st.lists(st.integers(-1_000, 1_000), min_size=1, max_size=5_000))
def test_a_thinned_curve_keeps_its_ends_and_its_deepest_fall(nets: list[int]) -> None:
    trades = made([float(net) for net in nets])
    points = thinned_curve(trades)
    found = performance(trades)
    assert len(points) <= POINTS + 2
    assert points[-1][1] == pytest.approx(found.net)
    assert max(point[2] for point in points) == pytest.approx(found.drawdown)
