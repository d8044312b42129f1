"""The book's open positions, found by strategy and by symbol."""

from collections.abc import Collection, Iterable

from mt5crs_services.gateway.broker import Dealt
from mt5crs_services.gateway.ledger.open_position import OpenPosition


class Holdings:
    """At most one position a strategy.

    Args:
        held: Those that are open already.
    """

    def __init__(self, held: Iterable[OpenPosition] = ()) -> None:
        self._by_strategy: dict[str, OpenPosition] = {}
        self._by_symbol: dict[str, tuple[OpenPosition, ...]] = {}
        for position in held:
            self.add(position)

    @property
    def all(self) -> Collection[OpenPosition]:
        """Every open position."""
        return self._by_strategy.values()

    def get(self, strategy: str) -> OpenPosition | None:
        """A strategy's position."""
        return self._by_strategy.get(strategy)

    def of_symbol(self, symbol: str) -> tuple[OpenPosition, ...]:
        """The positions of a symbol."""
        return self._by_symbol.get(symbol, ())

    def beside(self, held: OpenPosition) -> tuple[OpenPosition, ...]:
        """The other positions of a position's symbol."""
        return tuple(other for other in self.of_symbol(held.position.symbol) if other is not held)

    def add(self, held: OpenPosition) -> None:
        """It is open from now on."""
        symbol = held.position.symbol
        self._by_strategy[held.position.strategy] = held
        self._by_symbol[symbol] = (*self.of_symbol(symbol), held)

    def book(self, dealt: Dealt) -> None:
        """A deal has happened: its position is as it says from now on."""
        before = self.get(dealt.fill.strategy)
        if before is not None and before.position.ticket == dealt.fill.ticket:
            self.remove(dealt.fill.strategy)
        if dealt.held is not None:
            self.add(dealt.held)

    def remove(self, strategy: str) -> None:
        """It is closed."""
        held = self._by_strategy.pop(strategy)
        self._by_symbol[held.position.symbol] = self.beside(held)
