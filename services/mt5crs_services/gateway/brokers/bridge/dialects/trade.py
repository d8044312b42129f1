"""The dialect ``trade``: ``{"action":"TRADE", "side":"BUY", ...}``, answered by ``"status":"ok"``.

It closes by a deal of the other side, and so needs a netting account.
"""

import re

import msgspec

from mt5crs_services.gateway.brokers.bridge.dialects import listing, return_codes
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    BadReplyError,
    Closing,
    DealVerdict,
    DealWord,
    FarAccount,
    FarPosition,
    Instruction,
    Ticket,
    check_symbol,
    dealt_word,
    quoted,
    read_json,
    to_json,
)
from mt5crs_shared.trading.orders import Finite

_CODE = re.compile(r"\b100[0-4][0-9]\b")
"""A return code within a bridge's words."""


class _TradeReply(msgspec.Struct):
    status: str
    ticket: Ticket = 0
    symbol: str = ""
    type: str = ""
    volume: Finite = 0.0
    price: Finite = 0.0
    message: str = ""


class TradeDialect:
    """See the module."""

    name = "trade"
    closing = Closing.BY_OPPOSITE_DEAL
    shows_account = True
    drops_stops = False

    def ping(self) -> bytes:
        """See `Dialect.ping`."""
        return to_json({"action": "GET_ACCOUNT"})

    def order(self, instruction: Instruction) -> bytes:
        """See `Dialect.order`."""
        return to_json(
            {
                "action": "TRADE",
                "symbol": instruction.symbol,
                "order_type": "MARKET",
                "side": instruction.side,
                # Expert advisors read this and not the side: without it a SELL is a BUY there.
                "type": instruction.side,
                "volume": instruction.lots,
                "magic": instruction.magic,
                "comment": instruction.comment,
                "sl": instruction.stop_loss,
                "tp": instruction.take_profit,
            }
        )

    def positions(self) -> bytes:
        """See `Dialect.positions`."""
        return to_json({"action": "GET_POSITIONS"})

    def account(self) -> bytes:
        """See `Dialect.account`."""
        return to_json({"action": "GET_ACCOUNT"})

    def read_ping(self, body: bytes) -> None:
        """See `Dialect.read_ping`."""
        self.read_account(body)

    def read_order(self, body: bytes, instruction: Instruction) -> DealWord:
        """See `Dialect.read_order`."""
        said = read_json(body, _TradeReply)
        if said.status.lower() != "ok":
            return _denied(said.message or quoted(body))
        check_symbol(said.symbol, instruction)
        if said.type and not said.type.upper().endswith(instruction.side):
            raise BadReplyError(f"a {instruction.side} was answered as {said.type}")
        return dealt_word(said.ticket, said.volume, said.price, instruction)

    def read_positions(self, body: bytes) -> list[FarPosition]:
        """See `Dialect.read_positions`."""
        return listing.read_position_list(body)

    def read_account(self, body: bytes) -> FarAccount:
        """See `Dialect.read_account`."""
        return listing.read_money(body)


def _denied(message: str) -> DealWord:
    """What an error means, whose only code may stand among its words."""
    found = _CODE.search(message)
    if found is None:
        return DealWord(DealVerdict.DENIED, detail=message)
    return return_codes.word_of_refusal(int(found.group()), message)
