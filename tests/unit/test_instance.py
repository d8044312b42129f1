"""A strategy in the test's hands: ticks in, decisions out, and a restart that nobody notices."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt5crs_services.feed.synthetic import SyntheticMarket
from mt5crs_services.gateway.brokers import fills
from mt5crs_shared.configuration.structs import RiskConfig, StrategyConfig
from mt5crs_shared.market.backlog import TickMark
from mt5crs_shared.market.bars import Bar
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_shared.storage.decision_log import Decision
from mt5crs_shared.trading.orders import Code, Fill, Order, OrderResult, Position, touched
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.strategy import BUY, EXIT, HOLD, SELL, Signal, Strategy, StrategyError

SYMBOL = SymbolSpec("EURUSD", 100_000.0, 5, 0.01, 0.01, 100.0, "USD", "EUR")
CROSS = "mt5crs_worker.examples.ma_cross:MovingAverageCross"
HERE = "tests.unit.test_instance"


class Book:
    """A book that fills at the order's quote, and gives a repeated id its first answer."""

    def __init__(self) -> None:
        self.results: dict[str, OrderResult] = {}
        self.exits: dict[int, Fill] = {}
        self.refuse: Code | None = None
        self.refuse_openings: Code | None = None

    def submit(self, order: Order) -> OrderResult:
        if order.order_id not in self.results:
            self.results[order.order_id] = self._result(order)
        return self.results[order.order_id]

    def closed_by(self, position: Position, tick: Tick, rate: float | None = None) -> Fill | None:
        code = touched(position, tick)
        if code is not None and position.ticket not in self.exits:
            self.exits[position.ticket] = Fill(
                order_id=f"{position.ticket}:{code.lower()}",
                strategy=position.strategy,
                symbol=position.symbol,
                ticket=position.ticket,
                entry="OUT",
                side="SELL" if position.side == "BUY" else "BUY",
                lots=position.lots,
                price=tick.bid,
                time_us=tick.time_us,
                code=code,
                profit=-1.0,
            )
        return self.exits.get(position.ticket)

    def closed_before(self, position: Position, tick: Tick) -> bool:
        return False

    def _result(self, order: Order) -> OrderResult:
        refused = self.refuse or (self.refuse_openings if order.action == "OPEN" else None)
        if refused is not None:
            return OrderResult(order.order_id, "REJECTED", refused)
        price = order.tick.ask if order.side == "BUY" else order.tick.bid
        fill = Fill(
            order_id=order.order_id,
            strategy=order.strategy,
            symbol=order.symbol,
            ticket=order.ticket or len(self.results) + 1,
            entry="IN" if order.action == "OPEN" else "OUT",
            side=order.side,
            lots=order.lots,
            price=price,
            time_us=order.tick.time_us,
            code=Code.FILLED,
            profit=0.0 if order.action == "OPEN" else 2.0,
            stop_loss=order.stop_loss,
            take_profit=order.take_profit,
        )
        held = fills.position_of(order, fill, order.tick, order.occurrence)
        opened = held if order.action == "OPEN" else None
        return OrderResult(order.order_id, "FILLED", Code.FILLED, fill=fill, position=opened)


class Scripted(Strategy):
    """Says what the test wants: params["signals"], one after the other."""

    warmup = 15

    def on_bar(self, bars: BarWindow) -> Signal:
        said = self.state.get("said", 0)
        self.state["said"] = said + 1
        script = self.params["signals"]
        signal: Signal = script[said] if said < len(script) else HOLD
        return signal


class Failing(Strategy):
    """Raises at every bar."""

    warmup = 1

    def on_bar(self, bars: BarWindow) -> Signal:
        raise ZeroDivisionError("a bug in the strategy")


class Abstract(Strategy):
    """Has no on_bar."""


def config(**changes: object) -> StrategyConfig:
    # Bars of a second move little: a stop of a few ATR would lie within the spread.
    risk = RiskConfig(stop_loss_atr_multiple=20.0)
    fields = {"name": "s", "symbol": "EURUSD", "timeframe": "S1", "strategy": CROSS, **changes}
    fields.setdefault("risk_config", risk)
    return StrategyConfig(**fields)  # type: ignore[arg-type]


def instance(book: Book, **changes: object) -> StrategyInstance:
    return StrategyInstance(config(**changes), SYMBOL, book, 10_000.0, "USD")


def market(seed: int = 3, rate: float = 3.0, minutes: int = 5, bad: float = 0.0) -> list[Tick]:
    made = SyntheticMarket([SYMBOL], seed, rate, bad, start_us=0)
    return [tick for n in range(minutes) for tick in made.minute(n)]


def second(n: int, mid: float = 1.1, spread: float = 0.0001) -> Tick:
    return Tick("EURUSD", n * 1_000_000, mid - spread / 2, mid + spread / 2)


def wobble(count: int) -> Iterator[Tick]:
    """One tick a second, up and down enough for an ATR."""
    return (second(n, 1.1 + 0.001 * (n % 2)) for n in range(count))


def test_ticks_of_other_symbols_are_not_its_business() -> None:
    one = instance(Book())
    assert one.on_tick(Tick("EURUSD.s", 1, 1.1, 1.2))
    assert one.get_status().ticks_received == 0


def test_bad_ticks_are_counted_and_skipped() -> None:
    one = instance(Book())
    for tick in (second(5), second(4), second(6, mid=0.0), second(7, mid=2.0), second(8)):
        assert one.on_tick(tick)
    status = one.get_status()
    assert (status.ticks_received, status.ticks_processed, status.ticks_bad) == (5, 2, 3)


def test_a_signal_opens_with_stop_and_target_and_the_opposite_one_turns() -> None:
    book = Book()
    one = instance(book, strategy=f"{HERE}:Scripted", params={"signals": [BUY, BUY, SELL, EXIT]})
    for tick in wobble(21):
        one.on_tick(tick)
    done = [d.action for d in one.take_decisions()]
    assert done[:4] == ["OPEN", "KEEP", "TURN", "CLOSE"]
    opening = next(iter(book.results.values())).fill
    assert opening is not None
    assert opening.stop_loss < opening.price < opening.take_profit
    assert one.bot.position is None
    assert one.bot.realised == 4.0
    assert one.get_status().orders_sent == 4


def test_on_a_crossed_quote_nothing_is_decided_but_the_bar_is_not_forgotten() -> None:
    one = instance(Book(), strategy=f"{HERE}:Scripted", params={"signals": [BUY]})
    ticks = list(wobble(18))
    ticks[15] = second(15, spread=-0.0001)
    for tick in ticks[:16]:
        one.on_tick(tick)
    assert one.take_decisions() == []
    one.on_tick(Tick("EURUSD", 15_500_000, 1.1, 1.1001))
    (decision,) = one.take_decisions()
    assert (decision.time_us, decision.action) == (15_500_000, "OPEN")
    assert one.get_status().ticks_crossed == 1


def test_warming_up_decides_nothing() -> None:
    one = instance(Book(), strategy=f"{HERE}:Scripted", params={"signals": [BUY] * 9})
    for tick in wobble(30):
        one.on_tick(tick, decide=False)
    assert one.take_decisions() == []
    assert len(one.window) == 29


def test_errors_of_the_strategy_stay_in_the_strategy() -> None:
    one = instance(Book(), strategy=f"{HERE}:Failing")
    answers = [one.on_tick(tick) for tick in wobble(4)]
    assert answers == [True, False, False, False]
    status = one.get_status()
    assert status.error_count == 3
    assert "ZeroDivisionError: a bug in the strategy (test_instance.py:" in status.last_error
    assert status.ticks_processed == 4


def test_a_stop_within_the_spread_is_no_trade() -> None:
    risk = RiskConfig(stop_loss_atr_multiple=0.1)
    one = instance(Book(), strategy=f"{HERE}:Scripted", params={"signals": [BUY]}, risk_config=risk)
    for tick in wobble(17):
        one.on_tick(tick)
    (first, *_) = one.take_decisions()
    assert first.action == "NO_TRADE"
    assert "within the spread" in first.detail
    status = one.get_status()
    assert (status.signals_generated, status.signals_untraded, status.orders_sent) == (1, 1, 0)
    assert status.last_reason == first.detail


def test_a_refused_order_leaves_no_position() -> None:
    book = Book()
    book.refuse = Code.NO_MARGIN
    one = instance(book, strategy=f"{HERE}:Scripted", params={"signals": [BUY]})
    for tick in wobble(17):
        one.on_tick(tick)
    assert one.bot.position is None
    assert one.take_decisions()[0].action == "REFUSED"
    status = one.get_status()
    assert (status.orders_sent, status.orders_rejected, status.orders_missed) == (1, 1, 0)
    assert status.last_reason == "order refused: NO_MARGIN"


@pytest.mark.parametrize("code", [Code.STALE, Code.NO_LEASE])
def test_an_order_that_never_left_is_missed_and_not_sent(code: Code) -> None:
    book = Book()
    book.refuse = code
    one = instance(book, strategy=f"{HERE}:Scripted", params={"signals": [SELL]})
    for tick in wobble(17):
        one.on_tick(tick)
    assert one.take_decisions()[0].action == "MISSED"
    status = one.get_status()
    assert (status.orders_sent, status.orders_rejected, status.orders_missed) == (0, 0, 1)
    assert status.last_reason == f"order not sent: {code}"


def test_a_turn_whose_second_half_is_too_old_counts_both_halves() -> None:
    book = Book()
    one = instance(book, strategy=f"{HERE}:Scripted", params={"signals": [BUY, SELL, BUY]})
    for tick in wobble(16):
        one.on_tick(tick)
    book.refuse_openings = Code.STALE
    one.on_tick(second(16))
    status = one.get_status()
    assert (status.orders_sent, status.orders_filled, status.orders_missed) == (2, 2, 1)
    assert status.last_reason == "order not sent: STALE"
    book.refuse_openings = None
    one.on_tick(second(17, 1.101))
    status = one.get_status()
    assert (status.orders_sent, status.last_reason) == (3, "")
    assert 0 < status.last_reason_us < status.last_tick_time_us


def test_a_touched_stop_is_learned_before_the_tick_is_looked_at_further() -> None:
    book = Book()
    one = instance(book, strategy=f"{HERE}:Scripted", params={"signals": [BUY, HOLD, BUY]})
    for tick in wobble(16):
        one.on_tick(tick)
    assert one.bot.position is not None
    one.on_tick(second(16, mid=1.05))
    assert one.bot.position is None
    assert one.bot.realised == -1.0
    one.on_tick(second(17, mid=1.05))
    assert one.bot.position is not None


def test_a_position_that_the_book_closed_meanwhile_keeps_its_profit() -> None:
    book = Book()
    one = instance(book, strategy=f"{HERE}:Scripted", params={"signals": [BUY, EXIT]})
    for tick in wobble(16):
        one.on_tick(tick)
    position = one.bot.position
    assert position is not None
    book.refuse = Code.NO_POSITION
    book.closed_by(position, second(16, mid=1.05))
    one.on_tick(second(17))
    assert one.bot.position is None
    assert one.bot.realised == -1.0
    assert one.take_decisions()[-1].action == "CLOSE"


def test_deciding_on_every_tick_sees_the_open_bar() -> None:
    one = instance(Book(), evaluate="tick", strategy=f"{HERE}:Scripted", params={"signals": []})
    for tick in wobble(20):
        one.on_tick(tick)
    assert one.strategy.state["said"] == 20 - 14
    assert len(one.window) == 19


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("no.such:Thing", "there is no module no; looked in "),
        ("mt5crs_worker.examples.ma_cros:X", "there is no module mt5crs_worker.examples.ma_cros"),
        ("mt5crs_worker.examples.ma_cross:Missing", "has no class Missing; it has MovingAverage"),
        (CROSS.lower().replace("average", "Averag"), "did you mean MovingAverageCross?"),
        ("mt5crs_worker.bars:BarWindow", "no subclass of Strategy"),
        (f"{HERE}:Abstract", "on_bar"),
    ],
)
def test_a_class_that_cannot_be_used_says_why(entry: str, words: str) -> None:
    with pytest.raises(StrategyError, match=words):
        instance(Book(), strategy=entry)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import tallib\n", "No module named 'tallib' (broken.py:1)"),
        ("x = 1 /\n", "SyntaxError: invalid syntax (broken.py:1)"),
        ("x = 1 / 0\n", "ZeroDivisionError: division by zero (broken.py:1)"),
        ("import sys\nsys.exit()\n", "SystemExit (broken.py:2)"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    (tmp_path / "broken.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StrategyError, match=re.escape(words)):
        instance(Book(), strategy="broken:Breakout")
    with pytest.raises(StrategyError, match=re.escape("did you mean broken?")):
        instance(Book(), strategy="brocken:Breakout")


def run_whole(ticks: list[Tick], book: Book, **changes: object) -> list[Decision]:
    one = instance(book, **changes)
    for tick in ticks:
        one.on_tick(tick)
    return one.take_decisions()


def run_with_deaths(
    ticks: list[Tick], book: Book, cuts: list[int], lost: list[int], **changes: object
) -> list[Decision]:
    """The same, but at each cut the process dies after losing some ticks past its checkpoint."""
    decisions: list[Decision] = []
    one, begin = instance(book, **changes), 0
    for cut, loses in zip(cuts, lost, strict=True):
        end = max(cut, begin)
        for tick in ticks[begin:end]:
            one.on_tick(tick)
        decisions += one.take_decisions()
        saved = one.checkpoint(TickMark(0, 0, ()), 0, one.get_status())
        for tick in ticks[end : end + loses]:
            one.on_tick(tick)
        one = StrategyInstance(
            config(**changes), SYMBOL, book, 10_000.0, "USD", epoch=2, checkpoint=saved
        )
        begin = end
    for tick in ticks[begin:]:
        one.on_tick(tick)
    return decisions + one.take_decisions()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5), st.randoms(use_true_random=False), st.sampled_from(["bar", "tick"]))
def test_a_strategy_that_died_decides_as_one_that_never_did(
    seed: int, chance: random.Random, evaluate: str
) -> None:
    ticks = market(seed, bad=0.05)
    cuts = sorted(chance.randrange(len(ticks)) for _ in range(5))
    lost = [chance.randrange(40) for _ in cuts]
    calm, stormy = Book(), Book()
    expected = run_whole(ticks, calm, evaluate=evaluate)
    found = run_with_deaths(ticks, stormy, cuts, lost, evaluate=evaluate)
    assert found == expected
    assert stormy.results == calm.results
    assert stormy.exits == calm.exits
    assert any(d.action in ("OPEN", "TURN") for d in expected)


def test_counters_go_on_over_a_restart() -> None:
    ticks = market()
    one = instance(Book())
    for tick in ticks[:100]:
        one.on_tick(tick)
    saved = one.checkpoint(TickMark(0, 0, ()), 0, one.get_status())
    two = StrategyInstance(config(), SYMBOL, Book(), 10_000.0, "USD", 2, saved)
    assert two.get_status() == one.get_status()
    assert two.get_status() != StrategyMetrics()


def test_bars_of_a_file_are_told_apart_from_those_of_ticks() -> None:
    one = StrategyInstance(config(), SYMBOL, Book(), 10_000.0, "USD")
    minute = 60_000_000
    one.warm_up([Bar(n * minute, 1.1, 1.2, 1.0, 1.1, 0) for n in range(-40, 0)])
    for tick in wobble(3):
        one.on_tick(tick)
    status = one.get_status()
    assert (status.history_bars, status.warm) == (40, 40 + status.bars)
    again = one.checkpoint(TickMark(0, 0, ()), 0, status)
    other = StrategyInstance(config(), SYMBOL, Book(), 10_000.0, "USD", checkpoint=again)
    assert other.get_status().history_bars == 40
