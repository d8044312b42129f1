"""The bridge's shadow of a paper account: the request that each order would have left as."""

from mt5crs_services.gateway.brokers import pricing
from mt5crs_services.gateway.brokers.bridge.account.evidence import Comments
from mt5crs_services.gateway.brokers.bridge.dialects.known import dialect_named
from mt5crs_services.gateway.brokers.bridge.orders.deal_maker import instruction_of
from mt5crs_services.gateway.ledger.account import parts_of
from mt5crs_services.gateway.ledger.shadow_rows import ShadowRequest
from mt5crs_services.gateway.shadow.shadow import Shadow
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Code, Fill, Order, OrderResult


class RequestShadow(Shadow):
    """Writes what would have been sent; it has no way to send it.

    Args:
        config: The configuration.
        installation: Id of the ``var`` folder, which is in the comments.
    """

    def __init__(self, config: Config, installation: str) -> None:
        super().__init__()
        self._dialect = dialect_named(config.globals.execution.dialect)
        self._comments = Comments(installation)

    def row(self, order: Order | None, result: OrderResult | None) -> ShadowRequest | None:
        """See `Shadow.row`."""
        if result is None or result.fill is None:
            return None
        sent = order if order is not None else self._closing(result.fill)
        if sent is None:
            return None
        # A live order has the newest quote; this one the same at every speed of a replay.
        price = pricing.side_quote(sent.side, sent.tick)
        comment = self._comments.of(sent.order_id)
        return ShadowRequest(
            order_id=sent.order_id,
            strategy=sent.strategy,
            time_us=sent.tick.time_us,
            dialect=self._dialect.name,
            request=self._dialect.order(instruction_of(sent, comment, sent.lots, price)),
        )

    def on_tick(self, tick: Tick) -> None:
        """Nothing: see `Shadow.on_tick`."""

    def _closing(self, fill: Fill) -> Order | None:
        """The gateway's own order for what the paper book did by itself; None: a broker does it."""
        guarded_here = self._dialect.drops_stops and fill.code in (
            Code.STOP_LOSS,
            Code.TAKE_PROFIT,
        )
        if fill.code is not Code.MANUAL and not guarded_here:
            return None
        magic, _ = parts_of(fill.ticket)
        return Order(
            order_id=fill.order_id,
            strategy=fill.strategy,
            epoch=0,
            symbol=fill.symbol,
            magic=magic,
            action="CLOSE",
            side=fill.side,
            lots=fill.lots,
            tick=Tick(fill.symbol, fill.time_us, fill.price, fill.price),
            ticket=fill.ticket,
        )
