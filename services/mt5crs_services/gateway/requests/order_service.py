"""The order service: one request of a strategy in, one answer out. Knows no sockets."""

import logging
import time
from collections.abc import Callable

from mt5crs_services.gateway.broker import Broker
from mt5crs_services.gateway.ledger.account import Account
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.ledger.ledger_file import LedgerTakenError
from mt5crs_services.gateway.orders.execution import Execution
from mt5crs_services.gateway.quotes import reach
from mt5crs_services.gateway.quotes.market import Market
from mt5crs_services.gateway.requests.permission import EpochError, check_epoch
from mt5crs_services.gateway.risk import Proposal, Refusal, RiskRules
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import (
    Fence,
    FromGateway,
    FromStrategy,
    OrderAnswer,
    PositionClosed,
    QueryOrder,
    Register,
    Registered,
    Submit,
    Touched,
)
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.trading.orders import Code, Fill, Order, OrderResult
from mt5crs_shared.wording import describe_error

logger = logging.getLogger(__name__)

CLOCK_RETURNS_WITHIN = 10.0
"""Seconds for which a tick that is to end a position waits until the own stream has come there."""

OWN_SUFFIXES = (":stop_loss", ":take_profit", ":stop_out", ":manual", ":opened", ":adopted")
"""How the ids of a broker's own deals end; no strategy may use them."""


class OrderService:
    """Fences off old processes, answers repeated orders, checks new ones, and has them executed.

    Args:
        config: The configuration.
        market: The gateway's own streams.
        ledger: Where every order is recorded before its answer leaves.
        account: The account's money.
        broker: Who holds the positions.
        execution: Has orders executed.
        rules: What an order must pass.
        lease_fault: Why an order may not open a position; empty: it may. See `permission.Leases`.
        highest_epoch: The highest that a supervisor can have reached by now, besides those that
            the ledger knows.
        monotonic: The monotonic clock, seconds.
    """

    def __init__(
        self,
        config: Config,
        market: Market,
        ledger: Ledger,
        account: Account,
        broker: Broker,
        execution: Execution,
        rules: RiskRules,
        lease_fault: Callable[[Submit], str],
        highest_epoch: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._market = market
        self._ledger = ledger
        self._account = account
        self._broker = broker
        self._execution = execution
        self._rules = rules
        self._strategies = {s.name: s for s in config.strategies}
        self._epochs = ledger.epochs()
        self._lease_fault = lease_fault
        self._highest_epoch = highest_epoch
        self._monotonic = monotonic
        self._waits: dict[str, tuple[int, float]] = {}

    def handle(self, message: FromStrategy) -> FromGateway | None:
        """Answer one request; None where there is nothing to say (yet).

        Raises:
            LedgerTakenError: Another gateway has the ledger; this process has to end.
            EpochError: It comes from a spawn that cannot be.
        """
        match message:
            case Submit():
                result = self._submit(message)
                return OrderAnswer(result) if result is not None else None
            case QueryOrder(order_id=order_id):
                result = self._query(order_id)
                return OrderAnswer(result) if result is not None else None
            case Touched():
                return self._touched(message)
            case Register(strategy=strategy, epoch=epoch, held=held):
                return self._register(strategy, epoch, held)
            case Fence(strategy=strategy, epoch=epoch):
                self._fence(strategy, epoch)
                return None

    def newest(self, strategy: str) -> int:
        """The newest epoch known of a strategy; 0 where there is none."""
        return self._epochs.get(strategy, 0)

    def _admit(self, strategy: str, epoch: int) -> bool:
        """Whether this spawn is the newest known; a newer one fences off those before it."""
        newest = self.newest(strategy)
        check_epoch(epoch, max(self._highest_epoch(), *self._epochs.values(), 0))
        if epoch > newest:
            self._ledger.raise_epoch(strategy, epoch)
            self._epochs[strategy] = epoch
        return epoch >= newest

    def _fence(self, strategy: str, epoch: int) -> None:
        try:
            self._admit(strategy, epoch)
        except LedgerTakenError:
            raise
        except LedgerError:
            # It holds from now on; the new process brings its epoch itself, for the record.
            logger.exception("%s, epoch %d, could not be recorded", strategy, epoch)
            self._epochs[strategy] = epoch

    def _register(self, strategy: str, epoch: int, held: int) -> Registered | None:
        try:
            admitted = self._admit(strategy, epoch)
        except LedgerTakenError:
            raise
        except LedgerError:
            logger.exception("%s, epoch %d, could not be registered", strategy, epoch)
            return None
        return Registered(
            strategy=strategy,
            position=self._broker.positions().get(strategy),
            realised=self._account.realised(strategy),
            refused="" if admitted else self._fenced(strategy, epoch),
            deal_us=self._account.last_deal_us(strategy),
            deals=self._account.deals(strategy),
            closing=self._ended(strategy, held) if held else None,
        )

    def _ended(self, strategy: str, ticket: int) -> Fill | None:
        """The deal by which the broker, by itself or by hand, has closed a position."""
        closing = self._ledger.closing(strategy, ticket)
        if closing is None or not closing.order_id.endswith(OWN_SUFFIXES):
            return None  # By an order of the strategy, which it comes to again.
        return closing

    def _submit(self, request: Submit) -> OrderResult | None:
        order = request.order
        try:
            return self._decide(request)
        except (LedgerTakenError, EpochError):
            raise
        except LedgerError as error:
            # No answer: a full disk refuses no order. It is asked again, while it is fresh.
            logger.error("order %s could not be recorded: %s", order.order_id, error)
            return None
        except Exception as error:
            if self._execution.is_open(order.order_id):
                logger.exception("order %s was sent; it is asked for", order.order_id)
                return None
            logger.exception("order %s failed; nothing was executed", order.order_id)
            return _rejected(order, Code.INTERNAL, describe_error(error))

    def _decide(self, request: Submit) -> OrderResult | None:
        order = request.order
        if not self._admit(order.strategy, order.epoch):
            return _rejected(order, Code.FENCED, self._fenced(order.strategy, order.epoch))
        known = self._ledger.find(order.order_id)
        if known is not None:
            if known.request is None or not _same(known.request, order):
                return _rejected(order, Code.ID_REUSED, "an earlier order has this id")
            return known.result
        if order.order_id.endswith(OWN_SUFFIXES):
            return _rejected(order, Code.ID_REUSED, "ids like this are the book's own")
        fault = self._lease_fault(request) if order.action == "OPEN" else ""
        if fault:
            # Nothing is kept of it: with a lease the same order is good.
            return _rejected(order, Code.NO_LEASE, fault)
        refusal = self._check(order)
        if refusal is not None:
            return self._execution.refuse(order, refusal.code, refusal.detail)
        doubt = self._doubt(order)
        if doubt is None:
            return self._execution.execute(order)
        if doubt.passing:
            # No answer: it is asked again, while it is fresh.
            logger.info("order %s waits for the own stream: %s", order.order_id, doubt.detail)
            return None
        logger.warning("order %s is refused: %s", order.order_id, doubt.detail)
        return self._execution.refuse(order, Code.UNKNOWN_TICK, doubt.detail)

    def _doubt(self, order: Order) -> reach.Doubt | None:
        """What speaks against the tick that an order names, and against its rate."""
        market = self._market.symbols[order.symbol]
        found = reach.doubt(market, order.tick, order.occurrence)
        if found is None and order.action == "OPEN" and order.rate is not None:
            rates, spec = self._market.rates, market.spec
            if spec.name in rates.needs and rates.rate(spec, order.tick) is None:
                return reach.Doubt(rates.missing(spec), True)
        if found is None and order.action == "CLOSE":
            found = self._closing_doubt(order.strategy, order.ticket, order.tick, order.occurrence)
        return found

    def _closing_doubt(
        self, strategy: str, ticket: int, tick: Tick, occurrence: int
    ) -> reach.Doubt | None:
        """Why a tick that is to end a strategy's position has to wait for the own stream."""
        held = self._broker.positions().get(strategy)
        if held is None or held.ticket != ticket or held.symbol != tick.symbol:
            return None
        # Far away nothing is dealt on that tick. With a latency it may lie before the one that the
        # opening filled on, and after the one that it was decided on.
        if self._broker.far_away or self._config.globals.paper.latency_ms > 0.0:
            return None
        doubt = reach.closing_doubt(self._market.symbols[tick.symbol], held, tick, occurrence)
        if doubt is None:
            return None
        now, (waits, since) = self._monotonic(), self._waits.get(strategy, (0, 0.0))
        if waits != tick.time_us:
            since = now
            self._waits[strategy] = tick.time_us, since
        # The stream may have lost that tick, and what told of the clock.
        return doubt if now - since < CLOCK_RETURNS_WITHIN else None

    def _check(self, order: Order) -> Refusal | None:
        """What can be said of an order before it is executed."""
        strategy = self._strategies.get(order.strategy)
        if strategy is None:
            return Refusal(Code.UNKNOWN_STRATEGY, f"no strategy {order.strategy}")
        if order.magic != strategy.magic_number:
            numbers = f"its magic number is {strategy.magic_number}, not {order.magic}"
            return Refusal(Code.UNKNOWN_STRATEGY, numbers)
        if not strategy.symbol == order.symbol == order.tick.symbol:
            symbols = f"{order.symbol} on a tick of {order.tick.symbol}"
            return Refusal(Code.UNKNOWN_SYMBOL, f"{symbols}; it trades {strategy.symbol}")
        spec = self._config.symbols.get(order.symbol)
        if spec is None:
            return Refusal(Code.UNKNOWN_SYMBOL, f"no symbol {order.symbol}")
        most = strategy.risk_config.max_position_size
        proposal = Proposal(order, order.tick, spec, max_lots=most)
        return self._rules.on_arrival(proposal)

    def _query(self, order_id: str) -> OrderResult | None:
        try:
            known = self._ledger.find(order_id)
        except LedgerError as error:
            logger.error("order %s could not be looked up: %s", order_id, error)
            return None
        if known is None:
            return OrderResult(order_id, "REJECTED", Code.NOT_SEEN)
        return known.result

    def _touched(self, word: Touched) -> PositionClosed | None:
        def answer(detail: str) -> PositionClosed:
            return PositionClosed(word.strategy, word.ticket, None, detail)

        try:
            if not self._admit(word.strategy, word.epoch):
                return answer(self._fenced(word.strategy, word.epoch))
            market = self._market.symbols.get(word.tick.symbol)
            doubt = reach.touch_doubt(market, word.tick) if market is not None else None
            doubt = doubt or self._closing_doubt(word.strategy, word.ticket, word.tick, 0)
            if doubt is not None:
                logger.warning("position %d, %s: %s", word.ticket, word.strategy, doubt.detail)
                # Until the own stream has come there, neither yes nor no.
                return None if doubt.passing else answer(doubt.detail)
            found = self._execution.on_touched(word.strategy, word.ticket, word.tick, word.rate)
        except LedgerTakenError:
            raise
        except LedgerError:
            # Not an answer that the position is open: the strategy asks again.
            logger.exception("position %d could not be closed yet", word.ticket)
            return None
        if isinstance(found, str):
            return answer(found)
        return PositionClosed(word.strategy, word.ticket, found)

    def _fenced(self, strategy: str, epoch: int) -> str:
        newest = self.newest(strategy)
        return f"epoch {epoch} of {strategy} was replaced by epoch {newest}"


def _same(first: Order, again: Order) -> bool:
    """Whether two requests under one id ask for the same; a respawned process has a new epoch."""
    return (
        first.strategy == again.strategy
        and first.symbol == again.symbol
        and first.action == again.action
        and first.side == again.side
        and first.lots == again.lots
        and first.ticket == again.ticket
        and first.tick == again.tick
    )


def _rejected(order: Order, code: Code, detail: str) -> OrderResult:
    return OrderResult(order.order_id, "REJECTED", code, detail)
