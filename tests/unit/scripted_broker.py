"""A broker that is far away: it answers as it is told to, and remembers what it was sent."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from mt5crs_services.gateway.broker import Dealt, FarBroker, HandDeal, Outcome, Status, Terms, Worth
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_services.gateway.quotes.market import SymbolMarket
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Code, Fill, Order, Position

UNKNOWN = Outcome(Status.UNKNOWN)
PENDING = Outcome(Status.PENDING)


class FarSide:
    """What is at the broker, whichever gateway asks.

    Attributes:
        sent: Orders that have arrived, in order.
        answers: What is said, one after the other, when something is sent or asked; afterwards the
            truth.
        lots: Volume that can be had at once; None: all of it.
        unasked: Deals that will come by themselves.
    """

    def __init__(self, *answers: Outcome | Exception) -> None:
        self.sent: list[Order] = []
        self.answers = deque(answers)
        self.lots: float | None = None
        self.unasked: deque[Dealt] = deque()
        self.held: dict[str, OpenPosition] = {}
        self.truth: dict[str, Outcome] = {}

    def deal(self, order: Order) -> Outcome:
        """Execute an order, as far as there is volume."""
        lots = order.lots if self.lots is None else min(self.lots, order.lots)
        before = self.held.get(order.strategy)
        ticket = before.position.ticket if before is not None else 1_000 + len(self.sent)
        opening = order.action == "OPEN"
        fill = Fill(
            order_id=order.order_id,
            strategy=order.strategy,
            symbol=order.symbol,
            ticket=ticket,
            entry="IN" if opening else "OUT",
            side=order.side,
            lots=lots,
            price=order.tick.ask if order.side == "BUY" else order.tick.bid,
            time_us=order.tick.time_us,
            code=Code.FILLED,
            profit=0.0 if opening else -5.0,
        )
        left = lots if opening or before is None else round(before.position.lots - lots, 8)
        position = Position(
            ticket,
            order.strategy,
            order.symbol,
            order.magic,
            order.side,
            left,
            fill.price,
            fill.time_us,
        )
        if not opening and before is not None:
            position = msgspec.structs.replace(before.position, lots=left)
        held = OpenPosition(position, order.tick, 1.0) if left else None
        whole = lots == order.lots
        return Outcome(Status.FILLED if whole else Status.PARTIAL, dealt=Dealt(fill, held))


class ScriptedBroker(FarBroker):
    """The gateway's end of it."""

    simulated = False
    ready = True
    trouble = ""
    book = "LIVE"

    def __init__(self, side: FarSide, held: Sequence[OpenPosition]) -> None:
        self._side = side
        self._held = {each.position.strategy: each for each in held}

    def terms(self, order: Order, tick: Tick, occurrence: int) -> Terms:
        held = self._held.get(order.strategy)
        return Terms(held.position if held else None, False, 1.0, 10.0, 1_000.0)

    def submit(self, order: Order, tick: Tick, occurrence: int) -> Outcome:
        self._side.sent.append(order)
        self._side.truth[order.order_id] = self._side.deal(order)
        return self._answer(order)

    def query(self, order: Order) -> Outcome:
        return self._answer(order)

    def poll(self, caught_up: bool) -> Iterator[Dealt]:
        while self._side.unasked:
            yield self._side.unasked[0]
            self._side.unasked.popleft()

    def settle(self, order_id: str, deal: HandDeal | None, who: str) -> str:
        return "ask the broker"

    def tend(self) -> None:
        pass

    def shut_down(self) -> None:
        pass

    def on_touched(
        self, strategy: str, ticket: int, tick: Tick, rate: float | None
    ) -> Dealt | str | None:
        return "ask the broker"

    def close(self, strategy: str, reason: str) -> Dealt | str:
        return "ask the broker"

    def on_tick(self, market: SymbolMarket, tick: Tick, good: bool) -> None:
        pass

    def on_booked(self, dealt: Dealt) -> None:
        side = (self._held, self._side.held)
        for held in side:
            if dealt.held is None:
                held.pop(dealt.fill.strategy, None)
            else:
                held[dealt.fill.strategy] = dealt.held

    def positions(self) -> Mapping[str, Position]:
        return {name: held.position for name, held in self._held.items()}

    def worth(self) -> Worth:
        return Worth({}, 0.0)

    def next_due(self) -> float:
        return 3600.0

    def _answer(self, order: Order) -> Outcome:
        if self._side.answers:
            said = self._side.answers.popleft()
            if isinstance(said, Exception):
                raise said
            return said
        none = Outcome(Status.REJECTED, Code.NOT_SEEN, "it never came here")
        return self._side.truth.get(order.order_id, none)
