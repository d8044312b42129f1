"""One strategy without a process: its book, its market, and classes for it."""

from collections.abc import Iterator

from mt5crs_services.feed.synthetic import SyntheticMarket
from mt5crs_services.gateway.brokers import fills
from mt5crs_shared.configuration.structs import RiskConfig, StrategyConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Code, Fill, Order, OrderResult, Position, touched
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.strategy import HOLD, Signal, Strategy

SYMBOL = SymbolSpec("EURUSD", 100_000.0, 5, 0.01, 0.01, 100.0, "USD", "EUR")
CROSS = "mt5crs_worker.examples.ma_cross:MovingAverageCross"
HERE = "tests.unit.instance_cases"


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
