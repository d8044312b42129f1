"""Writing beside the orders without being able to harm one."""

import logging
import sqlite3
from abc import ABC, abstractmethod

from mt5crs_services.gateway.ledger.shadow_rows import ShadowDeal, ShadowRequest, insert_shadow
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Order, OrderResult
from mt5crs_shared.wording import TOLD

logger = logging.getLogger(__name__)


class Shadow(ABC):
    """What another broker would have made of the orders. Its errors are its own.

    Attributes:
        failures: How often it could not say or write something.
    """

    def __init__(self) -> None:
        self.failures = 0

    def write(
        self, db: sqlite3.Connection, order: Order | None, result: OrderResult | None
    ) -> None:
        """Write the row of an order into its transaction; see `shadow_rows.Beside`.

        Raises:
            sqlite3.Error: SQLite has rolled the whole transaction back, as for want of space:
                nothing of the order is written either, and it is tried again.
        """
        try:
            row = self.row(order, result)
            if row is not None:
                insert_shadow(db, row)
        except Exception:
            self.failed()
            if not db.in_transaction:
                raise

    @abstractmethod
    def on_tick(self, tick: Tick) -> None:
        """The next good tick of a symbol's stream."""

    @abstractmethod
    def row(
        self, order: Order | None, result: OrderResult | None
    ) -> ShadowDeal | ShadowRequest | None:
        """What belongs beside an order; None: nothing. See `shadow_rows.Beside`."""

    def failed(self) -> None:
        """Count an exception, and tell it now and then."""
        self.failures += 1
        if self.failures in TOLD:
            logger.warning("failure %d of the shadow; orders go on", self.failures, exc_info=True)
