"""Who may look at the page and who may act; asked at the guard itself, without a browser."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mt5crs_services.page.access.attempts import OF_ONE, WITHIN, Attempts
from mt5crs_services.page.access.guard import OWN_SCRIPT, POLICY, Guard
from mt5crs_services.page.access.token import Sessions, TokenError, load_token
from mt5crs_services.page.application import make_page_application
from mt5crs_services.page.desk.story import StoryTail
from mt5crs_services.page.desk.watching import DeskReader, DeskWatch
from mt5crs_shared.configuration.notify_structs import PageConfig
from mt5crs_shared.process.installation import Installation
from mt5crs_shared.process.paths import VarPaths

COOKIE = "mt5crs_desk"
JSON = {"content-type": "application/json"}


async def application(scope: Any, _receive: Any, send: Any) -> None:
    """Says whether whoever asks may act."""
    body = msgspec.json.encode({"may_act": scope["state"]["may_act"]})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


class Desk:
    """A guard, and requests to it."""

    def __init__(self, folder: Path, config: PageConfig) -> None:
        self.token = load_token(folder / "token")
        self.sessions = Sessions(folder / "token")
        self.guard = Guard(application, config, self.sessions, COOKIE)
        self.body = b""

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, dict[str, Any], Any]:
        """Status, headers and body; `Host` is that of the address where none is given."""
        said: list[Any] = []

        async def send(message: Any) -> None:
            said.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": self.body, "more_body": False}

        given = {"host": "127.0.0.1:8090", **{k.replace("_", "-"): v for k, v in headers.items()}}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(k.encode(), v.encode()) for k, v in given.items()],
            "client": ("127.0.0.1", 50_000),
        }
        asyncio.run(self.guard(scope, receive, send))
        found = {k.decode(): v.decode() for k, v in said[0]["headers"]}
        return said[0]["status"], found, msgspec.json.decode(said[1]["body"])

    @property
    def own(self) -> dict[str, str]:
        """What a browser sends that has shown the token, from the page's own script."""
        return {
            "cookie": f"{COOKIE}={self.sessions.cookie}",
            "origin": "http://127.0.0.1:8090",
            "content_type": "application/json",
            OWN_SCRIPT.replace("-", "_"): self.sessions.forgery,
        }


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, PageConfig())


@pytest.fixture
def far(tmp_path: Path) -> Desk:
    return Desk(tmp_path, PageConfig("192.0.2.7:8090", insecure=True))


def test_on_this_machine_looking_is_free_and_acting_is_not(desk: Desk) -> None:
    assert desk.ask("GET", "/api/stream")[0] == 200
    plain = {name: value for name, value in desk.own.items() if name != "cookie"}
    assert desk.ask("POST", "/api/act", **plain)[0] == 401
    assert desk.ask("POST", "/api/act", **desk.own)[0] == 200


def test_elsewhere_everything_needs_the_token_but_the_pages_own_files(far: Desk) -> None:
    host = "192.0.2.7:8090"
    for path in ("/", "/static/js/main.js", "/api/session"):
        assert far.ask("GET", path, host=host)[0] == 200
    assert far.ask("GET", "/api/stream", host=host)[0] == 401
    cookie = f"{COOKIE}={far.sessions.cookie}"
    assert far.ask("GET", "/api/stream", host=host, cookie=cookie)[0] == 200


def test_who_comes_through_a_proxy_needs_it_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path, PageConfig(hosts=["desk.example.org"]))
    assert desk.ask("GET", "/api/stream", host="desk.example.org")[0] == 401
    assert desk.ask("GET", "/api/stream")[0] == 401


@pytest.mark.parametrize("host", ["evil.example:8090", "127.0.0.1.evil.example", "", "[::1"])
def test_a_name_that_leads_here_by_somebody_elses_hand_is_refused(desk: Desk, host: str) -> None:
    status, _, body = desk.ask("GET", "/", host=host)
    assert status == 421
    assert "global.page.hosts" in body["error"]


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "localhost:8090", "[::1]:8090", "LOCALHOST:9"])
def test_names_of_this_machine_are_ours(desk: Desk, host: str) -> None:
    assert desk.ask("GET", "/api/stream", host=host)[0] == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"content_type": "text/plain"}, 415),
        ({"x_mt5crs": "guessed"}, 403),
        ({"cookie": f"{COOKIE}=guessed"}, 401),
        ({"cookie": "\x00;;="}, 401),
    ],
)
def test_an_action_that_is_not_the_pages_own_is_refused(
    desk: Desk, change: dict[str, str], status: int
) -> None:
    assert desk.ask("POST", "/api/act", **{**desk.own, **change})[0] == status


@pytest.mark.parametrize("other", ['a={"x": 1}', "x[1]=2", "a b=1", f"{COOKIE}=guessed", "\x00"])
def test_what_other_ports_put_into_the_cookies_keeps_nobody_out(desk: Desk, other: str) -> None:
    own = {**desk.own, "cookie": f"{other}; {desk.own['cookie']}; {other}"}
    assert desk.ask("POST", "/api/act", **own)[0] == 200


def test_a_cookie_that_another_port_has_seen_lets_nobody_act(tmp_path: Path) -> None:
    paths = VarPaths(tmp_path)
    paths.run.mkdir()
    watch = DeskWatch(DeskReader(paths), StoryTail(paths))
    desk = Desk(paths.run, PageConfig())
    desk.guard = make_page_application(paths, PageConfig(), Installation("desk", "s"), watch)
    desk.body = msgspec.json.encode({"token": desk.token})
    script = {"origin": "http://127.0.0.1:8090", "content_type": "application/json"}
    _, headers, said = desk.ask("POST", "/api/session", **script)
    assert "secure" not in headers["set-cookie"].lower()
    cookie = headers["set-cookie"].partition(";")[0]
    _, _, alone = desk.ask("GET", "/api/session", cookie=cookie)
    assert not alone["may_act"]
    assert said["forgery"] not in str(alone)
    proof = {OWN_SCRIPT.replace("-", "_"): said["forgery"]}
    assert desk.ask("GET", "/api/session", cookie=cookie, **proof)[2]["may_act"]
    assert not desk.ask("GET", "/api/session", **proof)[2]["may_act"]
    by_proxy = {**script, "origin": "https://127.0.0.1:8090"}
    assert "secure" in desk.ask("POST", "/api/session", **by_proxy)[1]["set-cookie"].lower()


def test_another_site_takes_no_viewers_place(desk: Desk) -> None:
    assert desk.ask("GET", "/api/stream", sec_fetch_site="cross-site")[0] == 403
    assert desk.ask("GET", "/api/stream", sec_fetch_site="same-origin")[0] == 200
    assert desk.ask("GET", "/", sec_fetch_site="cross-site")[0] == 200, "a link that leads here"


def test_every_answer_says_that_nothing_comes_from_elsewhere(desk: Desk) -> None:
    for status, headers, _ in (desk.ask("GET", "/"), desk.ask("GET", "/", host="evil.example")):
        assert headers["content-security-policy"] == POLICY, status
        assert headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in POLICY
    assert "http" not in POLICY


def test_a_tokens_file_is_ours_alone(tmp_path: Path) -> None:
    file = tmp_path / "token"
    token = load_token(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_token(file) == token
    file.chmod(0o644)
    with pytest.raises(TokenError, match="may be read by others"):
        load_token(file)
    file.chmod(0o600)
    file.write_text("short\n")
    with pytest.raises(TokenError, match="has no token"):
        load_token(file)


def test_a_fresh_token_ends_every_session(desk: Desk, tmp_path: Path) -> None:
    before = desk.own
    (tmp_path / "token").unlink()
    load_token(tmp_path / "token")
    assert desk.ask("POST", "/api/act", **before)[0] == 401


def test_a_token_that_cannot_be_read_lets_nobody_act(desk: Desk, tmp_path: Path) -> None:
    own = desk.own
    (tmp_path / "token").chmod(0o644)
    assert desk.ask("POST", "/api/act", **own)[0] == 401
    assert desk.ask("GET", "/api/stream")[0] == 200


def test_wrong_tokens_are_not_looked_at_for_a_while() -> None:
    now = 1_000.0
    attempts = Attempts(lambda: now)
    for _ in range(OF_ONE):
        assert attempts.wait("192.0.2.1") == 0.0
        attempts.failed("192.0.2.1")
    assert attempts.wait("192.0.2.1") == WITHIN
    assert attempts.wait("192.0.2.2") == 0.0, "somebody else may try"
    now += WITHIN
    assert attempts.wait("192.0.2.1") == 0.0


def test_wrong_tokens_from_everywhere_are_bounded() -> None:
    attempts = Attempts(lambda: 1_000.0)
    for number in range(60):
        attempts.failed(f"192.0.2.{number}")
    assert attempts.wait("198.51.100.1") > 0.0
