"""Questions to a feature API and its replies, in the three shapes in which such servers speak."""

import math
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.wording import shown
from mt5crs_worker.features.computing import BASIC, FEATURES, FeatureError, complete

Shape = Literal["a", "b", "c"]
"""``a``: all names below ``features``; ``b``: beside symbol and timestamp; ``c``: 11 of them, by
symbol, below ``data``."""

MOST_BYTES: Final = 65_536
"""Of a reply; a good one has about one thousand."""


class ReplyError(Mt5crsError):
    """A reply that cannot be used. The bar is decided as the strategy's `on_failure` says."""


class Reply(msgspec.Struct, frozen=True):
    """What an API said of one symbol.

    Attributes:
        shape: How it spoke.
        values: Finite numbers: all 18, or of shape ``c`` the 11 of `BASIC`, in their order.
    """

    shape: Shape
    values: tuple[float, ...]


class SingleQuestion(msgspec.Struct, frozen=True):
    """Asks for one symbol; answered in shape ``a`` or ``b``.

    Attributes:
        symbol: Its name.
        timestamp: ISO 8601, UTC: of the bars that were closed by then, the newest is meant.
    """

    symbol: str
    timestamp: str


class BatchQuestion(msgspec.Struct, frozen=True):
    """Asks for the newest features of some symbols; answered in shape ``c``.

    Attributes:
        symbols: Their names.
        features: Names of the features.
    """

    symbols: tuple[str, ...]
    features: tuple[str, ...]


def single_question(symbol: str, end_us: int) -> bytes:
    """The question for the bar of a symbol that ends at a moment, us since the epoch."""
    return msgspec.json.encode(SingleQuestion(symbol, format_iso(end_us)))


def batch_question(symbol: str) -> bytes:
    """The same of a server that knows shape ``c`` alone; it has no time in it."""
    return msgspec.json.encode(BatchQuestion((symbol,), BASIC))


def read_reply(body: bytes, symbol: str) -> Reply:
    """Take the features of a symbol out of a reply.

    Args:
        body: The reply's body.
        symbol: What was asked for.

    Raises:
        ReplyError: It is of no known shape, of another symbol, or lacks a finite number.
    """
    if len(body) > MOST_BYTES:
        raise ReplyError(f"a reply of more than {MOST_BYTES:,} bytes")
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ReplyError(f"no JSON ({error}): {shown(body)}") from None
    if not isinstance(said, dict):
        raise ReplyError(f"no JSON object: {shown(body)}")
    status = said.get("status", "success")
    if status != "success":
        raise ReplyError(f"status {shown(status)}{_words(said)}")
    if said.get("symbol", symbol) != symbol:
        raise ReplyError(f"of symbol {shown(said['symbol'])}, where {symbol} was asked for")
    if "data" in said:
        return Reply("c", _of_batch(said["data"], symbol))
    if "features" in said:
        return Reply("a", _numbers(said["features"], "features", FEATURES))
    return Reply("b", _numbers(said, "", FEATURES))


def values_of(reply: Reply, closes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The 18 features, those that shape ``c`` lacks derived from the others and the closes.

    Args:
        reply: What was said.
        closes: Of the closed bars, the newest last.

    Raises:
        ReplyError: A derived one is not finite.
    """
    if len(reply.values) == len(FEATURES):
        return np.array(reply.values)
    try:
        return complete(reply.values, closes)
    except FeatureError as error:
        raise ReplyError(str(error)) from None


def _of_batch(data: Any, symbol: str) -> tuple[float, ...]:
    if not isinstance(data, dict):
        raise ReplyError(f"data is {shown(data)}, where symbols belong")
    if symbol not in data:
        raise ReplyError(f"data has no {symbol}, it has {shown(sorted(map(str, data)))}")
    if data[symbol] is None:
        raise ReplyError(f"data.{symbol} is null: the API has no features of it")
    return _numbers(data[symbol], f"data.{symbol}", BASIC)


def _numbers(found: Any, where: str, names: tuple[str, ...]) -> tuple[float, ...]:
    if not isinstance(found, dict):
        raise ReplyError(f"{where} is {shown(found)}, where names and numbers belong")
    missing = [name for name in names if name not in found]
    if len(missing) == len(names):
        raise ReplyError(
            f"none of the features in {where or 'it'}: {shown(sorted(map(str, found)))}"
        )
    if missing:
        raise ReplyError(f"{where or 'it'} lacks {', '.join(missing)}")
    return tuple(_number(found, where, name) for name in names)


def _number(found: Mapping[str, Any], where: str, name: str) -> float:
    value = found[name]
    place = f"{where}.{name}" if where else name
    if isinstance(value, bool) or not isinstance(value, int | float):
        what = "null" if value is None else shown(value)
        raise ReplyError(f"{place} is {what}, where a number belongs")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ReplyError(f"{place} is not finite")
    return number


def words_of_refusal(body: bytes) -> str:
    """Why a server has not answered, in its own words as far as it has some."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and (words := _words(said)):
        return words
    return f": {shown(body.decode(errors='replace'))}" if body else ""


def _words(said: Mapping[str, Any]) -> str:
    """What a reply that is no success says of the reason."""
    for key in ("message", "error", "detail"):
        if key in said:
            return f": {shown(said[key])}"
    return ""
