"""The feature API over HTTP: every shape of question, answered from the bars at hand."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from mt5crs_shared.configuration.values import Timeframe
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.wording import nearest, shown
from mt5crs_worker.features.computing import FEATURES
from mt5crs_worker.features.replies import MOST_BYTES
from mt5crs_worker.features.serving.bar_series import BarFeatures, BarSeries, NotThereError

PATIENCE: Final = 0.5
"""Seconds that a bar is waited for which the asker has seen closed, and the tape has not yet."""

BODY_WITHIN: Final = 5.0
"""Seconds that a question may take to arrive."""

MOST_SYMBOLS: Final = 1_000

Series = Mapping[tuple[str, Timeframe], BarSeries]


class SingleAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One symbol, as of a moment; None: the newest closed bar."""

    symbol: str
    timestamp: str | float | None = None


class BatchAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest closed bars of some symbols; no features named: all."""

    symbols: tuple[str, ...]
    features: tuple[str, ...] = FEATURES


class QuestionError(Mt5crsError):
    """A question that cannot be answered as it is; its asker is told how it would be.

    Attributes:
        status: Of HTTP.
    """

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


QUESTIONS: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        msgspec.json.schema(kind)["$defs"][kind.__name__]
                        for kind in (SingleAsked, BatchAsked)
                    ]
                }
            }
        },
    }
}
"""What may be asked, as ``/openapi.json`` says it."""


def make_application(series: Series, trouble: Callable[[], str] = str) -> FastAPI:
    """The application over the bars of some symbols and timeframes.

    Args:
        series: The bars.
        trouble: Says why they are not what they should be; empty: they are.
    """
    # Its pages load scripts from elsewhere; what is asked and answered is in docs/features.md.
    app = FastAPI(title="mt5crs-supervisor features", docs_url=None, redoc_url=None)

    @app.get("/health")
    async def health() -> JSONResponse:
        """Which bars are here."""
        if fault := trouble():
            return _failure(fault, 503)
        described = [_described(one) for one in series.values()]
        return JSONResponse({"status": "ok", "series": described})

    @app.post("/features/latest", openapi_extra=QUESTIONS)
    async def latest(request: Request) -> JSONResponse:
        """The features of a symbol as of a moment, or the newest ones of some symbols."""
        if fault := trouble():
            return _failure(fault, 503)
        return await _told(lambda: _answer(series, request))

    return app


async def _told(answer: Callable[[], Awaitable[dict[str, Any]]]) -> JSONResponse:
    try:
        return JSONResponse(await answer())
    except NotThereError as error:
        return _failure(str(error), 503)
    except QuestionError as error:
        return _failure(str(error), error.status)


def _failure(words: str, status: int) -> JSONResponse:
    return JSONResponse({"status": "error", "message": words}, status)


async def _answer(series: Series, request: Request) -> dict[str, Any]:
    begun = time.perf_counter()
    asked = _read(await _body(request))
    timeframe = request.headers.get("x-timeframe")
    if isinstance(asked, SingleAsked):
        one = _find(series, asked.symbol, timeframe)
        found = await _features_at(one, _moment_of(asked.timestamp))
        return _single(one, asked, found)
    data: dict[str, dict[str, float] | None] = {}
    errors: dict[str, str] = {}
    for symbol in asked.symbols:
        try:
            values = _find(series, symbol, timeframe).features(None).values
            named = dict(zip(FEATURES, values, strict=True))
            data[symbol] = {name: named[name] for name in asked.features}
        except (NotThereError, QuestionError) as error:
            data[symbol], errors[symbol] = None, str(error)
    took = 1000.0 * (time.perf_counter() - begun)
    return {"status": "success", "data": data, "errors": errors, "execution_time_ms": took}


def _single(one: BarSeries, asked: SingleAsked, found: BarFeatures) -> dict[str, Any]:
    """Both shapes at once: the numbers below ``features``, and beside the symbol."""
    named = dict(zip(FEATURES, found.values, strict=True))
    end = format_iso(found.end_us)
    return {
        "status": "success",
        "symbol": one.symbol,
        "timestamp": end if asked.timestamp is None else asked.timestamp,
        "timeframe": one.timeframe,
        "bar_start": format_iso(found.start_us),
        "bar_end": end,
        "features": named,
        **named,
    }


async def _features_at(one: BarSeries, time_us: int | None) -> BarFeatures:
    """Wait a little for the tick that closes a bar: who asks may have had it first."""
    until = time.monotonic() + PATIENCE
    while time_us is not None and not one.has_closed(time_us) and time.monotonic() < until:
        await asyncio.sleep(0.01)
    return one.features(time_us)


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise QuestionError(f"a question of more than {MOST_BYTES:,} bytes", 413)
    except TimeoutError:
        raise QuestionError(f"no whole question within {BODY_WITHIN:g} s", 408) from None
    return body


def _read(body: bytes) -> SingleAsked | BatchAsked:
    try:
        said = msgspec.json.decode(body)
        if isinstance(said, dict) and "symbols" in said:
            return _checked(msgspec.convert(said, BatchAsked))
        return msgspec.convert(said, SingleAsked)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise QuestionError(
            f'{error}; ask {{"symbol": "EURUSD", "timestamp": "2026-01-05T10:00:00Z"}} or'
            ' {"symbols": ["EURUSD"], "features": ["rsi_14"]}'
        ) from None


def _checked(asked: BatchAsked) -> BatchAsked:
    if len(asked.symbols) > MOST_SYMBOLS:
        raise QuestionError(f"{len(asked.symbols)} symbols; at most {MOST_SYMBOLS}")
    for name in asked.features:
        if name not in FEATURES:
            raise QuestionError(f"no feature {shown(name)}{_hint(name, FEATURES)}")
    return asked


def _find(series: Series, symbol: str, timeframe: str | None) -> BarSeries:
    lengths = [length for name, length in series if name == symbol]
    if not lengths:
        known = sorted({name for name, _ in series})
        hint = _hint(symbol, known)
        raise QuestionError(f"no enabled strategy trades {shown(symbol)}{hint}", 404)
    if timeframe is None:
        if len(lengths) > 1:
            raise QuestionError(
                f"{symbol} has bars of {', '.join(lengths)}: say which in the header X-Timeframe"
            )
        return series[symbol, lengths[0]]
    for length in lengths:
        if length == timeframe:
            return series[symbol, length]
    raise QuestionError(
        f"no enabled strategy has {shown(timeframe)} bars of {symbol}; there are"
        f" {', '.join(lengths)}",
        404,
    )


def _hint(word: str, names: tuple[str, ...] | list[str]) -> str:
    near = nearest(word, names)
    return f"; did you mean {near}?" if near else f"; there are {', '.join(names)}"


def _moment_of(timestamp: str | float | None) -> int | None:
    """Microseconds since the epoch; a text without a zone is this machine's local time."""
    if timestamp is None:
        return None
    try:
        if isinstance(timestamp, str):
            timestamp = datetime.fromisoformat(timestamp).timestamp()
        time_us = round(timestamp * 1e6)
    except (ValueError, OverflowError, OSError):
        time_us = -1
    if not 0 <= time_us < 2**53:
        raise QuestionError(
            f"timestamp {shown(timestamp)} is no time; write 2026-01-05T10:00:00Z, seconds since"
            " 1970, or leave it out for the newest bar"
        )
    return time_us


def _described(one: BarSeries) -> dict[str, Any]:
    newest = one.newest_us
    return {
        "symbol": one.symbol,
        "timeframe": one.timeframe,
        "closed_bars": one.closed,
        "newest_tick": format_iso(newest) if newest else None,
    }
