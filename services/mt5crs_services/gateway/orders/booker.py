"""Deals and charges into the books: the one place where something has happened from."""

import logging
from collections.abc import Sequence

from mt5crs_services.gateway.broker import Broker, Dealt
from mt5crs_services.gateway.ledger.account import Account
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.ledger.records import NOTHING_HEARD, AccountNote, Booking
from mt5crs_services.gateway.orders.mail import Outbound
from mt5crs_services.gateway.risk import RiskRules
from mt5crs_shared.trading.orders import Charge, Order, OrderResult

logger = logging.getLogger(__name__)


class Booker:
    """Books deals, and tells everybody within the gateway.

    Args:
        ledger: Where a deal is on the disk before anybody hears of it.
        account: Its money.
        broker: Who has dealt.
        rules: What hears of every deal.
    """

    def __init__(self, ledger: Ledger, account: Account, broker: Broker, rules: RiskRules) -> None:
        self._ledger = ledger
        self._account = account
        self._broker = broker
        self._rules = rules

    def book(
        self, dealt: Dealt, order: Order | None = None, result: OrderResult | None = None
    ) -> None:
        """Have a deal on the disk with all that it changes; only then it has happened.

        Args:
            dealt: The deal.
            order: The order of a strategy; None: the broker has acted by itself.
            result: The answer to that order.

        Raises:
            LedgerError: It could not be booked.
        """
        fill = dealt.fill
        if order is None and self._ledger.find(fill.order_id) is not None:
            logger.error("a deal of the gateway's own was booked already: %s", fill.order_id)
            self._broker.on_booked(dealt)
            return
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
                far_side=self._broker.after(fill),
            )
        )
        self._account.apply(fill)
        self._rules.accept(states)
        self._broker.on_booked(dealt)
        logger.info("%s %s %s at %s", fill.code, fill.strategy, fill.entry, fill.price)


class ChargeBooker:
    """Books what a broker that is far away charges, and tells everybody within the gateway.

    Args:
        ledger: Where a charge is on the disk before anybody hears of it.
        account: Its money.
        rules: What hears of every charge.
        mail: What tells strategies.
    """

    def __init__(self, ledger: Ledger, account: Account, rules: RiskRules, mail: Outbound) -> None:
        self._ledger = ledger
        self._account = account
        self._rules = rules
        self._mail = mail

    def keep(self, state: str, notes: Sequence[AccountNote], charges: Sequence[Charge]) -> None:
        """See `broker.KeepFarSide`.

        Raises:
            LedgerError: It could not be recorded; nothing has changed.
        """
        states = self._rules.after(*charges) if charges else NOTHING_HEARD
        self._ledger.keep_far_side(state, notes, charges, states)
        for charge in charges:
            self._account.charge(charge)
        self._rules.accept(states)
        for strategy in {charge.strategy: None for charge in charges}:
            self._mail.charged(strategy)
