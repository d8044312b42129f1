"""The dialect ``order_send``: ``{"action":"ORDER_SEND", "req_id":..., "payload":{...}}``.

It answers with a return code, cannot be asked what is open, and closes by a deal of the other side:
it needs a netting account. A repeated ``req_id`` is answered from the bridge's memory, which a
restart of the bridge empties; so nothing is repeated here either.
"""

import datetime

import msgspec

from mt5crs_services.gateway.brokers.bridge.dialects import return_codes
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    BlindDialect,
    Closing,
    DealVerdict,
    DealWord,
    Instruction,
    Ticket,
    read_json,
    to_json,
)

_FAULTS = {
    -1: (DealVerdict.REFUSED, "the bridge could not parse the request"),
    -2: (DealVerdict.REFUSED, "the bridge missed a field"),
    -3: (DealVerdict.REFUSED, "the bridge takes no such value"),
    -4: (DealVerdict.UNKNOWN, "the bridge failed within"),
}
"""Its own codes, below those of MetaTrader."""


class _OrderSendReply(msgspec.Struct):
    error: bool
    retcode: int
    ticket: Ticket = 0
    msg: str = ""


class OrderSendDialect(BlindDialect):
    """See the module."""

    name = "order_send"
    closing = Closing.BY_OPPOSITE_DEAL

    def ping(self) -> bytes:
        """See `Dialect.ping`."""
        return to_json({"action": "PING", "req_id": "ping", "timestamp": _now(), "payload": {}})

    def order(self, instruction: Instruction) -> bytes:
        """See `Dialect.order`."""
        return to_json(
            {
                "action": "ORDER_SEND",
                "req_id": instruction.request_id,
                "timestamp": _now(),
                "payload": {
                    "symbol": instruction.symbol,
                    "type": f"OP_{instruction.side}",
                    "volume": instruction.lots,
                    "magic": instruction.magic,
                    "comment": instruction.comment,
                    # A stop that nobody can see act would leave a position in the books that is
                    # none, and the deal that is to close it would open another.
                    "sl": 0.0,
                    "tp": 0.0,
                },
            }
        )

    def read_ping(self, body: bytes) -> None:
        """See `Dialect.read_ping`."""
        read_json(body, _OrderSendReply)

    def read_order(self, body: bytes, instruction: Instruction) -> DealWord:
        """See `Dialect.read_order`."""
        said = read_json(body, _OrderSendReply)
        if said.retcode in _FAULTS:
            verdict, meaning = _FAULTS[said.retcode]
            return DealWord(verdict, detail=": ".join(filter(None, (meaning, said.msg))))
        return word_of_code(said.retcode, said.ticket, said.error, said.msg)


def word_of_code(code: int, ticket: int, failed: bool, said: str) -> DealWord:
    """What a return code means where the answer has neither volume nor price.

    Args:
        code: The return code.
        ticket: The ticket; 0: there is none.
        failed: The answer calls itself an error.
        said: Its words.
    """
    detail = return_codes.code_in_words(code, said)
    verdict = return_codes.verdict_of(code)
    partial = code == 10010
    contradicts = verdict is DealVerdict.DONE and (failed or ticket <= 0)
    if contradicts or partial or verdict is DealVerdict.PLACED:
        # How much was dealt, or whether anything was, it does not say.
        return DealWord(DealVerdict.UNKNOWN, ticket, detail=detail)
    return DealWord(verdict, ticket, detail=detail)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat()
