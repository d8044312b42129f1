"""What a broker says of one symbol."""

from typing import Annotated

import msgspec
from msgspec import Meta

Symbol = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._#-]{0,31}\Z")]
Positive = Annotated[float, Meta(gt=0.0)]
NotNegative = Annotated[float, Meta(ge=0.0)]


class SymbolSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a broker says of one symbol.

    Attributes:
        name: Exact symbol.
        contract_size: Units of the base in one lot.
        digits: Decimal digits of a price.
        lot_min: Smallest volume, in lots.
        lot_step: Volume step, in lots.
        lot_max: Largest volume, in lots.
        quote_currency: Currency of the price and of the profit.
        base_currency: Currency (or metal) of the contract.
        margin_rate: Share of the leveraged margin that is really asked; 1.0 is usual.
        spread_points: Typical spread, in points.
    """

    name: Symbol
    contract_size: Positive
    digits: Annotated[int, Meta(ge=0, le=10)]
    lot_min: Positive
    lot_step: Positive
    lot_max: Positive
    quote_currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    base_currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    margin_rate: Positive = 1.0
    spread_points: NotNegative = 10.0

    @property
    def point(self) -> float:
        """The price step, ``10 ** -digits``."""
        return float(10.0**-self.digits)
