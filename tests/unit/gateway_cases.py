"""A gateway without sockets, and a strategy that trades with it tick by tick."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mt5crs_services.gateway.broker import Broker, KeepFarSide
from mt5crs_services.gateway.brokers.paper.paper_broker import make_paper_broker
from mt5crs_services.gateway.core import GatewayCore
from mt5crs_services.gateway.ledger.account import Account
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.ledger.records import AccountNote
from mt5crs_services.gateway.quotes.market import Market
from mt5crs_shared import events
from mt5crs_shared.configuration.structs import (
    Config,
    GlobalConfig,
    PaperConfig,
    RiskConfig,
    StrategyConfig,
)
from mt5crs_shared.market.sanity import TickSanity
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import (
    FromGateway,
    OrderAnswer,
    PositionClosed,
    Register,
    Registered,
    Submit,
    ToGateway,
    Touched,
)
from mt5crs_shared.trading.orders import Charge, Fill, Order, OrderResult, Position, Side, touched

SYMBOLS = {
    name: SymbolSpec(name, contract, digits, 0.01, 0.01, 100.0, quote, base)
    for name, contract, digits, quote, base in (
        ("EURUSD", 100_000.0, 5, "USD", "EUR"),
        ("USDJPY", 100_000.0, 3, "JPY", "USD"),
        ("EURGBP", 100_000.0, 5, "GBP", "EUR"),
        ("GBPUSD", 100_000.0, 5, "USD", "GBP"),
    )
}
RISK = RiskConfig(max_position_size=100.0)
STRATEGIES = (
    StrategyConfig("euro", "EURUSD", magic=7, risk_config=RISK),
    StrategyConfig("other", "EURUSD", magic=8, risk_config=RISK),
    StrategyConfig("yen", "USDJPY", magic=9, risk_config=RISK),
    StrategyConfig("cross", "EURGBP", magic=10, risk_config=RISK),
    StrategyConfig("asleep", "EURUSD", magic=11, risk_config=RISK, enabled=False),
    StrategyConfig("small", "EURUSD", magic=12, risk_config=RiskConfig(max_position_size=50.0)),
)
START_US = 1_700_000_000_000_000


def config(balance: float = 10_000.0, **paper: Any) -> Config:
    settings = GlobalConfig(default_balance=balance, paper=PaperConfig(**paper))
    return Config("/config.yaml", STRATEGIES, settings, dict(SYMBOLS))


def tick(
    time_us: int, bid: float = 1.1, ask: float = 1.1001, symbol: str = "EURUSD", timed: bool = True
) -> Tick:
    """A tick so many microseconds after the start."""
    return Tick(symbol, START_US + time_us, bid, ask, timed=timed)


def order(
    on: Tick,
    side: Side = "BUY",
    strategy: str = "euro",
    lots: float = 0.1,
    **fields: Any,
) -> Order:
    """An opening order, or a closing one where a ticket is given."""
    action = "CLOSE" if "ticket" in fields else "OPEN"
    magic = next((s.magic_number for s in STRATEGIES if s.name == strategy), 99)
    given = {
        "order_id": f"{strategy}:{on.time_us}:0:{action}",
        "strategy": strategy,
        "epoch": 1,
        "symbol": on.symbol,
        "magic": magic,
        "action": action,
        "side": side,
        "lots": lots,
        "tick": on,
    }
    return Order(**(given | fields))


class Office:
    """A gateway's inside on one ledger file, restarted at will.

    Its tape is the list of ticks that it has been given.
    """

    def __init__(self, path: Path, settings: Config | None = None) -> None:
        self.path = path
        self.config = settings or config()
        self.now = 0.0
        self.tape: dict[str, list[Tick]] = {name: [] for name in SYMBOLS}
        self.start()

    def start(self) -> None:
        """Begin, or begin anew on the same ledger as after a kill."""
        self.ledger = Ledger(self.path, "USD", self.config.globals.default_balance)
        symbols = self.ledger.symbols(self.config.symbols)
        self.config = msgspec.structs.replace(self.config, symbols=symbols)
        self.market = Market(self.config, self.ledger.streams())
        # Who may open positions at all is tried in `test_permission`.
        self.core = GatewayCore(
            self.config,
            self.market,
            self.ledger,
            self.make_broker,
            lambda _: "",
            lambda: 1_000,
            lambda: self.now,
        )
        marks = self.market.start_marks
        self.places = {name: mark.seq if mark else 0 for name, mark in marks.items()}

    def make_broker(
        self, config: Config, market: Market, ledger: Ledger, account: Account, keep: KeepFarSide
    ) -> Broker:
        """The paper book; its positions are those that the ledger has."""
        self._keep = keep
        return make_paper_broker(config, market, ledger, account, keep, lambda: self.now)

    def charge(self, *charges: Charge) -> None:
        """Book what a broker that is far away would charge, and a note about the account."""
        self._keep("{}", (AccountNote(events.BALANCE, "it has moved"),), charges)

    def position(self, strategy: str) -> Position | None:
        return self.core.broker.positions().get(strategy)

    def restart(self) -> None:
        """Kill it and start another one; its stream begins where the ledger says."""
        reached = {name: len(ticks) for name, ticks in self.tape.items()}
        self.ledger.close()
        self.start()
        for name in self.places:
            count = reached[name]
            self.feed(*self.tape[name][self.places[name] : count], known=True)

    def feed(self, *ticks: Tick, known: bool = False) -> None:
        """Have the gateway's own stream go on by these ticks."""
        for each in ticks:
            if not known:
                self.tape[each.symbol].append(each)
            seq = self.places[each.symbol] = self.places[each.symbol] + 1
            self.market.symbols[each.symbol].align((1, seq), 1)
            self.core.on_tick(each)

    def ask(self, message: ToGateway) -> FromGateway | None:
        return self.core.orders.handle(message)

    def submit(self, request: Order) -> OrderResult:
        answer = self.ask(Submit(request))
        assert isinstance(answer, OrderAnswer)
        return answer.result

    def ask_submit(self, request: Order) -> OrderResult | None:
        """Submit an order that may have to wait for its tick."""
        answer = self.ask(Submit(request))
        assert answer is None or isinstance(answer, OrderAnswer)
        return answer.result if answer is not None else None

    def open(self, on: Tick, side: Side = "BUY", strategy: str = "euro", **fields: Any) -> Position:
        """Open a position, which must work."""
        result = self.submit(order(on, side, strategy, **fields))
        assert result.status == "FILLED", result
        position = self.position(strategy)
        assert position is not None
        return position

    def touch(self, position: Position, on: Tick, epoch: int = 1) -> PositionClosed:
        answer = self.ask_touch(position, on, epoch)
        assert answer is not None
        return answer

    def ask_touch(self, position: Position, on: Tick, epoch: int = 1) -> PositionClosed | None:
        """Name the tick that ended a position; the gateway may have to see it first."""
        answer = self.ask(Touched(position.strategy, epoch, position.ticket, on))
        assert answer is None or isinstance(answer, PositionClosed)
        return answer

    def register(self, strategy: str = "euro", epoch: int = 1) -> Registered:
        answer = self.ask(Register(strategy, epoch))
        assert isinstance(answer, Registered)
        return answer

    def fills(self) -> list[Fill]:
        return [deal.fill for deal in self.ledger.deals()]

    def settle(self) -> None:
        """Let every strategy's time for its say pass."""
        self.now += 60.0
        self.core.execution.turn(caught_up=False)


class Plan(msgspec.Struct, frozen=True):
    """What a strategy wants at a tick, where it may."""

    action: str = "HOLD"
    stop: float = 0.0
    target: float = 0.0


class Trader:
    """Does as a worker does: learns of its position's end first, then decides, then goes on."""

    def __init__(self, office: Office, ticks: Sequence[Tick], plans: Sequence[Plan]) -> None:
        self.office = office
        self._ticks = ticks
        self._plans = plans
        self._sanity = TickSanity()
        self._occurrences: Counter[tuple[int, float, float]] = Counter()
        self._position: Position | None = None
        self._script: deque[ToGateway] = deque()
        self._todo: list[Order] = []
        self.next = 0
        self.waiting: Order | None = None
        self._ending: Callable[[], bool] | None = None

    @property
    def done(self) -> bool:
        idle = self.waiting is None and self._ending is None
        return self.next == len(self._ticks) and idle

    def step(self) -> None:
        """Take the next tick, or ask again what became of the request that is on its way."""
        if self.waiting is not None:
            self._send(self.waiting)
        elif self._ending is not None:
            self._ending()
        elif self._todo:
            self._send(self._todo.pop(0))
        elif self.next < len(self._ticks):
            on = self._ticks[self.next]
            key = (on.time_us, on.bid, on.ask)
            occurrence = self._occurrences[key]
            self._occurrences[key] += 1
            plan = self._plans[self.next]
            self.next += 1
            good = self._sanity.judge(on) == "good"
            held = self._position
            looks = good or (held and self._sanity.protects and on.time_us >= held.open_time_us)
            if not looks or self._knows_the_end(
                on, lambda: self._go_on(on, occurrence, plan, good)
            ):
                self._go_on(on, occurrence, plan, good)

    def _go_on(self, on: Tick, occurrence: int, plan: Plan, good: bool) -> None:
        if good:
            self._take(on, occurrence, plan)

    def _knows_the_end(self, on: Tick, then: Callable[[], None]) -> bool:
        """Whether it is known what a tick did to the position; if not, `then` comes later."""
        held = self._position
        if held is None or touched(held, on) is None:
            return True
        answer = self.office.ask_touch(held, on)
        if answer is None:
            self._ending = lambda: self._knows_the_end(on, then)
            return False
        if answer.fill is not None:
            self._position = None
        if self._ending is not None:
            self._ending = None
            then()
        return True

    def _take(self, on: Tick, occurrence: int, plan: Plan) -> None:
        held = self._position
        if on.crossed or plan.action == "HOLD":
            return
        if held is not None and held.side != plan.action:
            side: Side = "SELL" if held.side == "BUY" else "BUY"
            self._todo.append(
                order(on, side, lots=held.lots, ticket=held.ticket, occurrence=occurrence)
            )
            self._todo[-1] = self._named(self._todo[-1], occurrence)
        if plan.action != "EXIT" and (held is None or held.side != plan.action):
            self._todo.append(self._named(self._opening(on, occurrence, plan), occurrence))
        if self._todo:
            self._send(self._todo.pop(0))

    @staticmethod
    def _named(request: Order, occurrence: int) -> Order:
        name = f"{request.strategy}:{request.tick.time_us}:{occurrence}:{request.action}"
        return msgspec.structs.replace(request, order_id=name)

    @staticmethod
    def _opening(on: Tick, occurrence: int, plan: Plan) -> Order:
        long = plan.action == "BUY"
        price, sign = (on.bid, 1.0) if long else (on.ask, -1.0)
        return order(
            on,
            "BUY" if long else "SELL",
            occurrence=occurrence,
            stop_loss=round(price - sign * plan.stop, 5) if plan.stop else 0.0,
            take_profit=round(price + sign * plan.target, 5) if plan.target else 0.0,
        )

    def _send(self, request: Order) -> None:
        answer = self.office.ask(Submit(request))
        if answer is None:
            self.waiting = request
            return
        self.waiting = None
        assert isinstance(answer, OrderAnswer)
        fill = answer.result.fill
        if request.action == "CLOSE":
            self._position = None
        elif fill is not None:
            self._position = Position(
                ticket=fill.ticket,
                strategy=request.strategy,
                symbol=request.symbol,
                magic=request.magic,
                side=fill.side,
                lots=fill.lots,
                open_price=fill.price,
                open_time_us=fill.time_us,
                stop_loss=fill.stop_loss,
                take_profit=fill.take_profit,
            )
