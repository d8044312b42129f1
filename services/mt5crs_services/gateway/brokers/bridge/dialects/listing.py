"""What several dialects say alike: lists of positions, and the account."""

from typing import Any

import msgspec

from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    MOST_POSITIONS,
    BadReplyError,
    FarAccount,
    FarPosition,
    Ticket,
    quoted,
    read_json,
    side_of,
)
from mt5crs_shared.trading.orders import Finite


class _Listed(msgspec.Struct):
    """A position, in the words of bridges in Python and in MQL."""

    ticket: Ticket
    symbol: str
    type: str | int
    volume: Finite
    open_price: Finite = 0.0
    price_open: Finite = 0.0
    sl: Finite | None = None
    tp: Finite | None = None
    magic: int | None = None
    comment: str | None = None


class _Positions(msgspec.Struct):
    status: str = ""
    positions: list[_Listed] | None = None
    data: list[_Listed] | None = None


class _Money(msgspec.Struct):
    status: str = ""
    balance: Finite | None = None
    equity: Finite | None = None
    margin: Finite = 0.0
    free_margin: Finite | None = None
    margin_free: Finite | None = None
    currency: str = ""
    login: int = 0
    server: str = ""
    trade_mode: int | None = None


class _Nested(msgspec.Struct):
    data: dict[str, Any] | None = None


def read_position_list(body: bytes) -> list[FarPosition]:
    """The positions of an answer, under ``positions`` or ``data``.

    Raises:
        BadReplyError: It has no list, or an entry that cannot be understood: a list that was read
            in part would look as if positions had been closed.
    """
    said = read_json(body, _Positions)
    found = said.positions if said.positions is not None else said.data
    if found is None or said.status.lower() not in ("", "ok", "success"):
        raise BadReplyError(f"the bridge was asked for its positions and said {quoted(body)}")
    if len(found) > MOST_POSITIONS:
        raise BadReplyError(
            f"the bridge listed {len(found):,} positions; {MOST_POSITIONS:,} are read"
        )
    listed = [_position(each) for each in found]
    if len({each.ticket for each in listed}) < len(listed):
        raise BadReplyError("the bridge listed one ticket twice")
    return listed


def _position(said: _Listed) -> FarPosition:
    if said.ticket <= 0 or not said.volume > 0.0:
        raise BadReplyError(f"a position of {said.volume:g} lots with ticket {said.ticket}")
    return FarPosition(
        ticket=said.ticket,
        symbol=said.symbol,
        side=side_of(said.type),
        lots=said.volume,
        open_price=said.price_open or said.open_price,
        stop_loss=said.sl,
        take_profit=said.tp,
        magic=said.magic,
        comment=said.comment,
    )


def read_money(body: bytes) -> FarAccount:
    """The account of an answer, at its top or under ``data``.

    Raises:
        BadReplyError: It names no balance.
    """
    said = read_json(body, _Money)
    if said.balance is None:
        nested = read_json(body, _Nested).data
        if nested is not None:
            said = read_json(msgspec.json.encode(nested), _Money)
    if said.balance is None or said.equity is None:
        raise BadReplyError(f"the bridge was asked for the account and said {quoted(body)}")
    free = said.free_margin if said.free_margin is not None else said.margin_free
    return FarAccount(
        balance=said.balance,
        equity=said.equity,
        margin=said.margin,
        free_margin=free if free is not None else said.equity - said.margin,
        currency=said.currency,
        login=said.login,
        server=said.server,
        # ACCOUNT_TRADE_MODE_DEMO is 0.
        demo=None if said.trade_mode is None else said.trade_mode == 0,
    )
