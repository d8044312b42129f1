"""The dialects, by the name that the configuration has for them."""

from collections.abc import Callable

from mt5crs_services.gateway.brokers.bridge.dialects.dialect import Dialect
from mt5crs_services.gateway.brokers.bridge.dialects.expert_advisor import ExpertAdvisorDialect
from mt5crs_services.gateway.brokers.bridge.dialects.open_close import OpenCloseDialect
from mt5crs_services.gateway.brokers.bridge.dialects.order_send import OrderSendDialect
from mt5crs_services.gateway.brokers.bridge.dialects.trade import TradeDialect
from mt5crs_services.gateway.brokers.bridge.dialects.windows_gateway import WindowsGatewayDialect

DIALECTS: tuple[Callable[[], Dialect], ...] = (
    TradeDialect,
    OpenCloseDialect,
    OrderSendDialect,
    ExpertAdvisorDialect,
    WindowsGatewayDialect,
)
"""What makes each of them."""


def dialect_named(name: str) -> Dialect:
    """A dialect, by its name in `ExecutionConfig`."""
    made = (make() for make in DIALECTS)
    return next(dialect for dialect in made if dialect.name == name)
