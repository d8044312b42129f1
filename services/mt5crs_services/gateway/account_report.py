"""What the gateway says of the account in its heartbeats."""

from mt5crs_services.gateway.broker import Broker
from mt5crs_services.gateway.ledger.account import Account
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.metrics import AccountReport, StrategyMoney
from mt5crs_shared.storage.ledger_schema import MONEY_DIGITS
from mt5crs_shared.trading.locks import TradingLock


def account_report(
    config: Config, account: Account, broker: Broker, locks: tuple[TradingLock, ...]
) -> AccountReport:
    """The account at the last good quotes; every strategy that trades or ever did is listed."""
    worth, positions = broker.worth(), broker.positions()
    equity = account.balance + sum(worth.floating.values())
    names = dict.fromkeys([s.name for s in config.enabled] + account.strategies)
    return AccountReport(
        currency=config.globals.account_currency,
        balance=account.balance,
        equity=round(equity, MONEY_DIGITS),
        margin=round(worth.margin, MONEY_DIGITS),
        free_margin=round(equity - worth.margin, MONEY_DIGITS),
        strategies=tuple(
            StrategyMoney(
                strategy=name,
                realised=account.realised(name),
                floating=worth.floating.get(name, 0.0),
                deals=account.deals(name),
                position=positions.get(name),
                price=worth.prices.get(name, 0.0),
            )
            for name in names
        ),
        locks=locks,
        book=broker.book,
    )
