"""The paper shadow of a live account: what the paper book would have made of each order.

The paper book deals on the tick that an order was decided on, whatever the market has done since.
So its deal follows from the order alone, and no second account is needed: the same order at the
same tick, with slippage and latency as `global.paper` has them.
"""

import msgspec

from mt5crs_services.gateway.broker import Broker
from mt5crs_services.gateway.brokers import pricing
from mt5crs_services.gateway.brokers.valuation import Valuation
from mt5crs_services.gateway.ledger.account import Account
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.ledger.shadow_rows import ShadowDeal
from mt5crs_services.gateway.orders.delayed_orders import DelayedOrders
from mt5crs_services.gateway.quotes.market import Market
from mt5crs_services.gateway.risk import NoState, Proposal
from mt5crs_services.gateway.risk.order_checks import ConvertibleProfit, EnoughMargin, SoundStops
from mt5crs_services.gateway.shadow.shadow import Shadow
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Code, Fill, Order, OrderResult
from mt5crs_shared.trading.slippage import ShadowKind

LIVE_ALONE = frozenset(
    {
        Code.BRIDGE_AWAY,
        Code.BROKER,
        Code.FOREIGN_POSITION,
        Code.NO_MARGIN,
        Code.NOT_DEALT,
        Code.STALE,
        Code.UNSETTLED,
    }
)
"""Refusals that come of the broker and the way to it; the paper book knows none of that."""

CHECKS = (SoundStops(), ConvertibleProfit(), EnoughMargin())
"""What it asks on its own tick, of its own account. All else has been asked of the order already,
and is the same on paper."""


class PaperShadow(Shadow):
    """Says what the paper book would have dealt.

    Args:
        config: The configuration.
        market: The gateway's own streams.
        ledger: Where the rows are.
        account: Its money.
        broker: Who really deals, and holds the positions.
    """

    def __init__(
        self, config: Config, market: Market, ledger: Ledger, account: Account, broker: Broker
    ) -> None:
        super().__init__()
        self._paper = config.globals.paper
        self._currency = config.globals.account_currency
        self._market = market
        self._ledger = ledger
        self._account = account
        self._broker = broker
        self._valuation = Valuation(self._paper, market)
        self._latency_us = round(self._paper.latency_ms * 1000)
        self._delayed = DelayedOrders(market, self._latency_us)
        self._waiting: dict[str, Order] = {}

    def row(self, order: Order | None, result: OrderResult | None) -> ShadowDeal | None:
        """See `Shadow.row`."""
        if order is None:
            return self._ending(result.fill) if result is not None and result.fill else None
        if result is not None and result.code not in LIVE_ALONE:
            return None  # It has left, and has its row; or the paper book would refuse it too.
        known = self._known(order)
        if known is not None:
            return known
        self._waiting[order.order_id] = order
        return self._beginning(order, order.tick)

    def on_tick(self, tick: Tick) -> None:
        """With a latency, the paper book deals on a later tick than the order's own."""
        for order in [o for o in self._waiting.values() if o.symbol == tick.symbol]:
            try:
                known = self._known(order)
                if known is not None:
                    del self._waiting[order.order_id]
                    self._ledger.complete_shadow(known)
            except Exception:
                self.failed()

    def _known(self, order: Order) -> ShadowDeal | None:
        """What the paper book says; None: its tick has not come yet."""
        if not self._latency_us:
            return self._said(order, order.tick)
        due = self._delayed.due_now(order)
        if due is not None:
            return self._said(order, due.tick)
        if self._delayed.gone(order):
            return msgspec.structs.replace(self._beginning(order, order.tick), code=Code.TICK_GONE)
        return None

    def _beginning(self, order: Order, tick: Tick) -> ShadowDeal:
        """A row without the paper book's word."""
        spec, rate = self._market.symbols[order.symbol].spec, self._rate(order, tick)
        return ShadowDeal(
            order_id=order.order_id,
            strategy=order.strategy,
            kind=order.action,
            side=order.side,
            decided_us=order.tick.time_us,
            point=spec.point,
            worth=spec.contract_size * rate if rate is not None else None,
            price=None,
        )

    def _said(self, order: Order, tick: Tick) -> ShadowDeal:
        """The paper book's word on an order that it executes on a tick."""
        row, spec = self._beginning(order, tick), self._market.symbols[order.symbol].spec
        price = pricing.deal_price(self._paper, spec, order.side, tick)
        # A position can always be closed.
        code = self._refusal(order, tick, price) if order.action == "OPEN" else None
        if code is not None:
            return msgspec.structs.replace(row, code=code)
        return msgspec.structs.replace(row, price=price)

    def _refusal(self, order: Order, tick: Tick, price: float) -> Code | None:
        """Why the paper book would not open a position."""
        spec, rate = self._market.symbols[order.symbol].spec, self._rate(order, tick)
        proposal = Proposal(
            order=order,
            tick=tick,
            symbol=spec,
            rate=rate,
            needed_margin=pricing.margin(self._paper, spec, order.lots, price, rate or 0.0),
            free_margin=self._free_margin(order, spec, rate or 0.0),
            currency=self._currency,
        )
        refusals = (check.before(proposal, NoState()) for check in CHECKS)
        return next((refusal.code for refusal in refusals if refusal is not None), None)

    def _free_margin(self, order: Order, spec: SymbolSpec, rate: float) -> float:
        """By the own books, without the position that the order itself has opened meanwhile."""
        worth, own = self._broker.worth(), self._broker.positions().get(order.strategy)
        floating = sum(worth.floating.values()) - worth.floating.get(order.strategy, 0.0)
        margin = worth.margin
        if own is not None:
            margin -= pricing.margin(self._paper, spec, own.lots, own.open_price, rate)
        return self._account.balance + floating - margin

    def _rate(self, order: Order, tick: Tick) -> float | None:
        market = self._market.symbols[order.symbol]
        return self._valuation.order_rate(order, tick, market, None) or order.rate

    def _ending(self, fill: Fill) -> ShadowDeal | None:
        """A position that ended by its stop or target: what counts is that level itself."""
        kind: ShadowKind
        if fill.code is Code.STOP_LOSS:
            kind, level = "STOP", fill.stop_loss
        elif fill.code is Code.TAKE_PROFIT:
            kind, level = "TARGET", fill.take_profit
        else:
            return None
        market = self._market.symbols[fill.symbol]
        rate = self._valuation.rate(market, market.quote) if market.quote is not None else None
        return ShadowDeal(
            order_id=fill.order_id,
            strategy=fill.strategy,
            kind=kind,
            side=fill.side,
            decided_us=None,
            point=market.spec.point,
            worth=market.spec.contract_size * rate if rate is not None else None,
            price=level,
        )
