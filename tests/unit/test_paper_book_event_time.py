"""Whether the gateway's stream is ahead of the strategy's or behind it: the same deals."""

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mt5crs_services.gateway.requests.order_service import CLOCK_RETURNS_WITHIN
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Fill
from tests.memory import IN_MEMORY
from tests.unit.gateway_cases import START_US, Office, Plan, Trader, config, order, tick

STEP = 0.0005

quotes = st.tuples(
    st.integers(0, 2_000),  # us since the tick before
    st.integers(-6, 6),  # change of the mid, in half steps
    st.sampled_from([1, 1, 1, 2, -1]),  # spread, in tenths of a step; crossed where negative
    st.sampled_from(["good"] * 12 + ["zero", "far", "late", "again"]),
)
plans = st.builds(
    Plan,
    action=st.sampled_from(["HOLD", "HOLD", "BUY", "SELL", "EXIT"]),
    stop=st.sampled_from([0.0, STEP, 2 * STEP]),
    target=st.sampled_from([0.0, STEP, 3 * STEP]),
)


def make_ticks(moves: list[tuple[int, int, int, str]]) -> list[Tick]:
    """A market of small steps, with equal, crossed, late, far and impossible quotes."""
    ticks: list[Tick] = []
    time_us, mid = START_US, 1.1
    for wait, change, spread, kind in moves:
        time_us += wait
        mid = round(mid + change * STEP / 2, 5)
        half = spread * STEP / 20
        new = Tick("EURUSD", time_us, round(mid - half, 6), round(mid + half, 6))
        if kind == "zero":
            new = Tick("EURUSD", time_us, 0.0, new.ask)
        elif kind == "far":
            new = Tick("EURUSD", time_us, new.bid * 1.2, new.ask * 1.2)
        elif kind == "late" and ticks:
            # Not before the first one, where the clock would return: see guarantees.md.
            new = Tick("EURUSD", max(time_us - 5_000, ticks[0].time_us), new.bid, new.ask)
        elif kind == "returned":
            new = Tick("EURUSD", time_us - 5_000, new.bid, new.ask)
        elif kind == "again" and ticks:
            new = ticks[-1]
        ticks.append(new)
    return ticks


def play(
    moves: list[tuple[int, int, int, str]],
    wishes: list[Plan],
    turns: list[tuple[str, int]],
    latency_ms: float,
) -> list[Fill]:
    """Run one market past a gateway and a strategy, which take turns as told."""
    ticks = make_ticks(moves)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        paper = {"latency_ms": latency_ms, "slippage_points": 1.0, "commission_per_lot": 3.0}
        office = Office(Path(folder) / "ledger.db", config(**paper))
        trader = Trader(office, ticks, list(itertools.islice(itertools.cycle(wishes), len(ticks))))
        position = 0
        for who, count in turns:
            if who == "gateway":
                office.feed(*ticks[position : position + count])
                position = min(position + count, len(ticks))
            elif who == "trader":
                for _ in range(count):
                    trader.step()
            elif who == "save":
                office.core.save()
            else:
                office.restart()
        office.feed(*ticks[position:])
        for _ in range(4 * len(ticks)):
            trader.step()
        office.settle()
        fills = office.fills()
        office.ledger.close()
        return fills


turn = st.one_of(
    st.tuples(st.just("gateway"), st.integers(1, 12)),
    st.tuples(st.just("trader"), st.integers(1, 12)),
    st.tuples(st.sampled_from(["save", "restart"]), st.just(0)),
)


@settings(max_examples=100, deadline=None)
@given(
    moves=st.lists(quotes, min_size=5, max_size=60),
    wishes=st.lists(plans, min_size=1, max_size=20),
    turns=st.lists(turn, max_size=40),
    latency_ms=st.sampled_from([0.0, 0.0, 1.5]),
)
# The clock returns at the second of two equal ticks, and that one ends the position.
@example(
    moves=[(0, 0, 1, "good"), *[(0, n, 1, "returned") for n in (0, -2, 0)], (0, 0, 1, "good")],
    wishes=[Plan("SELL", 0.0, STEP)],
    turns=[],
    latency_ms=0.0,
)
def test_deals_do_not_depend_on_who_is_ahead(
    moves: list[tuple[int, int, int, str]],
    wishes: list[Plan],
    turns: list[tuple[str, int]],
    latency_ms: float,
) -> None:
    lockstep = [("gateway", 1), ("trader", 1)] * len(moves)
    assert play(moves, wishes, turns, latency_ms) == play(moves, wishes, lockstep, latency_ms)


@pytest.mark.parametrize("latency_ms", [0.0, 1.5])
def test_the_market_of_these_tests_makes_deals_of_every_kind(latency_ms: float) -> None:
    moves = [(500, change, 1, "good") for change in (3, -6, 2, 4, 6, -2, -6, 1, 5, -5) * 12]
    wishes = [Plan("BUY", STEP, 3 * STEP), Plan("HOLD"), Plan("SELL", 2 * STEP, STEP)]
    codes = {fill.code.value for fill in play(moves, wishes, [], latency_ms)}
    assert codes == {"FILLED", "STOP_LOSS", "TAKE_PROFIT"}


def test_an_order_on_a_tick_from_the_future_does_not_wait_for_that_future(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", config(latency_ms=30.0))
    second = 1_000_000
    before = [tick(n * second) for n in range(10)]
    ahead = tick(110 * second)
    office.feed(*before, ahead)
    request = order(ahead)
    assert office.ask_submit(request) is None
    returned = [tick((10 + n) * second) for n in range(3)]
    office.feed(*returned)
    result = office.ask_submit(request)
    assert result is not None
    assert result.fill is not None
    assert result.fill.time_us == returned[-1].time_us


def test_a_position_that_was_opened_in_the_future_can_be_closed_before_it(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", config())
    second = 1_000_000
    before = [tick(n * second) for n in range(10)]
    ahead = tick(110 * second)
    office.feed(*before, ahead)
    position = office.open(ahead)
    returned = [tick((10 + n) * second) for n in range(4)]
    office.feed(*returned)
    early = order(before[-1], "SELL", ticket=position.ticket)
    refused = office.submit(early)
    assert refused.detail == f"position {position.ticket} was opened after that tick"
    assert refused.code == "UNKNOWN_TICK"  # no word that it is gone
    closed = office.submit(order(returned[-1], "SELL", ticket=position.ticket))
    assert closed.status == "FILLED", closed


def test_a_closing_before_a_future_opening_waits_for_a_gateway_that_is_behind(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path / "ledger.db", config())
    second = 1_000_000
    ahead = [tick((110 + n) * second) for n in range(2)]
    office.feed(*(tick(n * second) for n in range(10)), *ahead)
    position = office.open(ahead[0])
    returned = [tick((10 + n) * second, 1.1 + n * STEP, 1.1001 + n * STEP) for n in range(6)]
    # The clock is believed to be back with the third of them, by strategy and gateway alike.
    request = order(returned[2], "SELL", ticket=position.ticket)
    assert office.ask_submit(request) is None  # neither dealt nor refused
    office.feed(*returned)
    closed = office.ask_submit(request)
    assert closed is not None
    assert closed.fill is not None
    assert closed.fill.time_us == returned[2].time_us


def test_a_touch_before_a_future_opening_waits_for_a_gateway_that_is_behind(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path / "ledger.db", config())
    second = 1_000_000
    ahead = tick(110 * second)
    office.feed(*(tick(n * second) for n in range(10)), ahead)
    position = office.open(ahead, stop_loss=1.099, take_profit=1.102)
    below = tick(12 * second, 1.0985, 1.0986)
    assert office.ask_touch(position, below) is None
    office.feed(tick(10 * second), tick(11 * second), below)
    assert office.touch(position, below).fill is not None


def test_it_waits_for_no_clock_that_never_comes_back_there(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", config())
    second = 1_000_000
    ahead = [tick((110 + n) * second) for n in range(3)]
    office.feed(*(tick(n * second) for n in range(10)), ahead[0])
    position = office.open(ahead[0], stop_loss=1.099)
    # Its strategy alone has heard it: the gateway's connection was away.
    below = tick(12 * second, 1.0985, 1.0986)
    assert office.ask_touch(position, below) is None
    office.feed(*ahead[1:])
    office.now += CLOCK_RETURNS_WITHIN + 0.1
    answer = office.touch(position, below)
    assert answer.detail == f"position {position.ticket} was opened after that tick"
    refused = office.submit(order(below, "SELL", ticket=position.ticket))
    assert refused.code == "UNKNOWN_TICK"
    assert office.position("euro") == position


def test_with_a_latency_a_tick_before_the_fill_closes_though_its_strategy_alone_has_it(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path / "ledger.db", config(latency_ms=100.0))
    office.feed(tick(0), tick(100_000), tick(250_000))
    position = office.open(tick(0))
    assert position.open_time_us == tick(100_000).time_us
    closed = office.submit(order(tick(50_000), "SELL", ticket=position.ticket))
    assert closed.fill is not None
    assert closed.fill.time_us == tick(250_000).time_us


def test_an_opening_that_its_strategy_alone_has_heard_came_before_what_it_decides_next(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path / "ledger.db", config())
    second = 1_000_000
    office.feed(*(tick(n * second) for n in range(10)))
    position = office.open(tick(100 * second))
    later = tick(12 * second)
    office.feed(tick(10 * second), tick(11 * second), later)
    assert office.submit(order(later, "SELL", ticket=position.ticket)).fill is not None
