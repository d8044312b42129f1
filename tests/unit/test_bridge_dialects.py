"""What each dialect sends, and what it makes of answers: true ones, known lies, and any bytes."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_services.gateway.brokers.bridge.dialects import return_codes
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    BadReplyError,
    DealVerdict,
    Dialect,
    Instruction,
)
from mt5crs_services.gateway.brokers.bridge.dialects.known import dialect_named
from mt5crs_services.mt5_gateway.orders.order_checks import retcode_class

TRADE, OPEN_CLOSE, ORDER_SEND, ADVISOR = map(
    dialect_named, ("trade", "open_close", "order_send", "expert_advisor")
)
ALL = (TRADE, OPEN_CLOSE, ORDER_SEND, ADVISOR)
SELL = Instruction("id-1", "EURUSD", "SELL", 0.1, 7, "m5 ab", 1.0832, 1.09, 1.07)
CLOSING = msgspec.structs.replace(SELL, ticket=77)


def sent(dialect: Dialect, instruction: Instruction = SELL) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(dialect.order(instruction))
    return found


def said(dialect: Dialect, **reply: Any) -> Any:
    return dialect.read_order(json.dumps(reply).encode(), SELL)


def test_each_says_the_side_in_the_word_that_expert_advisors_read() -> None:
    assert [sent(dialect).get("type") for dialect in (TRADE, OPEN_CLOSE, ADVISOR)] == ["SELL"] * 3
    assert sent(ORDER_SEND)["payload"]["type"] == "OP_SELL"


def test_toward_an_expert_advisor_no_question_is_a_trade() -> None:
    ping = ADVISOR.ping().decode()
    assert "GET_SYMBOL_INFO" in ping
    assert "magic" not in ping
    assert "action" not in ping


def test_keys_stand_once_in_what_an_expert_advisor_searches() -> None:
    text = ADVISOR.order(CLOSING).decode()
    for key in ("symbol", "volume", "magic", "type", "position", "price"):
        assert text.count(key) == 1, key


def test_closing_names_the_ticket_where_the_dialect_can() -> None:
    assert sent(OPEN_CLOSE, CLOSING)["action"] == "CLOSE"
    assert sent(OPEN_CLOSE, CLOSING)["ticket"] == 77
    assert sent(ADVISOR, CLOSING)["position"] == 77


def test_a_stop_that_nobody_can_see_act_is_not_sent() -> None:
    payload = sent(ORDER_SEND)["payload"]
    assert (payload["sl"], payload["tp"]) == (0.0, 0.0)
    assert ORDER_SEND.drops_stops
    assert ADVISOR.drops_stops
    assert sent(TRADE)["sl"] == 1.09


def test_a_fill_is_read() -> None:
    ok = {"status": "ok", "ticket": 5, "symbol": "EURUSD", "type": "MARKET_SELL", "volume": 0.1}
    word = said(TRADE, **ok, price=1.0831)
    assert (word.verdict, word.ticket, word.lots, word.price) == (DealVerdict.DONE, 5, 0.1, 1.0831)
    filled = {"uuid": "id-1", "status": "FILLED", "ticket": 5, "symbol": "EURUSD", "volume": 0.1}
    assert said(OPEN_CLOSE, **filled, price=1.0831).verdict is DealVerdict.DONE
    assert said(ORDER_SEND, error=False, retcode=10009, ticket=5).verdict is DealVerdict.DONE
    body = b'{"status": "FILLED", "retcode": 10009, "ticket": 5, "deal": 6}\x00'
    assert ADVISOR.read_order(body, SELL).verdict is DealVerdict.DONE


@pytest.mark.parametrize("wrong", [{"ticket": 0}, {"price": 0.0}, {"volume": 0.3}])
def test_a_fill_that_cannot_be_one_is_not_believed(wrong: dict[str, Any]) -> None:
    ok = {"ticket": 5, "symbol": "EURUSD", "volume": 0.1, "price": 1.0831} | wrong
    assert said(TRADE, status="ok", **ok).verdict is DealVerdict.UNKNOWN
    assert said(OPEN_CLOSE, uuid="id-1", status="FILLED", **ok).verdict is DealVerdict.UNKNOWN


def test_an_answer_for_another_order_is_none() -> None:
    with pytest.raises(BadReplyError, match="was answered for 'id-2'"):
        said(OPEN_CLOSE, uuid="id-2", status="FILLED", ticket=5, price=1.0, volume=0.1)
    with pytest.raises(BadReplyError, match="answered as MARKET_BUY"):
        said(TRADE, status="ok", ticket=5, type="MARKET_BUY", volume=0.1, price=1.0)
    with pytest.raises(BadReplyError, match="answered for GBPUSD"):
        said(TRADE, status="ok", ticket=5, symbol="GBPUSD", volume=0.1, price=1.0)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (10004, DealVerdict.RETRY),
        (10020, DealVerdict.RETRY),
        (10021, DealVerdict.RETRY),
        (10012, DealVerdict.UNKNOWN),
        (10024, DealVerdict.UNKNOWN),
        (10031, DealVerdict.UNKNOWN),
        (10019, DealVerdict.REFUSED),
        (10018, DealVerdict.REFUSED),
        (10005, DealVerdict.UNKNOWN),
        (-7, DealVerdict.UNKNOWN),
    ],
)
def test_return_codes_by_what_follows(code: int, verdict: DealVerdict) -> None:
    assert return_codes.verdict_of(code) is verdict
    assert said(ADVISOR, status="ERROR", retcode=code).verdict is verdict
    assert said(ORDER_SEND, error=True, retcode=code).verdict is verdict
    rejected = said(OPEN_CLOSE, uuid="id-1", status="REJECTED", error_code=code, error_msg="no")
    if code > 0:
        assert rejected.verdict is verdict
        assert said(TRADE, status="error", message=f"failed: {code}").verdict is verdict


def test_a_code_is_the_same_to_a_bridge_and_to_our_own_gateway() -> None:
    means = {
        DealVerdict.RETRY: "REFRESH",
        DealVerdict.UNKNOWN: "ASK",
        DealVerdict.REFUSED: "REFUSED",
    }
    for code in range(10_000, 10_060):
        verdict = return_codes.verdict_of(code)
        assert retcode_class(code) == means.get(verdict, "DONE"), code


def test_an_error_that_says_done_tells_nothing() -> None:
    assert said(ADVISOR, status="ERROR", retcode=10009).verdict is DealVerdict.UNKNOWN
    assert said(ORDER_SEND, error=True, retcode=10009, ticket=5).verdict is DealVerdict.UNKNOWN
    assert said(ORDER_SEND, error=False, retcode=10009).verdict is DealVerdict.UNKNOWN
    assert said(TRADE, status="error", message="code 10009").verdict is DealVerdict.UNKNOWN


def test_a_part_without_its_volume_tells_nothing() -> None:
    word = said(ORDER_SEND, error=False, retcode=10010, ticket=5)
    assert (word.verdict, word.ticket) == (DealVerdict.UNKNOWN, 5)


def test_an_error_without_a_code_is_looked_up() -> None:
    assert said(TRADE, status="error", message="nothing works").verdict is DealVerdict.DENIED


def test_a_code_is_told_with_its_remedy() -> None:
    assert "the button Algo Trading" in said(ADVISOR, status="ERROR", retcode=10027).detail


def test_positions_in_the_words_of_several_bridges() -> None:
    body = (
        b'{"status":"ok","positions":[{"ticket":1,"symbol":"EURUSD","type":1,"volume":0.1,'
        b'"price_open":1.1,"sl":1.2,"tp":0.0,"magic":7,"comment":"m5 ab"}]}'
    )
    (found,) = TRADE.read_positions(body)
    assert (found.side, found.open_price, found.stop_loss) == ("SELL", 1.1, 1.2)
    nested = (
        b'{"status":"OK","data":[{"ticket":2,"symbol":"X","type":"BUY","volume":1,"open_price":2}]}'
    )
    (found,) = OPEN_CLOSE.read_positions(nested)
    assert (found.ticket, found.side, found.stop_loss, found.magic) == (2, "BUY", None, None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"status":"error","message":"busy"}',
        b'{"status":"ok"}',
        b'{"status":"ok","positions":[{"ticket":0,"symbol":"X","type":"BUY","volume":1}]}',
        b'{"status":"ok","positions":[{"ticket":3,"symbol":"X","type":"?","volume":1}]}',
        b'{"status":"ok","positions":[{"ticket":3,"symbol":"X","type":0,"volume":1},'
        b'{"ticket":3,"symbol":"X","type":0,"volume":1}]}',
        b"[" * 100_000,
    ],
)
def test_a_list_that_is_not_whole_is_none(body: bytes) -> None:
    with pytest.raises(BadReplyError):
        TRADE.read_positions(body)


def test_the_account_at_the_top_and_nested() -> None:
    flat = b'{"status":"ok","balance":10.5,"equity":11,"margin":1,"free_margin":10}'
    assert TRADE.read_account(flat).balance == 10.5
    nested = (
        b'{"status":"OK","data":{"balance":1,"equity":2,"margin_free":3,"login":4,"trade_mode":0}}'
    )
    found = OPEN_CLOSE.read_account(nested)
    assert (found.free_margin, found.login, found.demo) == (3, 4, True)
    with pytest.raises(BadReplyError):
        TRADE.read_account(b'{"status":"error"}')


NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.none(), st.text(max_size=9))
KEYS = (
    *("uuid", "status", "error", "retcode", "ticket", "symbol", "type", "volume", "price"),
    *("positions", "data", "balance", "equity", "message", "error_code"),
)
REPLIES = st.dictionaries(
    st.sampled_from(KEYS),
    st.recursive(NUMBERS, lambda inner: st.lists(inner, max_size=3), max_leaves=5),
)


@given(st.one_of(st.binary(max_size=200), REPLIES.map(lambda reply: json.dumps(reply).encode())))
def test_any_bytes_are_a_word_or_none(body: bytes) -> None:
    for dialect in ALL:
        for read in (
            lambda body, d=dialect: d.read_order(body, SELL),
            dialect.read_positions,
            dialect.read_account,
            dialect.read_ping,
        ):
            try:
                found = read(body)
            except BadReplyError:
                continue
            if getattr(found, "verdict", None) is DealVerdict.DONE:
                assert found.ticket > 0
                assert 0.0 <= found.lots <= SELL.lots * (1 + 1e-9)
