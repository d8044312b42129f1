"""Orders on their way through a broker: rules, states, booking. The same for every broker."""

import logging
import time
from collections.abc import Callable

from mt5crs_services.gateway.broker import (
    Answered,
    Broker,
    Dealt,
    Outcome,
    SendAgain,
    Status,
    Terms,
    Word,
)
from mt5crs_services.gateway.ledger.account import Account
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.ledger.ledger_file import LedgerTakenError
from mt5crs_services.gateway.ledger.records import OrderState
from mt5crs_services.gateway.orders.asked_broker import AskedBroker
from mt5crs_services.gateway.orders.booker import Booker
from mt5crs_services.gateway.orders.delayed_orders import DelayedOrders, Due
from mt5crs_services.gateway.orders.mail import Mail, Outbound
from mt5crs_services.gateway.orders.orders_under_way import OrdersUnderWay
from mt5crs_services.gateway.quotes.market import Market
from mt5crs_services.gateway.risk import Breach, Proposal, Refusal, RiskRules
from mt5crs_services.gateway.risk.exposure import net_lots
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.trading.locks import TradingLock
from mt5crs_shared.trading.orders import Code, Fill, Order, OrderResult
from mt5crs_shared.wording import describe_error

logger = logging.getLogger(__name__)


class Execution:
    """Executes orders that may be executed, and books what comes of them.

    Args:
        config: The configuration.
        market: The gateway's own streams.
        ledger: Where every order is recorded before its answer leaves.
        account: Its money.
        broker: Who deals.
        rules: What is asked before.
        mail: What tells strategies.
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
        mail: Outbound,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._market, self._mail = market, mail
        self._ledger = ledger
        self._broker = broker
        self._asked = AskedBroker(broker)
        self._rules = rules
        self._monotonic = monotonic
        self._account_is = config.globals.account_currency, ledger.first_balance
        latency_us = round(config.globals.paper.latency_ms * 1000)
        self._at_once = latency_us == 0
        self._delayed = DelayedOrders(market, latency_us)
        ages = {strategy.name: strategy.max_signal_age for strategy in config.enabled}
        self._booker = Booker(ledger, account, broker, rules)
        self._under_way = OrdersUnderWay(ledger, ages, monotonic)
        _go_on(ledger, self._under_way, self._asked, self._delayed, broker.far_away)

    def execute(self, order: Order) -> OrderResult | None:
        """Execute an order, or keep it until its tick has come; None: its fate is not known yet.

        Raises:
            LedgerError: It could not be recorded.
        """
        if self._broker.far_away:
            return self._send(order)
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
            self._mail.answer(due.order, self._complete(due))

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
        self._booker.book(found)
        return found.fill

    def close(self, strategy: str, reason: str) -> Fill | str | None:
        """Close a strategy's position at the operator's word; see `Broker.close`.

        Raises:
            LedgerError: The deal could not be booked; the position is open.
        """
        found = self._broker.close(strategy, reason)
        if not isinstance(found, Dealt):
            return found
        self._take_unasked(found)
        return found.fill

    def take(self, said: Word) -> None:
        """What the broker has said by itself, or the operator for it.

        Raises:
            LedgerError: It could not be recorded.
        """
        match said:
            case Answered(order_id=order_id, outcome=outcome):
                order = self._under_way.find(order_id)
                if order is not None:
                    self._mail.answer(order, self._conclude(order, outcome))
            case SendAgain(order_id=order_id):
                self._under_way.again(order_id)
            case Dealt():
                self._take_unasked(said)

    def turn(self, caught_up: bool) -> None:
        """Take what the broker has done by itself, and ask after orders whose fate is not known.

        Raises:
            LedgerError: Something could not be booked; it is tried again later.
        """
        for said in self._asked.poll(caught_up):
            self.take(said)
        self._send_waiting()
        self._asked.tend()
        for order in self._under_way.take_due():
            self._mail.answer(order, self._conclude(order, self._asked.query(order)))

    def take_mail(self) -> list[Mail]:
        """What strategies are to be told since the last call."""
        return self._mail.take()

    def is_open(self, order_id: str) -> bool:
        """Whether an order has been sent, and nobody knows yet what has become of it."""
        return self._under_way.find(order_id) is not None

    @property
    def trouble(self) -> str:
        """What is wrong with the broker; empty: nothing."""
        return self._asked.trouble or self._broker.trouble

    def next_due(self) -> float:
        """Seconds until `turn` has something to do without being woken."""
        return min(self._under_way.next_due(), self._broker.next_due())

    def _send(self, order: Order) -> OrderResult | None:
        """Send an order to a broker that is far away, or keep it until that can take it."""
        other = self._under_way.other(order) if order.action == "OPEN" else None
        if other is not None:
            return self.refuse(order, Code.UNSETTLED, f"order {other.order_id} is with the broker")
        if self._broker.ready:
            return self._execute(order, order.tick, order.occurrence)
        if self.trouble:
            # It may last: a strategy that waits for its answer looks at no tick meanwhile.
            return self.refuse(order, Code.BRIDGE_AWAY, f"{self.trouble}; nothing was sent")
        self._under_way.wait(order)
        return None

    def _send_waiting(self) -> None:
        """Orders that a broker which is far away could not take when they came."""
        while (waiting := self._under_way.take_waiting()) is not None:
            order, waited = waiting
            if self._under_way.too_old(order, waited):
                why = self.trouble or f"it waited {waited:.1f} s for its turn"
                code = Code.BRIDGE_AWAY if self.trouble else Code.STALE
                self._mail.answer(order, self.refuse(order, code, f"{why}; nothing was sent"))
            elif self._broker.ready:
                self._mail.answer(order, self._complete(Due(order, order.tick, order.occurrence)))
            else:
                self._under_way.wait_on(order, waited)
                return

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
            self._under_way.sent(order)
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
            if self._broker.far_away and not self.is_open(order.order_id):
                self._under_way.wait_on(order, 0.0)
            elif not self._broker.far_away:
                self._delayed.add(order)
            return None
        except Exception as error:
            logger.exception("order %s failed; nothing was executed", order.order_id)
            self._ledger.forget(order.order_id)
            return OrderResult(order.order_id, "REJECTED", Code.INTERNAL, describe_error(error))

    def _conclude(self, order: Order, outcome: Outcome) -> OrderResult | None:
        """Record what a broker says of an order; None while that is no end."""
        match outcome.status:
            case Status.PENDING | Status.UNKNOWN:
                self._under_way.stands_at(order, OrderState(outcome.status))
                return None
            case Status.REJECTED:
                result = self.refuse(order, outcome.code or Code.INTERNAL, outcome.detail)
            case Status.FILLED | Status.PARTIAL:
                result = self._dealt(order, outcome)
        self._under_way.ended(order.order_id)
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
        self._booker.book(dealt, order, result)
        return result

    def _take_unasked(self, dealt: Dealt) -> None:
        """A deal that nobody has just asked for; its strategy is told."""
        order = self._under_way.find(dealt.fill.order_id)
        if order is None:
            self._booker.book(dealt)
            if dealt.fill.entry == "OUT":
                self._mail.closed(dealt.fill)
            elif dealt.held is not None:
                self._mail.has_more(dealt.fill)
            return
        self._mail.answer(order, self._conclude(order, Outcome(Status.FILLED, dealt=dealt)))


def _go_on(
    ledger: Ledger,
    under_way: OrdersUnderWay,
    asked: AskedBroker,
    delayed: DelayedOrders,
    far_away: bool,
) -> None:
    """Take up the orders that an earlier gateway has left open."""
    for found in ledger.open_orders():
        if found.state is OrderState.NEW and not far_away:
            delayed.add(found.order)
            continue
        under_way.go_on_with(found)
        if found.state is not OrderState.NEW:
            # Before the first tick: what guards positions closes none that this may have closed.
            asked.query(found.order)


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
        balance=terms.balance,
        obstacle=terms.obstacle,
        currency=currency,
        first_balance=first_balance,
        exposure=lambda: net_lots(
            broker.positions().values(), lambda symbol: market.symbols[symbol].spec
        ),
    )
