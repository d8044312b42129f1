"""Before anything is answered: is this our host, our origin, somebody who may?"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from mt5crs_services.page.access.token import Sessions, TokenError
from mt5crs_shared.configuration.notify_structs import PageConfig

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing but what this server has: no inline script or style, no other host, no frame."""

HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
OWN_SCRIPT: Final = "x-mt5crs"
"""Header in which the page's own script proves itself."""

SITE: Final = "sec-fetch-site"
OWN_SITE: Final = "same-origin"
"""Whence a browser says that a request comes; ``none``: somebody has typed the address."""

OPEN: Final = ("/", "/api/session")
"""What everybody may ask: the page's own files, which are the same everywhere, and to be let in."""

SAFE: Final = frozenset({"GET", "HEAD"})


class Denied(msgspec.Struct, frozen=True):
    """Why a request is not answered.

    Attributes:
        status: HTTP status.
        reason: For people.
    """

    status: int
    reason: str


class Guard:
    """Asks before the application does anything; and says which of both may be done.

    Args:
        application: What it stands before.
        config: Where the page is served, and to whom.
        sessions: Who has shown the token.
        cookie: Name of the cookie: two installations on one machine do not mix theirs up.
    """

    def __init__(
        self, application: Application, config: PageConfig, sessions: Sessions, cookie: str
    ) -> None:
        self._application = application
        self._sessions = sessions
        self._cookie = cookie
        self._open_to_look = config.is_local
        own = urlsplit(f"//{config.address}").hostname or ""
        self._hosts = LOOPBACK | {own} | {name.lower() for name in config.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or have it answered."""
        if scope["type"] != "http":
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        denied = self._denied(scope["method"], scope["path"], headers, scope)
        if denied is None:
            await self._application(scope, receive, with_headers)
            return
        if denied.status != 401:
            who = scope["client"][0] if scope.get("client") else "somebody"
            logger.warning("%s %s from %s: %s", scope["method"], scope["path"], who, denied.reason)
        body = msgspec.json.encode({"error": denied.reason})
        start = {
            "type": "http.response.start",
            "status": denied.status,
            "headers": [(b"content-type", b"application/json"), (b"cache-control", b"no-store")],
        }
        await with_headers(start)
        await send({"type": "http.response.body", "body": body})

    def _denied(
        self, method: str, path: str, headers: dict[str, str], scope: Scope
    ) -> Denied | None:
        host = headers.get("host", "")
        if _host_name(host) not in self._hosts:
            return Denied(
                421, f"this page is not called {host!r}; names that it has: global.page.hosts"
            )
        if path.startswith("/api/") and headers.get(SITE, OWN_SITE) not in (OWN_SITE, "none"):
            # It could not read the answer; but it must not take the place of a viewer either.
            return Denied(403, "the request comes from another site")
        if method not in SAFE and (denied := _foreign(host, headers)):
            return denied
        try:
            shown = self._sessions.is_cookie(*_cookies_of(headers, self._cookie))
        except TokenError as error:
            # Whoever may look without a token may do so still.
            logger.warning("%s", error)
            shown = False
        scope["state"] = {**scope.get("state", {}), "may_act": shown}
        if path in OPEN or path.startswith("/static/"):
            return None
        if not shown and not (self._open_to_look and method in SAFE):
            return Denied(401, "this needs the token: `mt5crs-supervisor page` says the address")
        if method not in SAFE and not self._sessions.is_own_script(headers.get(OWN_SCRIPT, "")):
            return Denied(403, "the request does not come from this page")
        return None


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _foreign(host: str, headers: dict[str, str]) -> Denied | None:
    """Why a request that would change something is not one of this page's own; None: it is."""
    origin = headers.get("origin", "")
    if origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
        return Denied(403, f"the request comes from {origin or 'nowhere'!r}, not from this page")
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return Denied(415, "expected JSON")
    return None


def _cookies_of(headers: dict[str, str], name: str) -> list[str]:
    """Values of the cookies of a name.

    Browsers send those of every port of the host, whatever their services have put into them: one
    that is no proper cookie must not hide ours, nor may another one of our name.
    """
    parts = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
    return [value for found, _, value in parts if found == name]
