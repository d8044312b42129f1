"""What an order has to meet before it is handed to the broker, and how it is handed over."""

import math
from typing import Any, Final, Literal

import msgspec

from mt5crs_services.mt5_gateway.protocol import order_token
from mt5crs_services.mt5_gateway.requests import COMMENT_SIZE, SendOrder
from mt5crs_services.mt5_gateway.terminal_records import TerminalSymbol
from mt5crs_services.retcodes import ASK_FIRST, REFRESH, RETCODES

DONE: Final = frozenset({10008, 10009, 10010})
"""The broker has it; what it came to stands in the books."""

ACTION_DEAL: Final = 1
ACTION_SLTP: Final = 6
FILLING: Final = {"FOK": 0, "IOC": 1, "RETURN": 2}


class Hindrance(msgspec.Struct, frozen=True):
    """Why an order is refused without being sent.

    Attributes:
        retcode: What the broker would have said.
        detail: For people.
    """

    retcode: int
    detail: str


class Offer(msgspec.Struct, frozen=True):
    """A price that an order may be sent at.

    Attributes:
        price: The broker's.
        deviation: Points by which the broker's price may still be worse.
    """

    price: float
    deviation: int


def retcode_class(retcode: int) -> Literal["DONE", "REFRESH", "ASK", "REFUSED"]:
    """What is to be done about a return code; one that is not known is asked about."""
    if retcode in DONE:
        return "DONE"
    if retcode in REFRESH:
        return "REFRESH"
    return "REFUSED" if retcode in RETCODES and retcode not in ASK_FIRST else "ASK"


def order_comment(request: SendOrder) -> str:
    """The order's comment at the broker: its token, and what the client says."""
    return f"{order_token(request.order_id)} {request.comment}".strip()[:COMMENT_SIZE]


def hindrance(request: SendOrder, symbol: TerminalSymbol) -> Hindrance | None:
    """Why an order cannot be executed, as far as that is known here; None: nothing is known."""
    if request.action == "OPEN" and request.ticket:
        return Hindrance(10013, "an order that opens a position names no ticket")
    if request.action == "CLOSE" and not request.ticket:
        return Hindrance(10013, "an order that closes a position names its ticket")
    return _volume(request, symbol) or _mode(request, symbol)


def _volume(request: SendOrder, symbol: TerminalSymbol) -> Hindrance | None:
    lots, step = request.lots, symbol.lot_step or 0.01
    steps = lots / step
    if abs(steps - round(steps)) > 1e-6:
        return Hindrance(10014, f"{lots:g} lots is no multiple of {step:g}")
    if lots > symbol.lot_max + step * 1e-6:
        return Hindrance(10014, f"{lots:g} lots; {symbol.name} takes at most {symbol.lot_max:g}")
    # A position may be smaller than the least that opens one, and has to be closed all the same.
    if request.action == "OPEN" and lots < symbol.lot_min - step * 1e-6:
        return Hindrance(10014, f"{lots:g} lots; {symbol.name} takes at least {symbol.lot_min:g}")
    return None


def _mode(request: SendOrder, symbol: TerminalSymbol) -> Hindrance | None:
    opening = request.action == "OPEN"
    match symbol.trade_mode:
        case "DISABLED":
            return Hindrance(10017, f"trading of {symbol.name} is disabled at the broker")
        case "CLOSEONLY" if opening:
            return Hindrance(10044, f"positions of {symbol.name} may only be closed")
        case "LONGONLY" if opening and request.side == "SELL":
            return Hindrance(10042, f"{symbol.name} may only be bought")
        case "SHORTONLY" if opening and request.side == "BUY":
            return Hindrance(10043, f"{symbol.name} may only be sold")
    return None


def offer(request: SendOrder, symbol: TerminalSymbol, bid: float, ask: float) -> Offer | Hindrance:
    """The price to send an order at, where it is near enough to the one it was decided on."""
    price = ask if request.side == "BUY" else bid
    if not (math.isfinite(price) and price > 0.0):
        return Hindrance(10021, f"{symbol.name} has no price now")
    point = symbol.point or 10.0**-symbol.digits
    worse = (price - request.price) / point * (1.0 if request.side == "BUY" else -1.0)
    if not request.price:
        worse = 0.0
    if worse > request.deviation + 1e-6:
        return Hindrance(
            10020,
            f"the price is {price:.{symbol.digits}f}, {worse:.1f} points worse than"
            f" {request.price:.{symbol.digits}f}; the most is {request.deviation}",
        )
    return Offer(round(price, symbol.digits), max(0, math.floor(request.deviation - worse + 1e-6)))


def filling(symbol: TerminalSymbol) -> int:
    """How a market order of a symbol is to be filled: all of it or nothing, where that can be had.

    Request and instant execution know nothing else; an exchange takes the rest back to its book
    only where it allows nothing else.
    """
    if symbol.execution in ("REQUEST", "INSTANT") or "FOK" in symbol.filling:
        return FILLING["FOK"]
    if "IOC" in symbol.filling:
        return FILLING["IOC"]
    return FILLING["RETURN"] if symbol.execution == "EXCHANGE" else FILLING["FOK"]


def trade_request(
    request: SendOrder, symbol: TerminalSymbol, at: Offer, position: int
) -> dict[str, Any]:
    """The order as `order_send` takes it."""
    found: dict[str, Any] = {
        "action": ACTION_DEAL,
        "symbol": request.symbol,
        "volume": request.lots,
        "type": 0 if request.side == "BUY" else 1,
        "price": at.price,
        "deviation": at.deviation,
        "magic": request.magic,
        "comment": order_comment(request),
        "type_time": 0,
        "type_filling": filling(symbol),
    }
    if request.stop_loss:
        found["sl"] = round(request.stop_loss, symbol.digits)
    if request.take_profit:
        found["tp"] = round(request.take_profit, symbol.digits)
    if position:
        found["position"] = position
    return found


def stops_request(request: SendOrder, symbol: TerminalSymbol, position: int) -> dict[str, Any]:
    """The order's stops for a position that lacks them; repeating it changes nothing."""
    return {
        "action": ACTION_SLTP,
        "symbol": request.symbol,
        "position": position,
        "sl": round(request.stop_loss, symbol.digits),
        "tp": round(request.take_profit, symbol.digits),
        "magic": request.magic,
    }
