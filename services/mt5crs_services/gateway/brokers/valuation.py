"""What open positions are worth at the gateway's last good quotes."""

from collections.abc import Collection

from mt5crs_services.gateway.broker import Worth
from mt5crs_services.gateway.brokers import pricing
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_services.gateway.quotes.market import Market, SymbolMarket
from mt5crs_shared.configuration.structs import PaperConfig
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Order

MAX_OFF = 0.10
"""A strategy's rate that is this share away from the gateway's own is not taken."""


class Valuation:
    """Floating profit, margin and rates, in the account's currency.

    Args:
        paper: Frictions and leverage.
        market: The gateway's own streams.
    """

    def __init__(self, paper: PaperConfig, market: Market) -> None:
        self._paper = paper
        self._market = market

    def quote(self, held: OpenPosition) -> Tick | None:
        """The quote that a position stands at.

        None where its end is settled, or where its opening tick has not come yet in the
        gateway's own stream.
        """
        if held.touch is not None or held.seen is None:
            return None
        return self._market.symbols[held.position.symbol].quote

    def quote_of_now(self, held: OpenPosition) -> Tick | None:
        """The quote that a position can be closed at; None where none has come since its opening.

        A gateway that has just begun reads quotes again that were before it.
        """
        quote, market = self.quote(held), self._market.symbols[held.position.symbol]
        if quote is None or market.replaying:
            return None
        old = quote.time_us < held.position.open_time_us and not market.clock_returned
        return None if old else quote

    def floating(self, held: OpenPosition) -> float:
        """Profit of a position if it were closed at the last good quote."""
        spec = self._market.symbols[held.position.symbol].spec
        rate = self._market.rates.rate(spec, self._ending(held)) or held.rate
        return pricing.profit(spec, held.position, self.price(held), rate)

    def price(self, held: OpenPosition) -> float:
        """The price at which a position would be closed at the last good quote."""
        spec = self._market.symbols[held.position.symbol].spec
        if held.touch is not None:
            code = held.touch.code
            return pricing.exit_price(self._paper, spec, held.position, held.touch.tick, code)
        return pricing.closing_quote(held.position, self._ending(held))

    def _ending(self, held: OpenPosition) -> Tick:
        if held.touch is not None:
            return held.touch.tick
        return self.quote(held) or held.opening

    def worth(self, positions: Collection[OpenPosition]) -> Worth:
        """What positions are worth, for whoever looks on."""
        held = {each.position.strategy: each for each in positions}
        floating = {name: self.floating(each) for name, each in held.items()}
        prices = {name: self.price(each) for name, each in held.items()}
        return Worth(floating, self.margin(positions), prices)

    def total_floating(self, positions: Collection[OpenPosition]) -> float:
        """Floating profit of positions together."""
        return sum(self.floating(held) for held in positions)

    def margin(self, positions: Collection[OpenPosition]) -> float:
        """Margin that positions hold, at their opening prices."""
        return sum(
            pricing.margin(
                self._paper,
                self._market.symbols[h.position.symbol].spec,
                h.position.lots,
                h.position.open_price,
                h.rate,
            )
            for h in positions
        )

    def order_rate(
        self, order: Order, tick: Tick, market: SymbolMarket, held: OpenPosition | None
    ) -> float | None:
        """The rate for an order that is executed on a tick; see `rate`."""
        said = order.rate if tick == order.tick else None
        return self.rate(market, tick, said, held.rate if held is not None else None)

    def rate(
        self,
        market: SymbolMarket,
        tick: Tick,
        said: float | None = None,
        earlier: float | None = None,
    ) -> float | None:
        """The rate of a symbol's quote currency to the account's at a tick.

        Args:
            market: The symbol.
            tick: A tick of it.
            said: The strategy's rate at that very tick. It counts where the own stream has not
                come to that tick yet: then it may lack what the rate depends on.
            earlier: That at the position's opening, which `said` is compared with where the own
                stream knows nothing.
        """
        own = self._market.rates.rate(market.spec, tick)
        if said is None or market.spec.name not in self._market.rates.needs:
            return own
        if own is not None and market.has(tick, 0):
            return own
        known = own or earlier
        return said if known is not None and abs(said - known) < MAX_OFF * known else own
