"""What the operator asks of the gateway: to hold orders back, and to close positions by hand."""

import logging
import math

import msgspec

from mt5crs_services.gateway.broker import Broker, HandDeal, NotYetError, Word
from mt5crs_services.gateway.ledger.account import Account
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.orders.execution import Execution
from mt5crs_services.gateway.risk import Proposal, RiskRules, TradingLocks
from mt5crs_shared.configuration.structs import Config, StrategyConfig
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.trading.operator_requests import (
    Adopt,
    ClosePositions,
    FromOperator,
    Lock,
    Settle,
    TradingReport,
    Trial,
    Unlock,
)
from mt5crs_shared.trading.orders import Code, Fill, Order

logger = logging.getLogger(__name__)


class OperatorService:
    """Does what is asked, and says how trading stands then.

    Args:
        config: The configuration.
        ledger: The account's ledger.
        account: Its money.
        broker: Who holds the positions.
        execution: Closes them.
        rules: What an order must pass; orders are tried with them.
        locks: What holds orders back.
    """

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        account: Account,
        broker: Broker,
        execution: Execution,
        rules: RiskRules,
        locks: TradingLocks,
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._account = account
        self._broker = broker
        self._execution = execution
        self._rules = rules
        self._locks = locks

    def handle(self, message: FromOperator, caught_up: bool) -> TradingReport | None:
        """Answer one request; None where the ledger cannot be written: it is asked again.

        Args:
            message: The request.
            caught_up: The gateway's own streams are; before that, their quotes are old ones.
        """
        refused = ""
        try:
            match message:
                case Lock(locks=wanted):
                    self._locks.put(wanted)
                case Unlock(owner=owner, scopes=scopes, who=who):
                    self._locks.take_off(owner, scopes, who)
                case ClosePositions():
                    return self._close_all(message, caught_up)
                case Settle():
                    refused = self._settle(message)
                case Adopt():
                    refused = self._adopt(message)
        except LedgerError:
            logger.exception("what the operator asked for could not be recorded")
            return None
        return msgspec.structs.replace(self._report(), refused=refused)

    def _settle(self, word: Settle) -> str:
        """Take somebody's word for an order's fate; why it is not taken, empty: it is."""
        known = self._ledger.find(word.order_id)
        if known is not None and known.result is not None:
            # Asked again, for the answer was lost; or somebody else was quicker.
            same = (known.result.fill is not None) == word.dealt
            return "" if same else f"it is {known.result.status} already: {known.result.detail}"
        if word.dealt and word.order_id.isdigit() and self._ledger.closed(int(word.order_id)):
            return ""
        for said in (word.lots, word.price):
            if not (math.isfinite(said) and said >= 0.0):
                return f"{said} is no volume and no price"
        deal = HandDeal(word.ticket, word.lots, word.price) if word.dealt else None
        return self._take(self._broker.settle(word.order_id, deal, word.who))

    def _adopt(self, word: Adopt) -> str:
        """Make a position a strategy's own; why it is not done, empty: it is."""
        strategies = {strategy.name: strategy for strategy in self._config.enabled}
        if word.strategy not in strategies:
            return f"{word.strategy} does not run in this configuration"
        return self._take(self._broker.adopt(word.ticket, strategies[word.strategy], word.who))

    def _take(self, found: Word | str) -> str:
        if isinstance(found, str):
            return found
        self._execution.take(found)
        return ""

    def _close_all(self, request: ClosePositions, caught_up: bool) -> TradingReport:
        """Close what can be closed now, and say of the rest why it is kept."""
        closed: list[Fill] = []
        kept: dict[int, str] = {}
        under_way = catching_up = False
        for ticket in request.tickets:
            try:
                found = self._close(ticket, f"closed by {request.who}", caught_up)
            except NotYetError as error:
                found, catching_up = str(error), True
            if found is None:
                under_way = True
                kept[ticket] = "the broker has been asked, and has not closed it yet"
            elif isinstance(found, str):
                kept[ticket] = found
            else:
                closed.append(found)
        return msgspec.structs.replace(
            self._report(),
            closed=tuple(closed),
            kept=kept,
            catching_up=catching_up,
            under_way=under_way,
        )

    def _close(self, ticket: int, reason: str, caught_up: bool) -> Fill | str | None:
        for strategy, position in self._broker.positions().items():
            if position.ticket == ticket:
                if not caught_up:
                    raise NotYetError("the gateway is still catching up with the market")
                return self._execution.close(strategy, reason)
        return self._ledger.closed(ticket) or "there never was such a position"

    def _report(self) -> TradingReport:
        positions, foreign = self._broker.positions(), self._broker.foreign
        known = {strategy.name for strategy in self._config.strategies}
        return TradingReport(
            locks=self._locks.in_force,
            trials=tuple(map(self._try, self._config.strategies)),
            former=tuple(name for name in self._account.strategies if name not in known),
            positions=tuple(positions.values()),
            foreign=tuple(foreign) if foreign is not None else None,
        )

    def _try(self, strategy: StrategyConfig) -> Trial:
        """See what orders would meet, by the rules themselves and not by what ought to hold."""
        return Trial(strategy.name, self._met(strategy, ticket=0), self._met(strategy, ticket=1))

    def _met(self, strategy: StrategyConfig, ticket: int) -> str:
        """The lock that an order without any volume would meet; empty: another refusal."""
        order = Order(
            order_id="",
            strategy=strategy.name,
            epoch=0,
            symbol=strategy.symbol,
            magic=strategy.magic_number,
            action="CLOSE" if ticket else "OPEN",
            side="BUY",
            lots=0.0,
            tick=Tick(strategy.symbol, 0, 0.0, 0.0),
            ticket=ticket,
        )
        spec = self._config.symbols[strategy.symbol]
        refusal = self._rules.on_arrival(Proposal(order, order.tick, spec))
        return refusal.detail if refusal is not None and refusal.code is Code.LOCKED else ""
