"""The routes of the page: its files, the stream, what is asked for once, and actions."""

import asyncio
import importlib.resources
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from mt5crs_services.page.access.attempts import Attempts
from mt5crs_services.page.access.guard import OWN_SCRIPT, Guard
from mt5crs_services.page.access.token import Sessions, TokenError
from mt5crs_services.page.acting import ActionOutcome, DeskAction, Hand, arguments_of
from mt5crs_services.page.desk.booked import EveryTrade
from mt5crs_services.page.desk.viewers import TooManyViewers
from mt5crs_services.page.desk.watching import DeskWatch
from mt5crs_services.page.history.parquet import ParquetError, parquet_of
from mt5crs_services.page.history.view import AskedTrades, history_of, meant
from mt5crs_services.page.strategy.view import read_strategy
from mt5crs_shared.configuration.notify_structs import PageConfig
from mt5crs_shared.process.installation import Installation
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.trading.trade_table import parquet_problem, trades_csv
from mt5crs_shared.trading.trades import Trade

T = TypeVar("T")

KEPT_FOR: Final = 60.0
"""Seconds for which every trade is kept after somebody has looked at them."""

LARGEST: Final = 10_000
"""Bytes of the largest request."""

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

Handler = Callable[[Request], Awaitable[Response]]


class SessionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody shows a token."""

    token: str


def load_static() -> dict[str, bytes]:
    """Every file of the page, by its path: read once, and nothing else is ever served."""
    found: dict[str, bytes] = {}

    def walk(folder: Any, path: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                walk(entry, f"{path}{entry.name}/")
            elif f".{entry.name.rpartition('.')[2]}" in TYPES:
                found[f"{path}{entry.name}"] = entry.read_bytes()

    walk(importlib.resources.files("mt5crs_services.page") / "static", "")
    return found


class Pages:
    """Answers requests.

    Args:
        paths: The ``var`` folder.
        config: Where it is served, and to whom.
        watch: The desk.
        hand: Carries actions out.
        cookie: Name of the cookie.
        sessions: Who has shown the token.
    """

    def __init__(
        self,
        paths: VarPaths,
        config: PageConfig,
        watch: DeskWatch,
        hand: Hand,
        cookie: str,
        sessions: Sessions,
    ) -> None:
        self._paths = paths
        self._config = config
        self._watch = watch
        self._hand = hand
        self._cookie = cookie
        self._sessions = sessions
        self._attempts = Attempts(time.monotonic)
        # One at a time: whatever many viewers ask for, the page takes one core at most.
        self._reading = asyncio.Lock()
        self._making = asyncio.Lock()
        self._every = EveryTrade(paths.ledger)
        self._release: asyncio.TimerHandle | None = None
        self._static = load_static()

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        return [
            Route("/", self.index),
            Route("/static/{path:path}", self.static),
            Route("/api/session", self.session),
            Route("/api/session", self.open_session, methods=["POST"]),
            Route("/api/stream", self.stream),
            Route("/api/strategy/{name}", self.strategy),
            Route("/api/history", self.history),
            Route("/api/trades.csv", self.trades),
            Route("/api/trades.parquet", self.trades_as_parquet),
            Route("/api/act", self.act, methods=["POST"]),
        ]

    async def index(self, _request: Request) -> Response:
        """The page itself."""
        return self._file("index.html")

    async def static(self, request: Request) -> Response:
        """One of its files."""
        return self._file(request.path_params["path"])

    def _file(self, path: str) -> Response:
        body = self._static.get(path)
        if body is None:
            return failure(404, "there is no such file")
        kind = TYPES[f".{path.rpartition('.')[2]}"]
        # Asked for again each time: after an upgrade nobody looks at half of an old page.
        return Response(body, media_type=kind, headers={"cache-control": "no-cache"})

    async def session(self, request: Request) -> Response:
        """What the one who asks may do."""
        shown = bool(request.scope["state"]["may_act"])
        own = shown and self._sessions.is_own_script(request.headers.get(OWN_SCRIPT, ""))
        return json_answer(
            {
                "installation": self._paths.title,
                "may_look": shown or self._config.is_local,
                "may_act": own,
            }
        )

    async def open_session(self, request: Request) -> Response:
        """Let somebody act who has the token."""
        source = source_of(request)
        if wait := self._attempts.wait(source):
            told = f"too many wrong tokens: try again in {wait:.0f} s"
            return failure(429, told, {"retry-after": f"{wait:.0f}"})
        shown = msgspec.json.decode(await body_of(request), type=SessionRequest)
        if not self._sessions.opened_by(shown.token):
            self._attempts.failed(source)
            return failure(403, "that is not the token; `mt5crs-supervisor page` says it")
        made = json_answer({"may_act": True, "forgery": self._sessions.forgery})
        made.set_cookie(
            self._cookie,
            self._sessions.cookie,
            httponly=True,
            samesite="strict",
            # As the browser sees it: a proxy before us may have the certificate.
            secure=request.headers.get("origin", "").startswith("https:"),
        )
        return made

    async def stream(self, _request: Request) -> Response:
        """The desk, and what changes, as server-sent events."""
        stream = self._watch.stream()
        try:
            first = await anext(stream)
        except TooManyViewers:
            return failure(503, "too many look already: try again later", {"retry-after": "10"})
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(
            _after(first, stream), media_type="text/event-stream", headers=headers
        )

    async def strategy(self, request: Request) -> Response:
        """All of one strategy."""
        report = await self._watch.fresh_report()
        if report is None:
            return failure(503, "no word from the supervisor")
        name = request.path_params["name"]
        rows = {row.process.name: row for row in (*report.strategies, *report.former)}
        if name not in rows:
            return failure(404, f"there is no strategy {name!r}")
        places = Path(report.config), Path(report.folder)
        async with self._reading:
            found = await asyncio.to_thread(
                read_strategy, self._paths, name, rows[name].symbol, *places
            )
        return json_answer(found)

    async def history(self, request: Request) -> Response:
        """What was earned over a span."""
        asked = asked_in(request)
        files = ("CSV",) if parquet_problem() else ("CSV", "Parquet")
        return json_answer(await self._of_trades(lambda every: history_of(every, asked, files)))

    async def trades(self, request: Request) -> Response:
        """The same trades, all of them, as a file."""
        text = await self._table(request)
        return self._table_file(text, "csv", "text/csv; charset=utf-8")

    async def trades_as_parquet(self, request: Request) -> Response:
        """Likewise, for programs that want types."""
        if problem := parquet_problem():
            return failure(501, problem)
        table = await self._table(request)
        async with self._making:
            made = await parquet_of(table)
        return self._table_file(made, "parquet", "application/vnd.apache.parquet")

    async def _table(self, request: Request) -> str:
        asked = asked_in(request)
        return await self._of_trades(lambda every: trades_csv(meant(every, asked)))

    def _table_file(self, content: str | bytes, kind: str, media_type: str) -> Response:
        name = f'attachment; filename="trades-{self._paths.title}.{kind}"'
        headers = {"content-disposition": name, "cache-control": "no-store"}
        return Response(content, media_type=media_type, headers=headers)

    async def _of_trades(self, make: Callable[[list[Trade]], T]) -> T:
        """What is made of every trade; they are kept for as long as somebody looks at them."""
        async with self._reading:
            if self._release is not None:
                self._release.cancel()
            try:
                return await asyncio.to_thread(lambda: make(self._every.read()))
            finally:
                later = asyncio.get_running_loop().call_later
                self._release = later(KEPT_FOR, self._every.forget)

    async def act(self, request: Request) -> Response:
        """Do something, and say what came of it."""
        wanted = msgspec.json.decode(await body_of(request), type=DeskAction)
        report = await self._watch.fresh_report()
        if report is None:
            return failure(503, "no word from the supervisor")
        known = {child.name for child in report.children}
        known |= {row.process.name for row in report.former}
        arguments = arguments_of(wanted, known, self._paths.title)
        if isinstance(arguments, str):
            return json_answer(ActionOutcome((arguments,), failed=True))
        return json_answer(await self._hand.carry_out(arguments, source_of(request)))


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for message in rest:
        yield message


class BadRequest(Exception):  # noqa: N818 - it is a request
    """A request that is too large. It is refused."""


async def body_of(request: Request) -> bytes:
    """What was sent, as far as it may be.

    Raises:
        BadRequest: It is too large.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise BadRequest(f"larger than {LARGEST} bytes")
    return body


def asked_in(request: Request) -> AskedTrades:
    """Which trades a request means.

    Raises:
        msgspec.ValidationError: Something in it is none.
    """
    return msgspec.convert(dict(request.query_params), AskedTrades, strict=False)


def source_of(request: Request) -> str:
    """Whence it was asked."""
    return request.client.host if request.client is not None else "somebody"


def json_answer(value: object) -> Response:
    """JSON that nobody keeps."""
    return Response(
        msgspec.json.encode(value),
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


def failure(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    """Why it was not done."""
    made = json_answer({"error": reason})
    made.status_code = status
    made.headers.update(headers or {})
    return made


async def _bad(_request: Request, error: Exception) -> Response:
    return failure(400, str(error))


async def _no_token(_request: Request, error: Exception) -> Response:
    return failure(503, str(error))


async def _not_made(_request: Request, error: Exception) -> Response:
    return failure(500, f"no Parquet file: {error}")


def make_page_application(
    paths: VarPaths, config: PageConfig, installation: Installation, watch: DeskWatch
) -> Guard:
    """All of it, behind its guard."""
    cookie = f"mt5crs_{installation.id[:8]}"
    sessions = Sessions(paths.token)
    pages = Pages(paths, config, watch, Hand(paths), cookie, sessions)
    bad: Mapping[Any, Any] = {
        BadRequest: _bad,
        msgspec.MsgspecError: _bad,
        LedgerError: _bad,
        TokenError: _no_token,
        ParquetError: _not_made,
    }
    application = Starlette(routes=pages.routes(), exception_handlers=bad)
    return Guard(application, config, sessions, cookie)
