"""The dialects, by the name that the configuration has for them."""

from mt5crs_services.gateway.brokers.bridge.dialects.dialect import Dialect
from mt5crs_services.gateway.brokers.bridge.dialects.expert_advisor import ExpertAdvisorDialect
from mt5crs_services.gateway.brokers.bridge.dialects.open_close import OpenCloseDialect
from mt5crs_services.gateway.brokers.bridge.dialects.order_send import OrderSendDialect
from mt5crs_services.gateway.brokers.bridge.dialects.trade import TradeDialect

_DIALECTS: tuple[Dialect, ...] = (
    TradeDialect(),
    OpenCloseDialect(),
    OrderSendDialect(),
    ExpertAdvisorDialect(),
)


def dialect_named(name: str) -> Dialect:
    """A dialect, by its name in `ExecutionConfig`."""
    return next(dialect for dialect in _DIALECTS if dialect.name == name)
