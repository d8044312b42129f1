"""What open positions are worth at the gateway's last good quotes."""

from collections.abc import Collection

from mt5crs_services.gateway.brokers.paper import pricing
from mt5crs_services.gateway.open_position import Holding
from mt5crs_services.gateway.quotes.market import Market
from mt5crs_shared.configuration.structs import PaperConfig
from mt5crs_shared.market.ticks import Tick


class Valuation:
    """Floating profit and margin, in the account's currency.

    Args:
        paper: Frictions and leverage.
        market: The gateway's own streams.
    """

    def __init__(self, paper: PaperConfig, market: Market) -> None:
        self._paper = paper
        self._market = market

    def quote(self, holding: Holding) -> Tick | None:
        """The quote that a position stands at.

        None where its end is settled, or where its opening tick has not come yet in the
        gateway's own stream.
        """
        if holding.touch is not None or holding.seen is None:
            return None
        return self._market.symbols[holding.position.symbol].quote

    def floating(self, holding: Holding) -> float:
        """Profit of a position if it were closed at the last good quote."""
        position = holding.position
        spec = self._market.symbols[position.symbol].spec
        if holding.touch is not None:
            tick = holding.touch.tick
            price = pricing.exit_price(self._paper, spec, position, tick, holding.touch.code)
        else:
            tick = self.quote(holding) or holding.opening
            price = pricing.closing_quote(position, tick)
        rate = self._market.rates.rate(spec, tick) or holding.rate
        return pricing.profit(spec, position, price, rate)

    def total_floating(self, holdings: Collection[Holding]) -> float:
        """Floating profit of positions together."""
        return sum(self.floating(holding) for holding in holdings)

    def margin(self, holdings: Collection[Holding]) -> float:
        """Margin that positions hold, at their opening prices."""
        return sum(
            pricing.margin(
                self._paper,
                self._market.symbols[h.position.symbol].spec,
                h.position.lots,
                h.position.open_price,
                h.rate,
            )
            for h in holdings
        )
