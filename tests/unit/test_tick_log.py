from hypothesis import given
from hypothesis import strategies as st

from mt5crs_services.gateway.quotes.market import SymbolMarket
from mt5crs_services.gateway.quotes.tick_log import TickLog
from mt5crs_shared.market.ticks import Tick
from tests.unit.gateway_cases import SYMBOLS, tick

ticks = st.builds(
    tick,
    st.integers(0, 12),
    st.sampled_from([1.1, 1.1001, 1.5, 0.0]),
    st.sampled_from([1.1001, 1.1002, 1.5001]),
)


@given(st.lists(ticks, max_size=60))
def test_a_good_tick_is_found_at_its_place_among_equal_ones(stream: list[Tick]) -> None:
    market = SymbolMarket(SYMBOLS["EURUSD"], None, 1)
    good = [market.add(each) for each in stream]
    for index, each in enumerate(stream):
        if good[index]:
            number = index + 1
            rest = [(n + 1, t) for n, t in enumerate(stream) if n > index and good[n]]
            occurrence = market.occurrence(each, number)
            assert market.number(each, occurrence) == number
            assert market.after(each, occurrence) == rest


def test_a_tick_that_is_not_here_is_not_found() -> None:
    log = TickLog(10)
    assert log.find(tick(0), 0) is None
    log.append(tick(5), True, tick(5).time_us)
    assert log.find(tick(5), 0) == -1
    assert log.find(tick(5), 1) is None
    assert log.find(tick(5, 1.2, 1.3), 0) is None
    assert log.good_after(log.last_until(tick(4).time_us)) == [(-1, tick(5))]
    assert log.good_after(log.last_until(tick(5).time_us)) == []


def test_of_equal_ticks_without_a_time_the_nearest_is_taken() -> None:
    log = TickLog(10)
    for number in range(4):
        each = tick(1_000 * number, timed=False)
        log.append(each, True, each.time_us)
    assert log.find(tick(1_100, timed=False), 0) == -3
    assert log.find(tick(90_000_000, timed=False), 0) is None


def test_old_ticks_are_let_go() -> None:
    log = TickLog(10)
    for number in range(100):
        log.append(tick(number), True, tick(number).time_us)
    assert 10 <= len(log) <= 20
    assert log.oldest == tick(100 - len(log))
    assert log.find(tick(99), 0) == -1
    assert log.find(tick(50), 0) is None
