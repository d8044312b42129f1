"""The Windows gateway's protocol: there and back, and what is none."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_services.mt5_gateway import answers, protocol, requests
from mt5crs_services.mt5_gateway.answers import GatewayFailure, OrderReport
from mt5crs_services.mt5_gateway.protocol import (
    VERSION,
    ProtocolError,
    decode_answer,
    decode_request,
    encode_message,
    order_token,
)
from mt5crs_services.mt5_gateway.requests import AnyRequest, AskBars, AskTerminal, SendOrder

ORDER = SendOrder("ma_cross:1:OPEN", "j", 5001, "OPEN", "EURUSD", "BUY", 0.1, 7)
FIELDS = msgspec.to_builtins(ORDER)


def framed(body: object, version: int = VERSION, **more: object) -> bytes:
    return msgspec.msgpack.encode({"version": version, "request_id": "q", "body": body} | more)


def refused(frame: bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        decode_request(frame)
    return caught.value


def test_requests_and_answers_come_back_as_they_were() -> None:
    assert decode_request(encode_message("1", ORDER)) == ("1", ORDER)
    report = OrderReport("a", "FILLED", 10009, price=1.1)
    assert decode_answer(encode_message("2", report)) == ("2", report)


def test_every_request_and_answer_has_a_word_of_its_own() -> None:
    for union in (requests.AnyRequest, answers.AnyAnswer):
        kinds = union.__args__  # type: ignore[attr-defined]
        assert len({kind.__struct_config__.tag for kind in kinds}) == len(kinds)


@pytest.mark.parametrize(
    "change",
    [
        {"lots": 0.0},
        {"lots": float("nan")},
        {"lots": -1.0},
        {"lots": "0.1"},
        {"magic": -1},
        {"magic": 0},
        {"magic": 2**31},
        {"side": "buy"},
        {"action": "MODIFY"},
        {"symbol": "EUR USD"},
        {"order_id": ""},
        {"order_id": "a b"},
        {"order_id": "a" * 121},
        {"comment": "magic: \x00"},
        {"comment": "a" * 19},
        {"price": -1.0},
        {"price": float("inf")},
        {"surprise": 1},
        {"ticket": 2**63},
    ],
    ids=str,
)
def test_an_order_that_is_none_is_refused(change: dict[str, Any]) -> None:
    error = refused(framed(FIELDS | change))
    assert (error.failure.code, error.request_id) == ("BAD_REQUEST", "q")


def test_another_version_is_told_before_anything_is_read() -> None:
    error = refused(framed({"whatever": 1}, version=2))
    assert (error.failure.code, error.request_id) == ("WRONG_VERSION", "q")


def test_an_envelope_has_nothing_else() -> None:
    assert refused(framed(FIELDS, more=1)).failure.code == "BAD_REQUEST"


def test_what_is_deep_or_long_is_refused() -> None:
    assert refused(framed(None).replace(b"\xc0", b"\x91" * 50_000)).failure.code == "BAD_REQUEST"
    names = ["EURUSD"] * (requests.MAX_SYMBOLS + 1)
    assert refused(framed({"type": "symbols", "names": names})).failure.code == "BAD_REQUEST"
    count = requests.MAX_BARS + 1
    bars = msgspec.to_builtins(AskBars("EURUSD", "M1", 1)) | {"count": count}
    assert refused(framed(bars)).failure.code == "BAD_REQUEST"


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(frame: bytes) -> None:
    for decode in (decode_request, decode_answer):
        try:
            decode(frame)
        except ProtocolError as error:
            assert isinstance(error.failure, GatewayFailure)


@given(st.data())
def test_nor_does_a_request_with_bytes_changed(data: st.DataObject) -> None:
    frame = bytearray(encode_message("q", data.draw(st.sampled_from([ORDER, AskTerminal()]))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(frame) - 1))
        frame[place] = data.draw(st.integers(0, 255))
    try:
        _, request = decode_request(bytes(frame))
    except ProtocolError:
        return
    assert isinstance(request, AnyRequest)


@given(st.text(min_size=1))
def test_a_token_is_twelve_letters_and_digits(order_id: str) -> None:
    token = order_token(order_id)
    assert len(token) == 12 and token.isalnum() and token.isupper() | token.isdigit()


def test_tokens_differ() -> None:
    assert len({order_token(f"s:{number}") for number in range(20_000)}) == 20_000


def test_an_answer_has_room_for_the_most_that_is_asked_for() -> None:
    from mt5crs_services.mt5_gateway.terminal_records import TerminalBar, TerminalTick

    bar = TerminalBar(2**60, *([1.234567890123] * 4), 2**40, 2**30, 2**60)
    bars = answers.BarsReport("EURUSD", "M1", (bar,) * requests.MAX_BARS)
    tick = TerminalTick(2**60, 1.1, 1.1, 1.1, 1.1)
    ticks = answers.TicksReport("EURUSD", (tick,) * requests.MAX_TICKS)
    for answer in (bars, ticks):
        assert len(encode_message("1", answer)) < protocol.MAX_ANSWER
