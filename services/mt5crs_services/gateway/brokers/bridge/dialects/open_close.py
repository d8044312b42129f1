"""The dialect ``open_close``: ``{"uuid":..., "action":"OPEN"}``, answered by ``"status":"FILLED"``.

Servers on Windows speak it. They leave the magic number out, and have been seen to say FILLED of
orders that the broker refused.
"""

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

_QUESTION = "question"
"""The id of whatever cannot trade."""


class _OpenCloseReply(msgspec.Struct):
    uuid: str = ""
    status: str = ""
    ticket: Ticket = 0
    symbol: str = ""
    volume: Finite = 0.0
    price: Finite = 0.0
    error_code: int | str | None = None
    error_msg: str = ""


class OpenCloseDialect:
    """See the module."""

    name = "open_close"
    closing = Closing.BY_TICKET
    shows_account = True
    drops_stops = False

    def ping(self) -> bytes:
        """See `Dialect.ping`."""
        return to_json({"uuid": _QUESTION, "action": "PING"})

    def order(self, instruction: Instruction) -> bytes:
        """See `Dialect.order`."""
        request = {
            "uuid": instruction.request_id,
            "action": "CLOSE" if instruction.ticket else "OPEN",
            "symbol": instruction.symbol,
            "type": instruction.side,
            "volume": instruction.lots,
            "price": 0.0,
            "sl": instruction.stop_loss,
            "tp": instruction.take_profit,
            "magic": instruction.magic,
            "comment": instruction.comment,
        }
        if instruction.ticket:
            request["ticket"] = instruction.ticket
        return to_json(request)

    def positions(self) -> bytes:
        """See `Dialect.positions`."""
        return to_json({"uuid": _QUESTION, "action": "GET_POSITIONS"})

    def account(self) -> bytes:
        """See `Dialect.account`."""
        return to_json({"uuid": _QUESTION, "action": "GET_ACCOUNT"})

    def read_ping(self, body: bytes) -> None:
        """See `Dialect.read_ping`."""
        if read_json(body, _OpenCloseReply).uuid != _QUESTION:
            raise BadReplyError(f"a ping was answered by {quoted(body)}")

    def read_order(self, body: bytes, instruction: Instruction) -> DealWord:
        """See `Dialect.read_order`."""
        said = read_json(body, _OpenCloseReply)
        if said.uuid != instruction.request_id:
            raise BadReplyError(f"request {instruction.request_id} was answered for {said.uuid!r}")
        check_symbol(said.symbol, instruction)
        if said.status == "FILLED":
            # Closing is answered with the ticket of the position, or of the deal that closed it.
            return dealt_word(said.ticket, said.volume, said.price, instruction)
        if said.status != "REJECTED":
            raise BadReplyError(f"an order was answered by {quoted(body)}")
        code = said.error_code
        if isinstance(code, int) or (isinstance(code, str) and code.isdigit()):
            return return_codes.word_of_refusal(int(code), said.error_msg)
        return DealWord(DealVerdict.DENIED, detail=said.error_msg or quoted(body))

    def read_positions(self, body: bytes) -> list[FarPosition]:
        """See `Dialect.read_positions`."""
        return [msgspec.structs.replace(p, magic=None) for p in listing.read_position_list(body)]

    def read_account(self, body: bytes) -> FarAccount:
        """See `Dialect.read_account`."""
        return listing.read_money(body)
