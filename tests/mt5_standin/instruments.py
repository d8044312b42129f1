"""What the broker behind the stand-in trades, and what it answers."""

from dataclasses import dataclass, field


@dataclass
class Instrument:
    """A symbol at the broker."""

    name: str = "EURUSD"
    digits: int = 5
    bid: float = 1.1
    ask: float = 1.1001
    contract: float = 100_000.0
    base: str = "EUR"
    profit: str = "USD"
    filling_mode: int = 3
    exemode: int = 2
    trade_mode: int = 4
    volume_min: float = 0.01
    volume_max: float = 50.0
    volume_step: float = 0.01
    stops_level: int = 0
    closed: bool = False
    selected: bool = True
    ticks: list[list[float]] = field(default_factory=list)
    rates: list[list[float]] = field(default_factory=list)

    @property
    def point(self) -> float:
        return float(10.0**-self.digits)


@dataclass
class Executed:
    """What the broker did with a request."""

    retcode: int
    order: int = 0
    deal: int = 0
    volume: float = 0.0
    price: float = 0.0
