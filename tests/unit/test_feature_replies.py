"""What a feature API says: three shapes are read, and nothing else is taken for one of them."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mt5crs_worker.features import BASIC, FEATURES, compute
from mt5crs_worker.features.replies import (
    MOST_BYTES,
    Reply,
    ReplyError,
    batch_question,
    read_reply,
    single_question,
    values_of,
)
from tests.feature_api import numbers, shape_a, shape_b, shape_c, spoilt
from tests.unit.test_features import random_bars, window_of

ASKED = {"symbol": "EURUSD", "timestamp": "2026-01-01T10:00:00Z"}
BATCH = {"symbols": ["EURUSD"], "features": list(BASIC)}
EXPECTED = tuple(numbers("EURUSD", ASKED["timestamp"]).values())


def read(said: Any) -> Reply:
    return read_reply(json.dumps(said).encode(), "EURUSD")


def test_the_questions_are_those_of_the_wire() -> None:
    assert json.loads(single_question("EURUSD", 1_767_261_600_000_000)) == {
        "symbol": "EURUSD",
        "timestamp": "2026-01-01T10:00:00.000000Z",
    }
    assert json.loads(batch_question("EURUSD")) == BATCH


def test_all_three_shapes_are_read() -> None:
    assert read(shape_a(ASKED)) == Reply("a", EXPECTED)
    assert read(shape_b(ASKED)) == Reply("b", EXPECTED)
    found = read(shape_c(BATCH))
    assert found.shape == "c"
    assert found.values == tuple(numbers("EURUSD", "now")[name] for name in BASIC)


def test_the_seven_that_shape_c_lacks_are_those_that_the_worker_computes() -> None:
    window = window_of(random_bars(7, 1.1, 0.0005))
    here = compute(window)
    basic = {"data": {"EURUSD": dict(zip(BASIC, here.tolist(), strict=False))}}
    assert values_of(read(basic), window.closes).tobytes() == here.tobytes()


def test_all_eighteen_are_taken_as_they_are() -> None:
    assert values_of(read(shape_a(ASKED)), np.array([])).tolist() == list(EXPECTED)


def without(said: Any, name: str) -> Any:
    del said["features"][name]
    return said


BAD = [
    (spoilt(rsi_14=None)(ASKED), "features.rsi_14 is null, where a number belongs"),
    (spoilt(rsi_14="50")(ASKED), "features.rsi_14 is '50', where a number belongs"),
    (spoilt(rsi_14=True)(ASKED), "features.rsi_14 is True, where a number belongs"),
    (spoilt(rsi_14=10**400)(ASKED), "features.rsi_14 is not finite"),
    (spoilt(rsi_14=math.nan)(ASKED), "no JSON"),
    (spoilt(rsi_14=math.inf)(ASKED), "no JSON"),
    (without(shape_a(ASKED), "sma_20"), "features lacks sma_20"),
    ({"status": "error", "message": "no data"}, "status 'error': 'no data'"),
    ({"status": "success", "features": None}, "features is None, where names and numbers"),
    ({**shape_b(ASKED), "symbol": "GBPUSD"}, "of symbol 'GBPUSD', where EURUSD was asked for"),
    ({"status": "success", "data": {"EURUSD": None}}, "data.EURUSD is null: the API has no"),
    ({"status": "success", "data": {"GBPUSD": {}}}, "data has no EURUSD, it has ['GBPUSD']"),
    ({"status": "success", "data": []}, "data is [], where symbols belong"),
    (
        {"status": "success", "data": {"EURUSD": {"rsi_14": 1.0}}},
        "data.EURUSD lacks sma_20, sma_50",
    ),
    ({"detail": "Not Found"}, "none of the features in it: ['detail']"),
    ([], "no JSON object: b'[]'"),
    (None, "no JSON object"),
]


@pytest.mark.parametrize(("said", "message"), BAD)
def test_what_is_no_eighteen_finite_numbers_is_refused(said: Any, message: str) -> None:
    with pytest.raises(ReplyError) as refused:
        read(said)
    assert message in str(refused.value)


def test_a_long_reply_is_refused_by_its_length_alone() -> None:
    body = json.dumps(shape_a(ASKED)).encode().ljust(MOST_BYTES + 1)
    with pytest.raises(ReplyError, match="more than 65,536 bytes"):
        read_reply(body, "EURUSD")


def test_what_cannot_be_derived_is_refused() -> None:
    huge = {
        "data": {"EURUSD": dict.fromkeys(BASIC, 1.7e308) | {"bb_lower": -1.7e308, "sma_50": 0.0}}
    }
    with pytest.raises(ReplyError, match=r"not finite: .*sma_trend"):
        values_of(read(huge), np.ones(6))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
names = st.sampled_from([*FEATURES, "symbol", "status", "data", "features", "EURUSD", "message"])
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=20),
    max_leaves=30,
)
nearly = st.fixed_dictionaries(
    {}, optional={name: scalars | st.just(1.0) for name in FEATURES}
).flatmap(lambda found: st.sampled_from([found, {"features": found}, {"data": {"EURUSD": found}}]))


@given(anything | nearly)
@example(shape_a(ASKED))
@example(shape_b(ASKED))
@example(shape_c(BATCH))
def test_any_json_is_eighteen_finite_numbers_or_refused(said: Any) -> None:
    try:
        found = values_of(read(said), np.linspace(1.0, 1.1, 256))
    except ReplyError as error:
        assert 0 < len(str(error)) < 600
        assert str(error).isprintable()
    else:
        assert found.shape == (18,)
        assert np.isfinite(found).all()


@given(st.binary(max_size=200))
@example(b"[" * 60_000)
@example(b'{"features": {"rsi_14": NaN}}')
@example(b'{"symbol": "\xff"}')
@example(b"")
def test_any_bytes_are_refused_or_read(body: bytes) -> None:
    try:
        read_reply(body, "EURUSD")
    except ReplyError as error:
        assert len(str(error)) < 600


@given(st.integers(0, 2_000), st.integers(0, 255))
def test_one_changed_byte_never_gives_a_reply_that_is_no_numbers(place: int, value: int) -> None:
    body = bytearray(json.dumps(shape_b(ASKED)).encode())
    body[place % len(body)] = value
    try:
        found = read_reply(bytes(body), "EURUSD")
    except ReplyError:
        return
    assert len(found.values) == 18
    assert all(math.isfinite(number) for number in found.values)
