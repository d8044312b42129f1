"""The dialect ``expert_advisor``: what MQL code reads that looks for words in the text it is sent.

Whatever holds "magic" or "action" is a trade there, GET_SYMBOL_INFO asks for a price. It leaves
stop and target out, and can be asked for nothing else.
"""

import msgspec

from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    BadReplyError,
    BlindDialect,
    Closing,
    DealVerdict,
    DealWord,
    Instruction,
    Ticket,
    quoted,
    read_json,
    to_json,
)
from mt5crs_services.gateway.brokers.bridge.dialects.order_send import word_of_code


class _AdvisorReply(msgspec.Struct):
    status: str
    retcode: int = 0
    ticket: Ticket = 0


class ExpertAdvisorDialect(BlindDialect):
    """See the module."""

    name = "expert_advisor"
    closing = Closing.BY_TICKET

    def ping(self) -> bytes:
        """See `Dialect.ping`."""
        # Who reads JSON understands that it is no order, either.
        return to_json({"uuid": "question", "type": "GET_SYMBOL_INFO", "symbol": "EURUSD"})

    def order(self, instruction: Instruction) -> bytes:
        """See `Dialect.order`."""
        request = {
            "action": "TRADE",
            "symbol": instruction.symbol,
            "type": instruction.side,
            "volume": instruction.lots,
            "magic": instruction.magic,
            "price": instruction.price,
            "comment": instruction.comment,
        }
        if instruction.ticket:
            request["position"] = instruction.ticket
        return to_json(request)

    def read_ping(self, body: bytes) -> None:
        """See `Dialect.read_ping`."""
        if read_json(body, _AdvisorReply).status not in ("OK", "ERROR"):
            raise BadReplyError(f"a question for a price was answered by {quoted(body)}")

    def read_order(self, body: bytes, instruction: Instruction) -> DealWord:
        """See `Dialect.read_order`."""
        said = read_json(body, _AdvisorReply)
        if said.status not in ("FILLED", "ERROR"):
            raise BadReplyError(f"an order was answered by {quoted(body)}")
        word = word_of_code(said.retcode, said.ticket, said.status == "ERROR", "")
        if said.status == "FILLED" and word.verdict is not DealVerdict.DONE:
            return msgspec.structs.replace(word, verdict=DealVerdict.UNKNOWN)
        return word
