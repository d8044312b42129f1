"""The Windows gateway's protocol: msgpack, one frame, over DEALER and ROUTER.

A frame is an :class:`Envelope`: the protocol's version, an id that the answer repeats, and a
request or an answer. Answers carry the id of their request, so that a late one is known for what
it is. Times are us since the epoch in UTC, prices the broker's, volumes in lots, money in the
account's currency. A side is that of the deal itself: closing a BUY is a SELL.
"""

import base64
import hashlib
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from mt5crs_services.mt5_gateway.answers import AnyAnswer, GatewayFailure
from mt5crs_services.mt5_gateway.requests import AnyRequest
from mt5crs_shared.errors import Mt5crsError

VERSION: Final = 1
"""Of the protocol. A request of another one is answered with `WRONG_VERSION`, and nothing else."""

MAX_REQUEST: Final = 65_536
"""Bytes of the largest request; who sends more is cut off."""

MAX_ANSWER: Final = 16_777_216
"""Bytes of the largest answer; a client sets ZMQ_MAXMSGSIZE to it."""


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One frame.

    Attributes:
        version: Of the protocol.
        request_id: The client's; the answer repeats it.
        body: A request or an answer.
    """

    version: Annotated[int, Meta(ge=0, le=2**31)]
    request_id: Annotated[str, Meta(max_length=120)]
    body: msgspec.Raw


class ProtocolError(Mt5crsError):
    """A frame that is no message of this protocol.

    Attributes:
        failure: The answer to it.
        request_id: Of the frame, where that much can be read.
    """

    def __init__(self, failure: GatewayFailure, request_id: str = "") -> None:
        super().__init__(failure.what)
        self.failure = failure
        self.request_id = request_id


_encoder = msgspec.msgpack.Encoder()
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
_decode_request = msgspec.msgpack.Decoder(AnyRequest).decode
_decode_answer = msgspec.msgpack.Decoder(AnyAnswer).decode


def encode_message(request_id: str, message: AnyRequest | AnyAnswer) -> bytes:
    """The frame of a request, or of an answer."""
    return _encoder.encode(Envelope(VERSION, request_id, msgspec.Raw(_encoder.encode(message))))


def decode_request(frame: bytes) -> tuple[str, AnyRequest]:
    """The id and the request of a frame.

    Raises:
        ProtocolError: It is none.
    """
    envelope = _opened(frame)
    return envelope.request_id, _read(_decode_request, envelope)


def decode_answer(frame: bytes) -> tuple[str, AnyAnswer]:
    """The id of the request, and the answer to it.

    Raises:
        ProtocolError: It is none.
    """
    envelope = _opened(frame)
    return envelope.request_id, _read(_decode_answer, envelope)


def order_token(order_id: str) -> str:
    """How the broker's books name an order: the first 12 characters of its comment.

    Letters and digits only: nothing that a broker, or an expert advisor, takes for something else.
    """
    digest = hashlib.blake2b(order_id.encode(), digest_size=8).digest()
    return base64.b32encode(digest).decode()[:12]


def _opened(frame: bytes) -> Envelope:
    try:
        envelope = _decode_envelope(frame)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        what = f"a frame that is no envelope: {error}"
        raise ProtocolError(GatewayFailure("BAD_REQUEST", what)) from error
    if envelope.version != VERSION:
        what = f"a message of version {envelope.version} of the protocol; this side has {VERSION}"
        failure = GatewayFailure("WRONG_VERSION", what, "version", "use the same release on both")
        raise ProtocolError(failure, envelope.request_id)
    return envelope


def _read(decode: Any, envelope: Envelope) -> Any:
    try:
        return decode(envelope.body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        what = f"a message that cannot be read: {error}"
        raise ProtocolError(GatewayFailure("BAD_REQUEST", what), envelope.request_id) from error
