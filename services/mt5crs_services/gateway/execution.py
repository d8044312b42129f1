"""Orders on their way through a broker: rules, states, booking. The same for every broker."""

import logging
import time
from collections.abc import Callable

import msgspec

from mt5crs_services.gateway.broker import AskedBroker, Broker, Dealt, Outcome, Status, Terms
from mt5crs_services.gateway.delayed_orders import DelayedOrders, Due
from mt5crs_services.gateway.ledger.account import Account
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.ledger.ledger_file import LedgerTakenError
from mt5crs_services.gateway.ledger.records import Booking, OpenOrder, OrderState
from mt5crs_services.gateway.quotes.market import Market
from mt5crs_services.gateway.risk import Breach, Proposal, Refusal, RiskRules
from mt5crs_services.gateway.risk.exposure import net_lots
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import FromGateway, OrderAnswer, PositionClosed
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.trading.locks import TradingLock
from mt5crs_shared.trading.orders import Code, Fill, Order, OrderResult
from mt5crs_shared.wording import describe_error

logger = logging.getLogger(__name__)

ASK_AGAIN = (0.1, 5.0)
"""Shortest and longest wait, in seconds, between two questions about an order's fate."""

Mail = tuple[str, FromGateway]
"""A strategy's name, and what it is to be told without having asked just now."""


class _Unsettled(msgspec.Struct):
    """An order that has been sent, and whose fate is not known.

    Attributes:
        order: The order.
        ask_at: Monotonic time of the next question, seconds.
        pause: Seconds until the one after it.
    """

    order: Order
    ask_at: float = 0.0
    pause: float = ASK_AGAIN[0]


class Execution:
    """Executes orders that may be executed, and books what comes of them.

    Args:
        config: The configuration.
        market: The gateway's own streams.
        ledger: Where every order is recorded before its answer leaves.
        account: Its money.
        broker: Who deals.
        rules: What is asked before.
        monotonic: The monotonic clock, seconds.
    """

    def __init__(
        self,
        config: Config,
        market: Market,
        ledger: Ledger,
        account: Account,
        broker: Broker,
        rules: RiskRules,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._market = market
        self._ledger = ledger
        self._account = account
        self._broker = broker
        self._asked = AskedBroker(broker)
        self._rules = rules
        self._monotonic = monotonic
        self._account_is = config.globals.account_currency, ledger.first_balance
        latency_us = round(config.globals.paper.latency_ms * 1000)
        self._at_once = latency_us == 0
        self._delayed = DelayedOrders(market, latency_us)
        self._unsettled: dict[str, _Unsettled] = {}
        self._mail: list[Mail] = []
        self._own: list[Mail] = []
        for found in ledger.open_orders():
            self._go_on_with(found)

    def execute(self, order: Order) -> OrderResult | None:
        """Execute an order, or keep it until its tick has come; None: its fate is not known yet.

        Raises:
            LedgerError: It could not be recorded.
        """
        if self._at_once:
            return self._execute(order, order.tick, order.occurrence)
        due = self._delayed.due_now(order)
        if due is not None:
            return self._execute(order, due.tick, due.occurrence)
        if self._delayed.gone(order):
            detail = "the gateway's stream is too far ahead of it"
            return self.refuse(order, Code.TICK_GONE, detail)
        self._ledger.record(order, OrderState.NEW)
        self._delayed.add(order)
        return None

    def refuse(
        self, order: Order, code: Code, detail: str, lock: TradingLock | None = None
    ) -> OrderResult:
        """Record that an order is not executed, and what holds others back because of it.

        Raises:
            LedgerError: It could not be recorded.
        """
        result = OrderResult(order.order_id, "REJECTED", code, detail)
        self._ledger.refuse(order, result, lock)
        if lock is not None:
            self._rules.locked()
        return result

    def on_tick(self, tick: Tick) -> None:
        """The next good tick of a symbol's stream: orders that wait for it are executed."""
        for due in self._delayed.take_due(tick):
            result = self._complete(due)
            if result is not None:
                self._mail.append((due.order.strategy, OrderAnswer(result)))

    def on_touched(self, strategy: str, ticket: int, tick: Tick, rate: float | None) -> Fill | str:
        """The deal that ended a position which its strategy saw touched, or why there is none.

        Raises:
            LedgerError: The deal could not be booked; the position is open.
        """
        found = self._broker.on_touched(strategy, ticket, tick, rate)
        if found is None:
            closing = self._ledger.closing(strategy, ticket)
            return closing if closing is not None else f"there never was a position {ticket}"
        if isinstance(found, str):
            return found
        self._book(found)
        return found.fill

    def close(self, strategy: str, reason: str) -> Fill | str:
        """Close a strategy's position at the operator's word; the deal, or why there is none.

        Raises:
            LedgerError: The deal could not be booked; the position is open.
        """
        found = self._broker.close(strategy, reason)
        if isinstance(found, str):
            return found
        self._take_unasked(found)
        return found.fill

    def turn(self, caught_up: bool) -> None:
        """Take what the broker has done by itself, and ask after orders whose fate is not known.

        Raises:
            LedgerError: Something could not be booked; it is tried again later.
        """
        for dealt in self._asked.poll(caught_up):
            self._take_unasked(dealt)
        now = self._monotonic()
        for entry in list(self._unsettled.values()):
            if now >= entry.ask_at:
                entry.ask_at = now + entry.pause
                entry.pause = min(2.0 * entry.pause, ASK_AGAIN[1])
                result = self._conclude(entry.order, self._asked.query(entry.order))
                if result is not None:
                    self._mail.append((entry.order.strategy, OrderAnswer(result)))

    def take_mail(self) -> list[Mail]:
        """What strategies are to be told since the last call."""
        taken = [*self._mail, *self._own]
        self._mail, self._own = [], []
        return taken

    def is_open(self, order_id: str) -> bool:
        """Whether an order has been sent, and nobody knows yet what has become of it."""
        return order_id in self._unsettled

    @property
    def trouble(self) -> str:
        """What is wrong with the broker; empty: nothing."""
        return self._asked.trouble

    def next_due(self) -> float:
        """Seconds until `turn` has something to do without being woken."""
        asked = min((e.ask_at for e in self._unsettled.values()), default=None)
        due = max(asked - self._monotonic(), 0.0) if asked is not None else 3600.0
        return min(due, self._broker.next_due())

    def _go_on_with(self, found: OpenOrder) -> None:
        """An order that an earlier gateway has left open."""
        if found.state is OrderState.NEW:
            self._delayed.add(found.order)
        else:
            # It was sent, or may have been: it is asked for, and never sent again.
            self._unsettled[found.order.order_id] = _Unsettled(found.order)

    def _execute(self, order: Order, tick: Tick, occurrence: int) -> OrderResult | None:
        for dealt in self._broker.poll_before(order, tick, occurrence):
            self._take_unasked(dealt)
        terms = self._broker.terms(order, tick, occurrence)
        refusal = self._rules.on_execution(
            _proposal(order, tick, terms, self._market, self._broker, self._account_is)
        )
        if refusal is not None:
            lock = refusal.lock if isinstance(refusal, Breach) else None
            return self.refuse(order, refusal.code, _explained(self._ledger, order, refusal), lock)
        if self._broker.far_away:
            self._ledger.record(order, OrderState.SENT)
            self._unsettled[order.order_id] = _Unsettled(order, self._monotonic() + ASK_AGAIN[0])
        return self._conclude(order, self._asked.submit(order, tick, occurrence))

    def _complete(self, due: Due) -> OrderResult | None:
        """Execute an order that waited for its tick; None where it goes on waiting."""
        order = due.order
        try:
            return self._execute(order, due.tick, due.occurrence)
        except LedgerTakenError:
            raise
        except LedgerError:
            logger.exception("order %s could not be booked and goes on waiting", order.order_id)
            if order.order_id not in self._unsettled:
                self._delayed.add(order)
            return None
        except Exception as error:
            logger.exception("order %s failed; nothing was executed", order.order_id)
            self._ledger.forget(order.order_id)
            detail = describe_error(error)
            return OrderResult(order.order_id, "REJECTED", Code.INTERNAL, detail)

    def _conclude(self, order: Order, outcome: Outcome) -> OrderResult | None:
        """Record what a broker says of an order; None while that is no end."""
        match outcome.status:
            case Status.PENDING | Status.UNKNOWN:
                entry = self._unsettled.setdefault(order.order_id, _Unsettled(order))
                if entry.pause == ASK_AGAIN[0]:
                    self._ledger.record(order, OrderState(outcome.status))
                return None
            case Status.REJECTED:
                result = self.refuse(order, outcome.code or Code.INTERNAL, outcome.detail)
            case Status.FILLED | Status.PARTIAL:
                result = self._dealt(order, outcome)
        self._unsettled.pop(order.order_id, None)
        return result

    def _dealt(self, order: Order, outcome: Outcome) -> OrderResult:
        dealt = outcome.dealt
        assert dealt is not None, "a broker that has dealt says what"
        result = OrderResult(
            order_id=order.order_id,
            status="FILLED",
            code=Code.PARTIAL if outcome.status is Status.PARTIAL else Code.FILLED,
            detail=outcome.detail,
            fill=dealt.fill,
            position=dealt.held.position if dealt.held is not None else None,
        )
        self._book(dealt, order, result)
        return result

    def _take_unasked(self, dealt: Dealt) -> None:
        """A deal that nobody has just asked for; its strategy is told."""
        entry = self._unsettled.get(dealt.fill.order_id)
        if entry is None:
            self._book(dealt)
            fill = dealt.fill
            self._own.append((fill.strategy, PositionClosed(fill.strategy, fill.ticket, fill)))
            return
        result = self._conclude(entry.order, Outcome(Status.FILLED, dealt=dealt))
        if result is not None:
            self._mail.append((entry.order.strategy, OrderAnswer(result)))

    def _book(
        self, dealt: Dealt, order: Order | None = None, result: OrderResult | None = None
    ) -> None:
        """Have a deal on the disk with all that it changes; only then it has happened."""
        fill = dealt.fill
        own = OrderResult(fill.order_id, "FILLED", fill.code, detail=dealt.reason, fill=fill)
        states = self._rules.after(fill)
        self._ledger.book(
            Booking(
                fill=fill,
                result=result or own,
                balance=self._account.balance_after(fill),
                order=order,
                held=dealt.held,
                stream=dealt.stream,
                reason=dealt.reason,
                rule_states=states,
            )
        )
        self._account.apply(fill)
        self._rules.accept(states)
        self._broker.on_booked(dealt)
        logger.info("%s %s %s at %s", fill.code, fill.strategy, fill.entry, fill.price)


def _explained(ledger: Ledger, order: Order, refusal: Refusal) -> str:
    if refusal.code is not Code.NO_POSITION:
        return refusal.detail
    closing = ledger.closing(order.strategy, order.ticket)
    return refusal.detail + (f"; it was closed: {closing.code}" if closing is not None else "")


def _proposal(
    order: Order,
    tick: Tick,
    terms: Terms,
    market: Market,
    broker: Broker,
    account_is: tuple[str, float],
) -> Proposal:
    currency, first_balance = account_is
    return Proposal(
        order=order,
        tick=tick,
        symbol=market.symbols[order.symbol].spec,
        held=terms.held,
        before_opening=terms.before_opening,
        rate=terms.rate,
        needed_margin=terms.needed_margin,
        free_margin=terms.free_margin,
        currency=currency,
        first_balance=first_balance,
        exposure=lambda: net_lots(
            broker.positions().values(), lambda symbol: market.symbols[symbol].spec
        ),
    )
