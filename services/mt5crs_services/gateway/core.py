"""The gateway without its sockets: one account, its broker, its rules and its books."""

import time
from collections.abc import Callable

from mt5crs_services.gateway.account_report import account_report
from mt5crs_services.gateway.broker import Broker, KeepFarSide
from mt5crs_services.gateway.ledger.account import Account
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.orders.booker import ChargeBooker
from mt5crs_services.gateway.orders.execution import Execution
from mt5crs_services.gateway.orders.mail import Outbound
from mt5crs_services.gateway.quotes.market import Market
from mt5crs_services.gateway.requests.operator_service import OperatorService
from mt5crs_services.gateway.requests.order_service import OrderService
from mt5crs_services.gateway.risk import RiskRules, TradingLocks
from mt5crs_services.gateway.shadow.paper_shadow import PaperShadow
from mt5crs_services.gateway.shadow.request_shadow import RequestShadow
from mt5crs_services.gateway.shadow.shadow import Shadow
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import FromGateway, Submit, ToGateway
from mt5crs_shared.metrics import AccountReport
from mt5crs_shared.trading.operator_requests import FromOperator

MakeBroker = Callable[[Config, Market, Ledger, Account, KeepFarSide], Broker]
"""Makes the broker of a configuration; one that is near keeps nothing."""


class GatewayCore:
    """Puts the parts together.

    Args:
        config: The configuration.
        market: The gateway's own streams.
        ledger: The account's ledger.
        make_broker: Makes the broker.
        lease_fault: See `OrderService`.
        highest_epoch: See `OrderService`.
        monotonic: The monotonic clock, seconds.

    Raises:
        RuleError: A risk rule of the configuration cannot be used.
    """

    def __init__(
        self,
        config: Config,
        market: Market,
        ledger: Ledger,
        make_broker: MakeBroker,
        lease_fault: Callable[[Submit], str],
        highest_epoch: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.account = Account(ledger.first_balance, ledger.totals())
        self.locks = TradingLocks(ledger)
        rules = self._rules = RiskRules(config.globals.risk, ledger, self.locks)
        mail = Outbound()
        keep = ChargeBooker(ledger, self.account, rules, mail).keep
        self.broker = make_broker(config, market, ledger, self.account, keep)
        self.execution = Execution(
            config, market, ledger, self.account, self.broker, rules, mail, monotonic
        )
        self.orders = OrderService(
            config,
            market,
            ledger,
            self.account,
            self.broker,
            self.execution,
            rules,
            lease_fault,
            highest_epoch,
            monotonic,
        )
        self._operator = OperatorService(
            config, ledger, self.account, self.broker, self.execution, rules, self.locks
        )
        self.shadow = _shadow(config, market, ledger, self.account, self.broker)
        if self.shadow is not None:
            ledger.beside = self.shadow.write
        self._config = config
        self._market = market
        self._ledger = ledger

    def handle(self, message: ToGateway, caught_up: bool) -> FromGateway | None:
        """Answer one request, of a strategy or of the operator; see their services."""
        if isinstance(message, FromOperator):
            return self._operator.handle(message, caught_up)
        return self.orders.handle(message)

    def on_tick(self, tick: Tick, history: bool = False, broken: bool = False) -> None:
        """Take the next tick of a symbol's stream; see `market.SymbolMarket.add`.

        Raises:
            LedgerTakenError: Another gateway has the ledger; this process has to end.
        """
        good = self._market.add(tick, history, broken)
        self.broker.on_tick(self._market.symbols[tick.symbol], tick, good)
        if good:
            self.execution.on_tick(tick)
            if self.shadow is not None:
                self.shadow.on_tick(tick)

    def save(self) -> None:
        """Record where the streams stand, and which locks have ended.

        Raises:
            LedgerError: It could not be recorded.
        """
        self.locks.expire()
        streams = self.broker.unsaved()
        if streams or self._ledger.prune_is_due:
            self._ledger.save(streams)
            self.broker.on_saved(streams)

    @property
    def trouble(self) -> str:
        """Why orders, or some of them, cannot be executed; empty: they can."""
        return self.execution.trouble or self._rules.trouble

    def report(self) -> AccountReport:
        """The account, for a heartbeat."""
        return account_report(self._config, self.account, self.broker, self.locks.in_force)


def _shadow(
    config: Config, market: Market, ledger: Ledger, account: Account, broker: Broker
) -> Shadow | None:
    """What is kept beside the orders: a live account has a paper shadow always."""
    if broker.far_away:
        return PaperShadow(config, market, ledger, account, broker)
    if config.globals.execution.shadow:
        return RequestShadow(config, ledger.installation)
    return None
