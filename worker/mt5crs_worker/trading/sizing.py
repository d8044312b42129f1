"""How much to trade: from a risk, an equity and a stop distance to lots."""

import math
from decimal import Decimal

import msgspec

from mt5crs_shared.configuration.structs import RiskConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec


class PositionSize(msgspec.Struct, frozen=True):
    """How much to trade, and how far away the stop is.

    Attributes:
        lots: Volume, a multiple of the symbol's step; 0.0: do not trade.
        stop_distance: Distance of the stop from the entry, in the quote currency.
        reason: Why `lots` is 0.0; None where it is not.
    """

    lots: float
    stop_distance: float
    reason: str | None = None


def position_size(
    risk: RiskConfig, equity: float, atr: float, symbol: SymbolSpec, quote_to_account: float
) -> PositionSize:
    """Size a position so that its stop, if hit, costs `risk_per_trade` of the equity.

    With d = stop_loss_atr_multiple x ATR: lots = risk_per_trade x equity / (d x contract
    size x quote_to_account), at most `max_position_size` and the symbol's largest volume,
    rounded down to the symbol's step.

    Args:
        risk: The strategy's risk settings.
        equity: The account's equity, in its currency.
        atr: ATR(14) of the symbol, in the quote currency.
        symbol: Contract size, price and volume steps.
        quote_to_account: Price of one unit of the quote currency in the account's.

    Returns:
        The size; of 0.0 lots, with the reason, where there is no trade.
    """
    inputs = {"equity": equity, "ATR": atr, "rate to the account's currency": quote_to_account}
    for name, value in inputs.items():
        if not (math.isfinite(value) and value > 0.0):
            return PositionSize(0.0, 0.0, f"{name} is {value:g}, not a positive number")
    distance = risk.stop_loss_atr_multiple * atr
    if distance < symbol.point:
        return PositionSize(0.0, distance, f"stop distance {distance:g} is less than one point")
    loss_per_lot = distance * symbol.contract_size * quote_to_account
    wanted = risk.risk_per_trade * equity / loss_per_lot
    allowed = min(wanted, risk.max_position_size, symbol.lot_max)
    lots = _round_down(allowed, symbol.lot_step)
    if lots < symbol.lot_min:
        reason = f"{allowed:.4g} lots is less than the smallest volume, {symbol.lot_min:g}"
        return PositionSize(0.0, distance, reason)
    return PositionSize(lots, distance)


def _round_down(lots: float, step: float) -> float:
    """Largest multiple of `step` in `lots`; a quotient like 2.9999999999999996 counts as 3."""
    steps = math.floor(round(lots / step, 9))
    return float(steps * Decimal(repr(step)))
