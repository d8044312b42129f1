"""The page with a certificate of its own."""

import json
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_cli_process import STRATEGIES, CommandLine
from tests.system import PATIENCE, free_port, listens, wait_for

pytest.importorskip("starlette", reason="needs mt5crs-supervisor[page]")
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[CommandLine]:
    """An installation with a certificate for 127.0.0.1, and its key, beside its configuration."""
    certificate, key = tmp_path / "desk.pem", tmp_path / "desk.key"
    openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=desk"),
        *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
    )
    system = CommandLine(tmp_path, STRATEGIES)
    yield system
    system.call("stop")
    system.end_leftovers()


def serve(desk: CommandLine, port: int, key: str = "desk.key") -> None:
    page = {
        "address": f"127.0.0.1:{port}",
        "certificate": str(desk.folder / "desk.pem"),
        "key": str(desk.folder / key),
    }
    desk.write_config(STRATEGIES, {"page": page})


def test_it_is_served_encrypted_alone(desk: CommandLine) -> None:
    port = free_port()
    serve(desk, port)
    desk.said("start", "--detach")
    wait_for(lambda: listens(port), "the page, which a start does not wait for")
    trusted = ssl.create_default_context(cafile=str(desk.folder / "desk.pem"))
    origin = f"https://127.0.0.1:{port}"

    def ask(path: str, data: bytes | None = None) -> tuple[dict[str, str], bytes]:
        asked_by = {"Origin": origin, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{origin}{path}", data, asked_by)
        with urllib.request.urlopen(request, timeout=PATIENCE, context=trusted) as answer:
            return dict(answer.headers), answer.read()

    # Who connects and does not even shake hands keeps nobody out.
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    headers, _ = ask("/")
    assert "default-src 'none'" in headers["content-security-policy"]
    address = desk.said("page").strip()
    assert address.startswith(f"{origin}/#")
    token = address.rpartition("=")[2]
    headers, made = ask("/api/session", json.dumps({"token": token}).encode())
    assert json.loads(made)["may_act"] is True
    assert {"Secure", "HttpOnly", "SameSite=strict"} <= {
        part.strip() for part in headers["set-cookie"].split(";")
    }
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE)
    with pytest.raises(urllib.error.URLError, match="self-signed"):
        urllib.request.urlopen(origin, timeout=PATIENCE)
    for connection in idle:
        connection.close()


def test_a_key_that_cannot_be_read_is_told_and_asks_nobody(desk: CommandLine) -> None:
    port = free_port()
    key, locked = str(desk.folder / "desk.key"), str(desk.folder / "locked.key")
    openssl("rsa", "-aes256", "-passout", "pass:secret", "-in", key, "-out", locked)
    serve(desk, port, "locked.key")
    desk.said("start", "--detach")
    told = f"cannot serve 127.0.0.1:{port}: "
    wait_for(lambda: desk.service("page").degraded.startswith(told), "words")
    serve(desk, port)
    desk.said("reload")
    wait_for(lambda: desk.service("page").degraded == "", "well again")
