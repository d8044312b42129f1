"""What is quoted in tests of real accounts: one symbol of each kind, for an account in USD."""

FIRST = {"EURUSD": 1.1, "USDJPY": 150.0, "EURGBP": 0.85, "GBPUSD": 1.29}
"""Each with its first price; the last one says what pounds are worth."""

SPREAD_POINTS = 1
"""Little, or thousands of orders would cost the whole account."""


def digits_of(symbol: str) -> int:
    """Decimal digits of a price."""
    return 3 if symbol.endswith("JPY") else 5


def point_of(symbol: str) -> float:
    """The price step."""
    return float(10.0 ** -digits_of(symbol))


def spread_of(symbol: str) -> float:
    """What asking costs more than bidding."""
    return SPREAD_POINTS * point_of(symbol)
