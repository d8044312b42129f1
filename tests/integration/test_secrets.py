"""A whole system with keys, before our program beside the terminal; and where secrets end up."""

import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from click.testing import CliRunner
from zmq.auth import load_certificate

from mt5crs_services.mt5_gateway.client import WindowsGatewayClient
from mt5crs_shared.sockets import connection
from mt5crs_shared.sockets.curve import KeyPlaces
from mt5crs_supervisor.cli import cli
from tests.integration.test_cli_process import CommandLine
from tests.integration.test_live_system import STRATEGY, entry
from tests.integration.test_mt5_gateway_process import Windows
from tests.system import wait_for

PASSWORD = "PLANTED-password-of-the-account"
HOOK = "PLANTED-token-of-a-messenger"

WITHIN = 90.0
"""Seconds until a message was refused: it is gathered for ten."""


def secret_of(file: Path) -> str:
    _, secret = load_certificate(file)
    assert secret is not None
    return secret.decode()


def deals(windows: Windows) -> list[Any]:
    """Those of the broker, which writes its book with the first one."""
    return windows.book()["deals"] if (windows.folder / "book.json").exists() else []


@pytest.fixture
def hook() -> Iterator[int]:
    """The port of an HTTP server that refuses everything, so that there is something to tell."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_error(503)

        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Keys of a desk, its gateway's carried over; and of a stranger."""
    for place in ("keys", "strange"):
        assert CliRunner().invoke(cli, ["keys", str(tmp_path / place), "--for", "gateway"]).output
    (tmp_path / "windows").mkdir()
    (tmp_path / "keys" / "for-gateway").rename(tmp_path / "windows" / "keys")
    return tmp_path


@pytest.fixture
def windows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Windows]:
    monkeypatch.setenv("PLANTED_PASSWORD", PASSWORD)
    machine = Windows(
        folder / "windows", bind="0.0.0.0", keys="keys", password="env:PLANTED_PASSWORD"
    )
    machine.client.close()
    keys = folder / "keys"
    places = KeyPlaces(str(keys / "supervisor.key_secret"), str(keys / "gateway.key"))
    machine.client = WindowsGatewayClient(machine.address, 20.0, places)
    machine.start()
    wait_for(lambda: machine.hello().server_zone, "broker time")
    yield machine
    machine.client.close()
    if machine.process is not None:
        machine.end()


def system(folder: Path, windows: Windows, hook: int, secret_key: str) -> CommandLine:
    (folder / "restless.py").write_text(STRATEGY)
    loss = {"rule": "max_loss", "params": {"most": 3, "unit": "per_cent"}, "on_breach": "halt"}
    settings: dict[str, Any] = {
        "paper_trading": False,
        "secret_key": secret_key,
        "zmq_market_url": f"tcp://127.0.0.1:{windows.ticks}",
        "market": {"server_key": "keys/gateway.key"},
        "zmq_execution_port": windows.orders,
        "account": {"login": 5001, "server": "StandIn-Demo"},
        "execution": {"dialect": "windows_gateway", "server_key": "keys/gateway.key"},
        "risk": [loss],
        "notify": {
            "to": [{"name": "hook", "address": "env:PLANTED_HOOK"}],
            "rules": [{"to": ["hook"]}],
            "alive_url": "env:PLANTED_ALIVE",
        },
    }
    return CommandLine(folder, [entry("euro"), entry("twin")], settings)


def test_a_system_trades_with_keys_and_writes_no_secret_anywhere(
    folder: Path, windows: Windows, hook: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_HOOK", f"json://trader:{HOOK}@127.0.0.1:{hook}/{HOOK}")
    monkeypatch.setenv("PLANTED_ALIVE", f"http://127.0.0.1:{hook}/{HOOK}")
    desk = system(folder, windows, hook, "keys/supervisor.key_secret")
    told: list[str] = []
    try:
        told.append(desk.said("doctor"))
        assert "DEMO account" in told[-1]
        started = desk.call("start", "--live", "--detach")
        assert started.returncode == 0, started.stdout + started.stderr
        wait_for(lambda: len(deals(windows)) > 4, "deals at the broker")
        euro = desk.pid("euro")
        os.kill(euro, signal.SIGSEGV)
        desk.wait_back("euro", euro)
        gateway = desk.pid("gateway")
        os.kill(gateway, signal.SIGKILL)
        desk.wait_back("gateway", gateway)
        wait_for(lambda: "503" in desk.service("notifier").degraded, "a refusal", WITHIN)
        told += [msgspec.json.encode(desk.status()).decode()]
        told += [desk.said(*verb) for verb in (["status"], ["config"], ["events", "-n", "9999"])]
        told += [desk.said("crashes", "euro"), desk.said("logs", "--all", "-n", "9999")]
        told += [desk.said("notify", "sent"), desk.said("explain", "euro")]
        running = [*desk.processes(), psutil.Process(windows.process.pid)]  # type: ignore[union-attr]
        assert len(running) > 5
        told += [" ".join(process.cmdline()) for process in running]
        curve = secret_of(folder / "keys" / "supervisor.key_secret")
        for process in running:
            # What the trader's own shell exports is there as it is everywhere below it.
            assert curve not in " ".join(process.environ().values())
        desk.said("pause", "--all", "--halt")
        desk.said("flatten", "--all")
    finally:
        desk.call("stop")
        windows.end()
    desk.assert_nothing_left()

    planted = {
        "the password": PASSWORD,
        "the messenger's address": HOOK,
        "the secret key": curve,
        "the gateway's secret key": secret_of(folder / "windows" / "keys" / "gateway.key_secret"),
        "the installation's own": msgspec.json.decode((desk.var / "installation").read_bytes())[
            "secret"
        ],
    }
    written = [
        file
        for place in (desk.var, folder / "windows")
        for file in place.rglob("*")
        if file.is_file() and file.suffix != ".key_secret" and file.name != "installation"
    ]
    assert any(file.parent.name == "crash" for file in written), "the last moments of euro"
    assert any(file.name == "orders.db" for file in written), "the gateway's journal"
    for what, secret in planted.items():
        holders = [str(file) for file in written if secret.encode() in file.read_bytes()]
        assert (what, holders) == (what, [])
        assert not any(secret in text for text in told), what


def test_a_system_that_is_not_let_in_says_so_and_trades_when_it_is(
    folder: Path, windows: Windows, hook: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_HOOK", f"json://127.0.0.1:{hook}/")
    monkeypatch.setenv("PLANTED_ALIVE", f"http://127.0.0.1:{hook}/")
    desk = system(folder, windows, hook, "strange/supervisor.key_secret")
    said = connection.NOT_LET_IN
    try:
        assert said in desk.call("doctor").stdout
        assert desk.call("start", "--live", "--detach").returncode == 0
        wait_for(lambda: said in desk.strategy("euro").process.degraded, "what is wrong", WITHIN)
        wait_for(lambda: said in desk.service("gateway").degraded, "the same of the gateway")
        assert said in " ".join(desk.said("status").split())
        assert deals(windows) == []
        # Let in, it trades without being started anew.
        stranger = (folder / "strange" / "supervisor.key").read_bytes()
        (folder / "windows" / "keys" / "desk2.key").write_bytes(stranger)
        windows.end()
        windows.start()
        wait_for(lambda: deals(windows), "a deal", WITHIN)
    finally:
        desk.call("stop")
    desk.assert_nothing_left()
